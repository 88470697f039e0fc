// Where does the proxy listen, and what does each listener forward to?

import { CERTIFICATE_SOON } from './attention.js';
import { h, keyed, say } from './dom.js';
import { icon } from './icons.js';
import { now } from './model.js';
import { card, column, nothing, pill } from './parts.js';

export function listenersCard(page) {
  const { state, t, format } = page;
  const body = h('tbody', { role: 'rowgroup' });
  const table = h('table', { class: 'table listeners', role: 'table', 'aria-label': t('listeners.title') },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
      column(t('listeners.name')), column(t('listeners.address')), column(t('listeners.forwards')),
      column(t('listeners.tls')), column(t('listeners.sessions'), { name: 'number' }))),
    body);
  const empty = nothing('server', t('listeners.none'), t('listeners.none.do'));
  const known = new Map();

  return {
    element: card(t('listeners.title'), { class: 'flush' }, h('div', { class: 'table-room' }, table), empty),
    update() {
      const rows = [...state.listeners.values()].sort((a, b) => a.id.localeCompare(b.id, undefined, { numeric: true }));
      table.hidden = rows.length === 0;
      empty.hidden = rows.length > 0;
      const live = new Map();
      for (const session of state.sessions.values()) live.set(session.listener, (live.get(session.listener) ?? 0) + 1);
      keyed(body, known, rows, (one) => one.id, () => row(page), (part, one) => part.update(one, live.get(one.id) ?? 0));
    },
  };

  function row() {
    const name = h('span', { class: 'strong' });
    const address = h('span', { class: 'mono' });
    const upstream = h('span', { class: 'mono' });
    const how = h('span', { class: 'below' });
    const tls = pill();
    const ends = h('span', { class: 'below' });
    const count = h('span');
    const cell = (label, ...children) => h('td', { role: 'cell', 'data-label': label }, children);
    const element = h('tr', { role: 'row' },
      cell(t('listeners.name'), name), cell(t('listeners.address'), address),
      cell(t('listeners.forwards'), h('span', { class: 'forwards' }, icon('chevron', 12), h('span', {}, upstream, ' ', how))),
      cell(t('listeners.tls'), tls.element, ends),
      h('td', { role: 'cell', class: 'number', 'data-label': t('listeners.sessions') }, count));
    return {
      element,
      update(one, sessions) {
        say(name, one.id);
        say(address, one.addresses.join(', '));
        const own = one.upstream === "the accounts' own servers";
        const [, server, security] = /^(.*?)(?: \((.*)\))?$/.exec(one.upstream);
        say(upstream, own ? t('listeners.own') : server);
        upstream.classList.toggle('mono', !own);
        say(how, own ? '' : security ?? '');
        tls.show({ tls: 'ok', starttls: 'ok' }[one.tls] ?? 'calm', t.or(`tls.${one.tls}`, one.tls));
        const certificate = one.certificate_ends;
        const left = certificate === null ? null : certificate - now(state);
        say(ends, certificate === null ? '' : t(left > 0 ? 'listeners.certificate' : 'listeners.certificate.over', { ends: format.ago(certificate, now(state)) }));
        ends.dataset.tone = left === null || left > CERTIFICATE_SOON ? '' : left > 0 ? 'warn' : 'bad';
        say(count, format.count(sessions));
      },
    };
  }
}
