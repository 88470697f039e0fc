// How does a dialog open and close? The browser's own <dialog>: it keeps the focus inside, and Escape closes it.

import { h } from './dom.js';
import { iconButton } from './parts.js';

/**
 * Open a dialog; `look` is `modal` (in the middle) or `sheet` (at the side). The answer has `body` to fill, `close()`, and `element`.
 *
 * @param {object} page
 * @param {string} title
 * @param {{look?: string, lead?: string|null, update?: function(Set|null), closed?: function()}} options
 */
export function dialog(page, title, { look = 'modal', lead = null, update = null, closed = null } = {}) {
  const before = document.activeElement;
  const body = h('div', { class: 'dialog-body' });
  // While it is open, a screen reader hears nothing from outside.
  const live = h('div', { class: 'unseen', 'aria-live': 'polite', 'aria-atomic': 'true' });
  const element = h('dialog', { class: look, 'aria-labelledby': 'dialog-title' },
    h('div', { class: 'dialog-head' },
      h('div', {}, h('h2', { id: 'dialog-title', text: title }), lead && h('p', { class: 'below cut', title: lead, text: lead })),
      iconButton(page.t('close'), 'cross', () => element.close())),
    body, live);
  const opened = { element, body, live, update, close: () => element.close() };
  // A press on the backdrop closes it, unless the press began inside (somebody who marks text).
  let outside = false;
  element.addEventListener('pointerdown', (event) => { outside = event.target === element; });
  element.addEventListener('click', (event) => {
    if (outside && event.target === element) element.close();
  });
  element.addEventListener('close', () => {
    page.dialogs.delete(opened);
    element.remove();
    if (before?.isConnected) before.focus();
    else document.querySelector('h1')?.focus();
    closed?.();
  });
  document.body.append(element);
  page.dialogs.add(opened);
  element.showModal();
  return opened;
}

/** Ask before something is done; resolves to whether it is to be done. */
export function confirm(page, { title, text, list = [], act, danger = false }) {
  return new Promise((resolve) => {
    let agreed = false;
    const opened = dialog(page, title, { closed: () => resolve(agreed) });
    const yes = h('button', { type: 'button', class: `button ${danger ? 'danger' : 'primary'}`, on: { click: () => { agreed = true; opened.close(); } } }, act);
    const no = h('button', { type: 'button', class: 'button plain', autofocus: true, on: { click: () => opened.close() } }, page.t('cancel'));
    opened.body.append(h('p', { text }), list.length > 0 ? h('ul', {}, list.map((item) => h('li', { text: item }))) : '',
      h('div', { class: 'dialog-foot' }, no, yes));
    no.focus();
  });
}
