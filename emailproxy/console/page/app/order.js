// Which rows are shown, and in which order? Filtering and sorting, without a document.

/** The words of a search box: all of them must be found. */
export const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

/** Whether all words are somewhere in the fields. */
export function matches(wanted, fields) {
  if (wanted.length === 0) return true;
  const text = fields.filter(Boolean).join('\n').toLowerCase();
  return wanted.every((word) => text.includes(word));
}

/** Compare by a value, numbers and texts alike; what is missing comes last either way. */
export function by(value, descending) {
  return (one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === b) return 0;
    if (a === null || a === undefined) return 1;
    if (b === null || b === undefined) return -1;
    const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : 1;
    return descending ? -order : order;
  };
}

/** The new order while somebody points at the rows: those that stay keep their places, and new ones come at the end. */
export function steady(before, after) {
  const left = new Set(after);
  const kept = before.filter((item) => left.delete(item));
  return kept.concat([...left]);
}
