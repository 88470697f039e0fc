// How are numbers, sizes and times written in a language? By Intl alone; times are Unix seconds.

// Not bytes: "1 byte" is long, and nobody counts them.
const SIZES = ['kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
const SPANS = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];

/** The formats of one language; `language` is a BCP 47 tag. */
export function formats(language) {
  const made = new Map();
  const number = (options) => {
    const key = JSON.stringify(options);
    if (!made.has(key)) made.set(key, new Intl.NumberFormat(language, options));
    return made.get(key);
  };
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' });
  const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' });
  const exact = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const day = new Intl.DateTimeFormat(language, { dateStyle: 'medium' });
  const both = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' });

  const sized = (octets, ending) => {
    let value = Math.max(0, octets) / 1000;
    let step = 0;
    while (value >= 999.5 && step < SIZES.length - 1) {
      value /= 1000;
      step += 1;
    }
    const digits = value === 0 || value >= 100 ? 0 : value >= 10 || step === 0 ? 1 : 2;
    return number({ style: 'unit', unit: SIZES[step] + ending, unitDisplay: 'short', maximumFractionDigits: digits, minimumFractionDigits: Math.min(digits, 1) }).format(value);
  };

  return {
    /** 1,234 */
    count: (value) => number({}).format(value),
    /** 4.2 % */
    share: (value) => number({ style: 'percent', maximumFractionDigits: value > 0 && value < 0.1 ? 1 : 0 }).format(value),
    /** 12.3 kB */
    octets: (value) => sized(value, ''),
    /** 12.3 kB/s */
    rate: (value) => sized(value, '-per-second'),
    /** 120 ms, 1.4 s */
    milliseconds: (value) => (value < 1000
      ? number({ style: 'unit', unit: 'millisecond', unitDisplay: 'short', maximumFractionDigits: value < 10 ? 1 : 0 }).format(value)
      : number({ style: 'unit', unit: 'second', unitDisplay: 'short', maximumFractionDigits: 1 }).format(value / 1000)),
    /** 3 days 4 hr: the two largest units that say something */
    span: (seconds) => {
      let left = Math.max(0, Math.round(seconds));
      const parts = [];
      for (const [unit, size] of SPANS) {
        const amount = Math.floor(left / size);
        if (amount > 0 || (unit === 'second' && parts.length === 0)) {
          parts.push(number({ style: 'unit', unit, unitDisplay: 'short' }).format(amount));
          left -= amount * size;
        } else if (parts.length > 0) break;
        if (parts.length === 2) break;
      }
      return parts.join(' ');
    },
    /** 5 min ago, in 2 days */
    ago: (then, now) => {
      const seconds = then - now;
      if (Math.abs(seconds) < 45) return relative.format(0, 'second');
      const [unit, size] = SPANS.find(([, length]) => Math.abs(seconds) >= length * 0.95) ?? SPANS[3];
      return relative.format(Math.round(seconds / size), unit);
    },
    /** 14:05 */
    clock: (time) => clock.format(time * 1000),
    /** 14:05:09 */
    exact: (time) => exact.format(time * 1000),
    /** 3 Feb 2027 */
    day: (time) => day.format(time * 1000),
    /** 3 Feb 2027, 14:05:09 */
    moment: (time) => both.format(time * 1000),
  };
}
