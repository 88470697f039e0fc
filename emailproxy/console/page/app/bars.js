// How many logins were there in each minute, and how many failed? Two bars on one another for each minute of an hour.

import { h, put, s } from './dom.js';

/** Pixels: what is left beside a neighbour of more height is used up to the highest. */
const LOWEST = 184;
const HIGHEST = 280;
const BOTTOM = 22;
const TOP = 8;
const LEFT = 34;
const RIGHT = 4;

/** The end of the scale for this highest value: 1, 2 or 5 times a power of ten, at least 4, and even. */
export function scale(highest) {
  if (highest <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(highest));
  for (const factor of [1, 2, 4, 6, 8, 10]) if (highest <= factor * power) return factor * power;
  return 10 * power;
}

/** The chart: `element`, and `draw(minutes)` with `[minute, ok, failed]`, 60 of them, oldest first. */
export function chart({ t, format }) {
  const picture = s('svg', { class: 'bars', role: 'img' });
  const tip = h('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' });
  const element = h('div', { class: 'chart' }, picture, tip);
  let shown = [];
  let width = 0;
  let height = LOWEST;
  let drawn = '';

  const observer = new ResizeObserver(([entry]) => {
    width = Math.floor(entry.contentRect.width);
    height = Math.min(HIGHEST, Math.max(LOWEST, Math.floor(entry.contentRect.height)));
    if (shown.length > 0) draw(shown);
  });
  observer.observe(element);

  const point = (event) => {
    const step = (width - LEFT - RIGHT) / shown.length;
    const index = Math.floor((event.clientX - picture.getBoundingClientRect().left - LEFT) / step);
    const bucket = shown[index];
    tip.hidden = !bucket;
    if (!bucket) return;
    put(tip,
      h('strong', { text: format.clock(bucket[0] * 60) }),
      h('span', { class: 'key key-ok', text: t('logins.ok', { n: bucket[1] }) }),
      h('span', { class: 'key key-bad', text: t('logins.failed', { n: bucket[2] }) }));
    const middle = LEFT + (index + 0.5) * step;
    tip.style.left = `${Math.min(Math.max(middle, 80), width - 80)}px`;
  };
  element.addEventListener('pointermove', point);
  element.addEventListener('pointerleave', () => { tip.hidden = true; });

  function draw(minutes) {
    shown = minutes;
    if (!width) return;
    const key = `${width} ${height} ${minutes.join(';')}`;
    if (key === drawn) return;
    drawn = key;
    const top = scale(Math.max(...minutes.map(([, ok, failed]) => ok + failed)));
    const room = height - BOTTOM - TOP;
    const y = (value) => TOP + room * (1 - value / top);
    const step = (width - LEFT - RIGHT) / minutes.length;
    const thick = Math.max(2, Math.min(10, step - (step > 6 ? 3 : 1)));
    const parts = [];
    for (const value of [0, top / 2, top]) {
      parts.push(s('line', { class: value === 0 ? 'base' : 'grid', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
      parts.push(s('text', { class: 'axis', x: LEFT - 8, y: y(value) + 4, 'text-anchor': 'end' }, format.count(value)));
    }
    const every = width < 520 ? 20 : 10;
    minutes.forEach(([minute, ok, failed], index) => {
      const x = LEFT + index * step + (step - thick) / 2;
      if (minute % every === 0 && x > LEFT + 12 && x < width - 26) {
        parts.push(s('text', { class: 'axis', x: x + thick / 2, y: height - 5, 'text-anchor': 'middle' }, format.clock(minute * 60)));
      }
      if (ok > 0) parts.push(bar('ok', x, y(ok), thick, y(0) - y(ok)));
      if (failed > 0) parts.push(bar('bad', x, y(ok + failed), thick, Math.max(2, y(ok) - y(ok + failed) - (ok > 0 ? 1 : 0))));
    });
    put(picture, parts);
    picture.setAttribute('width', width);
    picture.setAttribute('height', height);
    picture.setAttribute('viewBox', `0 0 ${width} ${height}`);
  }

  const bar = (kind, x, y, w, tall) => s('rect', { class: `bar bar-${kind}`, x, y, width: w, height: tall, rx: Math.min(2, w / 3) });

  return {
    element,
    draw,
    describe(text) {
      if (picture.getAttribute('aria-label') !== text) picture.setAttribute('aria-label', text);
    },
    legend: h('p', { class: 'legend', 'aria-hidden': 'true' },
      h('span', { class: 'key key-ok', text: t('logins.legend.ok') }), h('span', { class: 'key key-bad', text: t('logins.legend.failed') })),
  };
}
