// What does the last minute of a rate look like? A line with its area, drawn again each second.

import { s } from './dom.js';

const WIDTH = 96;
const HEIGHT = 24;

/** The line and the area of samples, oldest first; `highest` is the value at the top. */
export function paths(samples, width, height, highest = 0) {
  let top = highest;
  for (const value of samples) if (value > top) top = value;
  const step = width / (samples.length - 1);
  // One pixel stays free above and below: a line on the edge is half a line.
  const y = (value) => (top === 0 ? height - 1 : height - 1 - (value / top) * (height - 2));
  let line = '';
  samples.forEach((value, index) => {
    line += `${index === 0 ? 'M' : 'L'}${(index * step).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return { line, area: `${line}V${height}H0z` };
}

/** A sparkline: `element`, and `draw(samples or null)`. It says nothing to a screen reader: the number is beside it. */
export function sparkline(width = WIDTH, height = HEIGHT) {
  const area = s('path', { class: 'area' });
  const line = s('path', { class: 'line' });
  const element = s('svg', {
    class: 'sparkline', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false',
  }, area, line);
  let last = null;
  return {
    element,
    draw(samples) {
      const drawn = samples ? paths(samples, width, height) : { line: `M0 ${height - 1}H${width}`, area: '' };
      if (drawn.line === last) return;
      last = drawn.line;
      element.classList.toggle('still', !samples);
      line.setAttribute('d', drawn.line);
      area.setAttribute('d', drawn.area);
    },
  };
}
