// Who is connected now? Live sessions with what they carry, a filter, and an end to each of them.

import { h, mark, say } from './dom.js';
import { Rows } from './list.js';
import { now } from './model.js';
import { matches, sorted, steady, words } from './order.js';
import { column, iconButton, nothing, pill, searchBox, showSort } from './parts.js';
import { sparkline } from './sparkline.js';

export function sessions(page) {
  const { state, t, format } = page;
  let wanted = [];
  let sorting = { key: 'opened', descending: true };
  const known = () => state.sessions;
  const values = {
    account: (id) => known().get(id).account,
    client: (id) => known().get(id).client,
    opened: (id) => known().get(id).opened,
    down: (id) => known().get(id).down,
    up: (id) => known().get(id).up,
    rate: (id) => state.rates.of(id),
  };
  const descendingFirst = new Set(['opened', 'down', 'up', 'rate']);
  const sort = (key) => ({
    key,
    choose: () => {
      sorting = sorting.key === key ? { key, descending: !sorting.descending } : { key, descending: descendingFirst.has(key) };
      arrange(true);
    },
  });

  const search = searchBox(t('sessions.filter'), (text) => {
    wanted = words(text);
    arrange(true);
    page.announce(count.textContent);
  });
  const count = h('p', { class: 'below' });
  const head = h('tr', { role: 'row' },
    column(t('sessions.account'), { sort: sort('account') }), column(t('sessions.client'), { sort: sort('client') }),
    column(t('sessions.opened'), { sort: sort('opened') }),
    column(t('sessions.down'), { name: 'number', sort: sort('down') }), column(t('sessions.up'), { name: 'number', sort: sort('up') }),
    column(t('sessions.rate'), { name: 'rate', sort: sort('rate') }), column(t('actions'), { hidden: true, name: 'last' }));
  const table = h('table', { class: 'table sessions', role: 'table', 'aria-label': t('nav.sessions') }, h('thead', { role: 'rowgroup' }, head));
  const rows = new Rows(table, 7, row);
  const empty = nothing('sessions', t('sessions.none'), t('sessions.none.do'));
  const unfound = nothing('search', t('filter.none'), t('filter.none.do'));
  const element = h('div', { class: 'view' },
    h('div', { class: 'view-head' },
      h('div', {}, h('h1', { tabindex: '-1', text: t('nav.sessions') }), count),
      h('div', { class: 'actions' }, search.element)),
    h('section', { class: 'card flush' }, h('div', { class: 'table-room' }, table), empty, unfound));

  function arrange(anew = false) {
    let ids = [];
    for (const session of state.sessions.values()) {
      if (matches(wanted, [session.account, session.client, session.listener, session.protocol])) ids.push(session.id);
    }
    ids = !anew && rows.held ? steady(rows.items, ids) : sorted(ids, values[sorting.key], sorting.descending);
    showSort(head, sorting.key, sorting.descending);
    table.hidden = ids.length === 0;
    empty.hidden = state.sessions.size > 0;
    unfound.hidden = state.sessions.size === 0 || ids.length > 0;
    say(count, wanted.length > 0 ? t('sessions.found', { n: ids.length, all: format.count(state.sessions.size) }) : t('sessions.count', { n: state.sessions.size }));
    rows.set(ids);
  }

  function row() {
    const account = h('span', { class: 'strong cut' });
    const kind = h('span', { class: 'below cut' });
    const client = h('span', { class: 'mono cut' });
    const opened = h('span', {});
    const inside = pill('calm', t('sessions.before'));
    const down = h('span', {});
    const up = h('span', {});
    const rate = h('span', { class: 'rate-value' });
    const line = sparkline();
    let id = null;
    const kick = iconButton(t('kick'), 'cross', () => page.actions.kick(id));
    const cell = (label, name, ...children) => h('td', { role: 'cell', class: name, 'data-label': label }, children);
    const element = h('tr', { role: 'row' },
      cell(t('sessions.account'), 'main', account, inside.element, kind), cell(t('sessions.client'), 'client', client), cell(t('sessions.opened'), 'opened', opened),
      cell(t('sessions.down'), 'number', down), cell(t('sessions.up'), 'number', up),
      cell(t('sessions.rate'), 'rate', h('span', { class: 'rate-both' }, line.element, rate)), cell(t('actions'), 'last', kick));
    return {
      element,
      update(wantedId) {
        id = wantedId;
        const session = state.sessions.get(id);
        if (!session) return;
        const time = now(state);
        say(account, session.account ?? '');
        mark(account, 'title', session.account);
        inside.element.hidden = session.account !== null;
        say(kind, `${session.protocol} · ${session.listener}`);
        say(client, session.client);
        mark(client, 'title', session.client);
        say(opened, format.span(time - session.opened));
        mark(opened, 'title', format.moment(session.opened));
        say(down, format.octets(session.down));
        say(up, format.octets(session.up));
        const speed = state.rates.of(id);
        say(rate, speed > 0 ? format.rate(speed) : t('sessions.idle'));
        mark(rate, 'data-idle', speed === 0);
        line.draw(state.rates.tracks.get(id)?.samples ?? null);
        mark(kick, 'aria-label', t('kick.name', { account: session.account ?? session.client }));
      },
    };
  }

  return {
    element,
    title: t('nav.sessions'),
    shown: () => rows.start(),
    left: () => rows.stop(),
    measure: () => rows.measure(),
    update(what) {
      const all = what === null;
      if (all || what.has('sessions') || (what.has('traffic') && ['rate', 'down', 'up'].includes(sorting.key))) arrange();
      else if (what.has('traffic') || what.has('tick')) rows.draw(true);
    },
  };
}
