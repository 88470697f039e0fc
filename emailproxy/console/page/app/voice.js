// How is a person told of something that happened? A line for screen readers, and a note in the corner that goes away.

import { h, put } from './dom.js';
import { callout, iconButton } from './parts.js';

/** Milliseconds that a good note stays; a bad one stays until it is closed. */
const STAYS = 5_000;
/** Milliseconds between two lines for screen readers: the newest is what counts. */
const REST = 1_000;

export function voice(page) {
  const polite = h('div', { class: 'unseen', 'aria-live': 'polite', 'aria-atomic': 'true' });
  const notes = h('div', { class: 'toasts', role: 'region', 'aria-label': page.t('toasts') });
  let timer = null;
  return {
    element: [polite, notes],
    announce(text) {
      clearTimeout(timer);
      const place = [...page.dialogs].at(-1)?.live ?? polite;
      timer = setTimeout(() => put(place, text), place.textContent ? REST : 50);
    },
    toast(tone, text, list = []) {
      const note = h('div', { class: 'toast', role: tone === 'bad' ? 'alert' : 'status' },
        callout(tone, text, null, list.length > 0 && h('ul', {}, list.map((item) => h('li', { text: typeof item === 'string' ? item : item.message ?? JSON.stringify(item) })))),
        iconButton(page.t('close'), 'cross', () => note.remove()));
      notes.append(note);
      if (notes.children.length > 3) notes.firstChild.remove();
      if (tone !== 'bad') setTimeout(() => note.remove(), STAYS);
    },
  };
}
