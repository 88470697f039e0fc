// Which rows are shown, and in which order? Filtering and sorting, without a document.

/** The words of a search box: all of them must be found. */
export const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

/** Whether all words are somewhere in the fields. */
export function matches(wanted, fields) {
  if (wanted.length === 0) return true;
  const text = fields.filter(Boolean).join('\n').toLowerCase();
  return wanted.every((word) => text.includes(word));
}

/** The items in the order of a value, numbers and texts alike; what is missing comes last either way. Each value is asked for once. */
export function sorted(items, value, descending) {
  const sign = descending ? -1 : 1;
  const decorated = items.map((item) => [value(item) ?? null, item]);
  decorated.sort(([a], [b]) => {
    if (a === b) return 0;
    if (a === null) return 1;
    if (b === null) return -1;
    return a < b ? -sign : sign;
  });
  return decorated.map(([, item]) => item);
}

/** The new order while somebody points at the rows: those that stay keep their places, and new ones come at the end. */
export function steady(before, after) {
  const left = new Set(after);
  const kept = before.filter((item) => left.delete(item));
  return kept.concat([...left]);
}
