// Which accounts are there, and how does each stand? State, tokens, last use; and what can be done for each.

import { h, mark, say } from './dom.js';
import { Rows } from './list.js';
import { allAccounts, now } from './model.js';
import { matches, sorted, steady, words } from './order.js';
import { button, column, iconButton, nothing, pill, searchBox, showSort } from './parts.js';

const TONES = { ok: 'ok', needs_consent: 'bad', never_used: 'calm', unknown: 'warn' };
/** What needs a person comes first. */
const URGENCY = { waiting: 0, needs_consent: 1, unknown: 2, never_used: 3, ok: 4 };
/** Seconds that an access token mostly lives: the end of the bar of its remaining life. */
const LIFE = 3600;

export function accounts(page) {
  const { state, t, format } = page;
  let wanted = [];
  let only = null;
  let sorting = { key: 'state', descending: false };
  let waiting = new Set();
  const stateOf = (id) => (waiting.has(id) ? 'waiting' : state.accounts.get(id).state);
  const values = {
    name: (id) => id.toLowerCase(),
    state: (id) => `${URGENCY[stateOf(id)] ?? 2} ${id.toLowerCase()}`,
    token: (id) => state.accounts.get(id).token_ends,
    used: (id) => state.accounts.get(id).last_use,
  };
  const sort = (key) => ({
    key,
    choose: () => {
      sorting = sorting.key === key ? { key, descending: !sorting.descending } : { key, descending: key === 'used' };
      arrange(true);
    },
  });

  const search = searchBox(t('accounts.filter'), (text) => {
    wanted = words(text);
    arrange(true);
    page.announce(count.textContent);
  });
  const chips = h('div', { class: 'chips', role: 'group', 'aria-label': t('accounts.states') });
  const count = h('p', { class: 'below' });
  const head = h('tr', { role: 'row' },
    column(t('accounts.name'), { sort: sort('name') }), column(t('accounts.state'), { sort: sort('state') }),
    column(t('accounts.token'), { sort: sort('token') }), column(t('accounts.used'), { sort: sort('used') }),
    column(t('actions'), { hidden: true, name: 'last' }));
  const table = h('table', { class: 'table accounts', role: 'table', 'aria-label': t('nav.accounts') }, h('thead', { role: 'rowgroup' }, head));
  const rows = new Rows(table, 5, row);
  const empty = nothing('accounts', t('accounts.none'), t('accounts.none.do'));
  const unfound = nothing('search', t('filter.none'), t('filter.none.do'));
  const element = h('div', { class: 'view' },
    h('div', { class: 'view-head' },
      h('div', {}, h('h1', { tabindex: '-1', text: t('nav.accounts') }), count),
      h('div', { class: 'actions' }, chips, search.element)),
    h('section', { class: 'card flush' }, h('div', { class: 'table-room' }, table), empty, unfound));

  function showChips() {
    const numbers = new Map();
    for (const id of state.accounts.keys()) numbers.set(stateOf(id), (numbers.get(stateOf(id)) ?? 0) + 1);
    if (only && !numbers.has(only)) only = null;
    const names = Object.keys(URGENCY).filter((name) => numbers.has(name));
    const key = JSON.stringify([names, [...numbers], only]);
    if (chips.dataset.shown === key) return;
    chips.dataset.shown = key;
    const focused = document.activeElement?.dataset?.chip;
    chips.replaceChildren(...(names.length < 2 ? [] : [null, ...names]).map((name) => h('button', {
      type: 'button', class: 'chip', 'aria-pressed': String(only === name), 'data-chip': name ?? 'all',
      on: { click: () => { only = name; arrange(true); } },
    }, t(name ? `state.${name}` : 'accounts.all'), ' ', h('span', { class: 'chip-number', text: format.count(name ? numbers.get(name) : state.accounts.size) }))));
    if (focused) chips.querySelector(`[data-chip="${focused}"]`)?.focus();
  }

  function arrange(anew = false) {
    waiting = new Set([...state.pending.values()].map((pending) => pending.account));
    showChips();
    let ids = [];
    for (const account of state.accounts.values()) {
      if ((only === null || stateOf(account.name) === only) && matches(wanted, [account.name, account.flow, account.why])) ids.push(account.name);
    }
    ids = !anew && rows.held ? steady(rows.items, ids) : sorted(ids, values[sorting.key], sorting.descending);
    showSort(head, sorting.key, sorting.descending);
    table.hidden = ids.length === 0;
    empty.hidden = state.accounts.size > 0;
    unfound.hidden = state.accounts.size === 0 || ids.length > 0;
    const all = allAccounts(state);
    say(count, wanted.length > 0 || only || all > state.accounts.size ? t('accounts.found', { n: ids.length, all: format.count(all) }) : t('accounts.count', { n: all }));
    rows.set(ids);
  }

  function row() {
    let id = null;
    const name = h('span', { class: 'strong cut' });
    const kind = h('span', { class: 'below cut' });
    const status = pill();
    const why = h('span', { class: 'below cut' });
    const meter = h('span', { class: 'meter', 'aria-hidden': 'true' }, h('span', {}));
    const token = h('span', {});
    const until = h('span', { class: 'below cut' });
    const used = h('span', {});
    const authorise = button('', () => page.actions.authorise(id), { look: 'plain' });
    const doctor = iconButton(t('doctor.one'), 'pulse', () => page.actions.doctor(id));
    const passwords = iconButton(t('passwords.open'), 'key', () => page.actions.passwords(id));
    const cell = (label, cellName, ...children) => h('td', { role: 'cell', class: cellName, 'data-label': label }, children);
    const element = h('tr', { role: 'row' },
      cell(t('accounts.name'), 'main', name, kind), cell(t('accounts.state'), 'state', status.element, why),
      cell(t('accounts.token'), 'token', h('span', { class: 'token-line' }, meter, token), until), cell(t('accounts.used'), 'used', used),
      cell(t('actions'), 'last', h('span', { class: 'row-actions' }, doctor, passwords, authorise)));
    return {
      element,
      update(wantedId) {
        id = wantedId;
        const account = state.accounts.get(id);
        if (!account) return;
        const time = now(state);
        const standing = stateOf(id);
        say(name, account.name);
        mark(name, 'title', account.name);
        say(kind, [t.or(`flow.${account.flow}`, account.flow), account.managed ? t('accounts.managed') : null].filter(Boolean).join(' · '));
        mark(kind, 'title', account.where);
        status.show(standing === 'waiting' ? 'info' : TONES[account.state] ?? 'calm', t.or(`state.${standing}`, account.state));
        say(why, account.why ?? '');
        mark(why, 'title', account.why || null);
        const left = account.token_ends === null ? null : account.token_ends - time;
        meter.hidden = left === null;
        meter.firstChild.style.width = `${Math.max(0, Math.min(1, (left ?? 0) / LIFE)) * 100}%`;
        meter.dataset.tone = left > 0 ? 'ok' : 'calm';
        say(token, left === null ? t('accounts.token.none') : left > 0 ? format.span(left < 60 ? left : left - (left % 60)) : t('accounts.token.over'));
        mark(token, 'data-idle', !(left > 0));
        mark(used, 'data-idle', account.last_use === null);
        mark(token, 'title', left === null ? null : format.moment(account.token_ends));
        say(until, account.until === null ? '' : t('accounts.until', { when: format.ago(account.until, time) }));
        say(used, account.last_use === null ? t('accounts.used.never') : format.ago(account.last_use, time));
        mark(used, 'title', account.last_use === null ? null : format.moment(account.last_use));
        const urgent = standing === 'needs_consent' || standing === 'waiting';
        authorise.className = `button ${urgent ? 'primary' : account.state === 'ok' ? 'quiet' : 'plain'}`;
        say(authorise.lastChild, t(standing === 'waiting' ? 'authorise.continue' : account.state === 'ok' ? 'authorise.again' : 'authorise'));
        mark(authorise, 'aria-label', t('authorise.name', { action: authorise.textContent, account: id }));
        mark(doctor, 'aria-label', t('doctor.name', { account: id }));
        mark(passwords, 'aria-label', t('passwords.of', { account: id }));
      },
    };
  }

  return {
    element,
    title: t('nav.accounts'),
    shown: () => rows.start(),
    left: () => rows.stop(),
    measure: () => rows.measure(),
    update(what) {
      if (what === null || what.has('accounts') || what.has('pending')) arrange();
      else if (what.has('tick')) rows.draw(true);
    },
  };
}
