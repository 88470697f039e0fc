// What happened lately? Logins as they come, and warnings with their references.

import { h, keyed, mark, say } from './dom.js';
import { MAX_NOTICES, now, succeeded } from './model.js';
import { notices } from './notices.js';
import { matches, words } from './order.js';
import { card, nothing, pill, searchBox } from './parts.js';

/** Logins that are in the list at once. */
const SHOWN = 60;

export function activity(page) {
  const { state, t } = page;
  let wanted = [];
  let failedOnly = false;
  const known = new Map();
  const search = searchBox(t('activity.filter'), (text) => {
    wanted = words(text);
    draw();
  });
  const failed = h('button', {
    type: 'button', class: 'chip', 'aria-pressed': 'false', text: t('activity.failed'),
    on: {
      click: () => {
        failedOnly = !failedOnly;
        mark(failed, 'aria-pressed', String(failedOnly));
        draw();
      },
    },
  });
  const list = h('ol', { class: 'logins', reversed: true });
  const empty = nothing('activity', t('activity.none'), t('activity.none.do'));
  const warnings = notices(page, MAX_NOTICES, (notice) => matches(wanted, [notice.message, notice.ref, notice.logger, notice.advice]));
  const element = h('div', { class: 'view' },
    h('div', { class: 'view-head' },
      h('div', {}, h('h1', { tabindex: '-1', text: t('nav.activity') }), h('p', { class: 'below', text: t('activity.lead') })),
      h('div', { class: 'actions' }, search.element)),
    h('div', { class: 'halves' },
      card(t('activity.warnings'), {}, warnings.element),
      card(t('activity.logins'), { actions: failed, class: 'flush-list' }, list, empty)));

  function draw() {
    const rows = [];
    for (let index = state.recent.length - 1; index >= 0 && rows.length < SHOWN; index -= 1) {
      const login = state.recent[index];
      if (failedOnly && succeeded(login)) continue;
      if (matches(wanted, [login.account, login.client, login.protocol, login.outcome, login.mechanism, login.ref])) rows.push(login);
    }
    list.hidden = rows.length === 0;
    empty.hidden = rows.length > 0;
    keyed(list, known, rows, (login) => login.key, line, (part) => part.update());
    warnings.update();
  }

  function line(login) {
    const { format } = page;
    const good = succeeded(login);
    const time = h('time', { class: 'below', datetime: new Date(login.at * 1000).toISOString(), title: format.moment(login.at) });
    const element = h('li', { class: 'login' },
      h('div', { class: 'login-main' }, h('span', { class: 'strong cut', title: login.account, text: login.account || t('activity.nobody') }),
        h('span', { class: 'below cut', text: `${login.protocol} · ${login.mechanism} · ${login.client}` })),
      h('div', { class: 'login-end' }, pill(good ? 'ok' : 'bad', t.or(`outcome.${login.outcome}`, login.outcome)).element,
        h('span', { class: 'below' }, format.milliseconds(login.milliseconds), ' · ', time)),
      login.ref && h('button', { type: 'button', class: 'ref', 'aria-label': t('ref.show', { ref: login.ref }), title: t('ref.title'), on: { click: () => page.showRef(login.ref) } }, t('ref', { ref: login.ref })));
    return { element, update: () => say(time, format.ago(login.at, now(state))) };
  }

  return {
    element,
    title: t('nav.activity'),
    search,
    update(what) {
      if (what === null || what.has('logins') || what.has('notices') || what.has('tick')) draw();
    },
  };
}
