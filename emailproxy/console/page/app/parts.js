// What do all views share? Buttons, pills, cards, search boxes, and what is shown where there is nothing.

import { h, mark, say } from './dom.js';
import { icon } from './icons.js';

/** A button with words. `look` is primary, plain, quiet or danger. */
export function button(text, onClick, { look = 'plain', picture = null, ...more } = {}) {
  return h('button', { type: 'button', class: `button ${look}`, on: { click: onClick }, ...more },
    picture && icon(picture), h('span', { text }));
}

/** A button with a picture only; its name is its tooltip too. */
export function iconButton(name, picture, onClick, more = {}) {
  return h('button', { type: 'button', class: 'button icon-only', 'aria-label': name, title: name, on: { click: onClick }, ...more }, icon(picture));
}

/** A status in a word; `show(tone, text)` changes it. Tones: ok, warn, bad, info, calm. */
export function pill(tone = 'calm', text = '') {
  const words = h('span', { text });
  const element = h('span', { class: 'pill', 'data-tone': tone }, h('span', { class: 'dot', 'aria-hidden': 'true' }), words);
  return {
    element,
    show(newTone, newText, title = null) {
      mark(element, 'data-tone', newTone);
      mark(element, 'title', title);
      say(words, newText);
    },
  };
}

/** A part of the page with a heading. */
export function card(title, { actions = null, lead = null, class: name = '' } = {}, ...children) {
  const id = `card-${card.next = (card.next ?? 0) + 1}`;
  return h('section', { class: `card ${name}`, 'aria-labelledby': id },
    h('div', { class: 'card-head' },
      h('div', {}, h('h2', { id, text: title }), lead), actions && h('div', { class: 'actions' }, actions)),
    children);
}

/** What is shown where there is nothing: what it would be, and what to do next. */
export function nothing(picture, title, text, ...more) {
  return h('div', { class: 'nothing' }, h('span', { class: 'nothing-icon' }, icon(picture, 20)),
    h('p', { class: 'nothing-title', text: title }), h('p', { class: 'nothing-text', text }), more);
}

/** A box to filter rows with. */
export function searchBox(label, onInput) {
  const input = h('input', {
    type: 'search', class: 'search-input', placeholder: label, 'aria-label': label, autocomplete: 'off', spellcheck: 'false',
    on: { input: () => onInput(input.value) },
  });
  return { element: h('div', { class: 'search' }, icon('search'), input), input };
}

/** A sentence that says what is wrong and what to do. */
export function callout(tone, title, text = null, ...more) {
  const picture = { ok: 'check', warn: 'warning', bad: 'warning', info: 'info' }[tone];
  return h('div', { class: 'callout', 'data-tone': tone }, icon(picture),
    h('div', { class: 'callout-body' }, title && h('p', { class: 'callout-title', text: title }), text && h('p', { text }), more));
}

/** A command to type, with a button that copies it. */
export function copyable(text, { t, announce }, look = 'code') {
  const words = h('span', { class: 'label', text: t('copy') });
  const copy = h('button', {
    type: 'button', class: 'button quiet small',
    on: {
      click: async () => {
        try {
          await navigator.clipboard.writeText(text);
          say(words, t('copied'));
          announce(t('copied'));
        } catch {
          getSelection().selectAllChildren(value);
        }
      },
    },
  }, icon('copy'), words);
  const value = h('code', { class: 'value', text });
  return h('div', { class: `copyable ${look}` }, value, copy);
}

/** A field of a form with its label and its hint. */
export function field(label, input, hint = null) {
  const id = `field-${field.next = (field.next ?? 0) + 1}`;
  input.id = id;
  const below = hint && h('p', { class: 'hint', id: `${id}-hint`, text: hint });
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  return h('div', { class: 'field' }, h('label', { for: id, text: label }), input, below);
}

/** The heading of a column; sorts if `sort` says how it does now and what to do. */
export function column(text, { name = '', sort = null, hidden = false } = {}) {
  const attributes = { role: 'columnheader', scope: 'col', class: name };
  if (hidden) return h('th', attributes, h('span', { class: 'unseen', text }));
  if (!sort) return h('th', attributes, text);
  return h('th', { ...attributes, 'data-sort': sort.key },
    h('button', { type: 'button', class: 'sort', on: { click: () => sort.choose(sort.key) } }, text, h('span', { class: 'sort-mark', 'aria-hidden': 'true' })));
}

/** Show in the headings of `row` by which column it is sorted. */
export function showSort(row, key, descending) {
  for (const head of row.querySelectorAll('[data-sort]')) {
    mark(head, 'aria-sort', head.dataset.sort === key ? (descending ? 'descending' : 'ascending') : null);
  }
}

/** A pair of a list of facts. */
export const fact = (name, value) => h('div', {}, h('dt', { text: name }), h('dd', {}, value));
