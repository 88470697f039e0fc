// How does a table with thousands of rows stay smooth? Only the rows in sight are in the document, between two spacers.

import { h, mark } from './dom.js';

/** Rows up to which all are in the document, so that the browser's own search finds them. */
const ALL = 60;
/** Rows beyond each edge of the window. */
const MARGIN = 8;

/**
 * The body of a table.
 *
 * @param {HTMLTableElement} table
 * @param {number} columns
 * @param {function(): {element: HTMLTableRowElement, update: function(string)}} make a row, to be filled again and again by id
 */
export class Rows {
  constructor(table, columns, make) {
    this.table = table;
    this.make = make;
    this.items = [];
    this.shown = new Map();
    this.height = 0;
    const spacer = () => h('tr', { class: 'spacer', 'aria-hidden': 'true', hidden: true }, h('td', { colspan: columns }));
    this.above = spacer();
    this.below = spacer();
    this.body = h('tbody', { role: 'rowgroup' }, this.above, this.below);
    table.append(this.body);
    this.look = () => this.draw();
  }

  /** Begin to follow the window; call `stop` when the table is not shown. */
  start() {
    addEventListener('scroll', this.look, { passive: true });
    addEventListener('resize', this.look, { passive: true });
  }

  stop() {
    removeEventListener('scroll', this.look);
    removeEventListener('resize', this.look);
  }

  /** Whether somebody points at a row or has the focus in one: then rows must not move. */
  get held() {
    return this.body.matches(':hover') || this.body.contains(document.activeElement);
  }

  /** Show the rows of these ids, in this order; those in sight are filled again. */
  set(items, header = 1) {
    this.items = items;
    mark(this.table, 'aria-rowcount', items.length + header);
    this.draw(true);
  }

  /** Bring the rows in sight up to date. */
  draw(fresh = false) {
    if (!this.body.isConnected) return;
    const [first, last] = this.range();
    const wanted = this.items.slice(first, last);
    const keep = new Set(wanted);
    const spare = [];
    for (const [id, row] of this.shown) {
      if (!keep.has(id)) {
        this.shown.delete(id);
        spare.push(row);
      }
    }
    let place = this.above.nextSibling;
    wanted.forEach((id, index) => {
      let row = this.shown.get(id);
      const stale = fresh || !row;
      if (!row) {
        row = spare.pop() ?? this.make();
        this.shown.set(id, row);
      }
      if (row.element === place) place = place.nextSibling;
      else this.body.insertBefore(row.element, place);
      mark(row.element, 'aria-rowindex', first + index + 2);
      if (stale) row.update(id);
    });
    for (const row of spare) row.element.remove();
    this.space(this.above, first);
    this.space(this.below, this.items.length - last);
    if (!this.height && wanted.length > 0) {
      this.height = this.above.nextSibling.getBoundingClientRect().height;
      if (this.height && this.items.length > ALL) this.draw();
    }
  }

  /** The rows' height is another one: the window has become narrow, or the language's words are longer. */
  measure() {
    this.height = 0;
    this.draw();
  }

  range() {
    const count = this.items.length;
    if (count <= ALL) return [0, count];
    if (!this.height) return [0, 1];
    const top = this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / this.height) - MARGIN);
    const last = Math.min(count, Math.ceil((innerHeight - top) / this.height) + MARGIN);
    return first < last ? [first, last] : [Math.max(0, Math.min(first, count - 1)), Math.min(count, first + 1)];
  }

  space(spacer, rows) {
    spacer.hidden = rows === 0;
    spacer.firstChild.style.height = `${rows * this.height}px`;
  }
}
