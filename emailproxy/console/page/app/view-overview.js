// Is all well? The overview: figures, what needs a person, logins per minute, the store, and the listeners.

import { attention } from './attention.js';
import { chart } from './bars.js';
import { h, keyed, mark, put, say } from './dom.js';
import { icon } from './icons.js';
import { listenersCard } from './listeners.js';
import { allAccounts, minutes, now } from './model.js';
import { notices } from './notices.js';
import { button, card, pill } from './parts.js';
import { sparkline } from './sparkline.js';
import { storeCard } from './store.js';

/** Warnings that are shown here; the others are under Activity. */
const LAST = 3;

export function overview(page) {
  const { state, t, format } = page;
  const status = pill();
  const subtitle = h('p', { class: 'subtitle' });
  const reload = button(t('reload'), () => page.actions.reload(reload), { picture: 'reload' });
  const drain = button(t('drain'), () => page.actions.drain(), { picture: 'power' });
  const doctor = button(t('doctor.run'), () => page.actions.doctor(null), { picture: 'pulse', look: 'plain' });

  const tiles = {
    sessions: tile(t('tile.sessions'), 'sessions'),
    logins: tile(t('tile.logins'), 'activity'),
    traffic: tile(t('tile.traffic'), null, sparkline(120, 34)),
    accounts: tile(t('tile.accounts'), 'accounts'),
  };
  const list = h('ul', { class: 'attention' });
  const calm = h('p', { class: 'calm' }, icon('check'), h('span', { text: t('attention.none') }));
  const attentionCard = h('section', { class: 'card', 'aria-label': t('attention.title') }, calm, list);
  const known = new Map();

  const logins = chart(page);
  const loginsCard = card(t('logins.title'), { actions: logins.legend }, logins.element);
  const store = storeCard(page);
  const listeners = listenersCard(page);
  const warnings = notices(page, LAST);
  const warningsCard = card(t('notices.last'), {
    actions: h('a', { class: 'more', href: '#activity' }, t('notices.all'), icon('chevron', 14)),
  }, warnings.element);

  const element = h('div', { class: 'view' },
    h('div', { class: 'view-head' },
      h('div', {}, h('div', { class: 'title-line' }, h('h1', { tabindex: '-1', text: t('nav.overview') }), status.element), subtitle),
      h('div', { class: 'actions' }, doctor, reload, drain)),
    attentionCard,
    h('div', { class: 'tiles' }, Object.values(tiles).map((one) => one.element)),
    h('div', { class: 'columns' }, loginsCard, store.element),
    listeners.element,
    warningsCard);

  function showProxy() {
    const { proxy } = state;
    if (!proxy) return;
    const [tone, word] = proxy.draining ? ['warn', 'draining'] : proxy.ready ? ['ok', 'serving'] : ['warn', 'notReady'];
    status.show(tone, t(`proxy.${word}`));
    const parts = [
      t('proxy.version', { version: proxy.version }),
      t('proxy.since', { span: format.span(now(state) - proxy.started) }),
      proxy.reloaded ? t('proxy.reloaded', { ago: format.ago(proxy.reloaded, now(state)) }) : null,
    ].filter(Boolean);
    put(subtitle, parts.map((text) => h('span', { text })), h('span', { class: 'path', title: proxy.config, text: proxy.config }));
    mark(drain, 'disabled', proxy.draining);
    mark(reload, 'disabled', proxy.draining);
  }

  function showAttention() {
    const found = attention(state, now(state));
    calm.hidden = found.length > 0;
    list.hidden = found.length === 0;
    keyed(list, known, found, (entry) => JSON.stringify([entry.kind, entry.values, entry.detail, Boolean(pendingOf(entry.account))]), (entry) => attentionLine(page, entry));
  }

  const pendingOf = (name) => name && [...state.pending.values()].some((pending) => pending.account === name);

  function showSessions() {
    let inside = 0;
    for (const session of state.sessions.values()) if (session.account !== null) inside += 1;
    tiles.sessions.show(format.count(state.sessions.size), state.sessions.size === 0 ? t('sessions.none')
      : state.sessions.size === inside ? t('tile.sessions.all') : t('tile.sessions.some', { n: state.sessions.size - inside }));
  }

  function showTraffic() {
    const { total } = state.rates;
    tiles.traffic.show(format.rate(total.rateUp + total.rateDown), t('tile.traffic.both', { down: format.rate(total.rateDown), up: format.rate(total.rateUp) }));
    tiles.traffic.picture.draw(total.samples);
  }

  function showLogins() {
    const hour = minutes(state.logins, now(state));
    const [ok, failed] = hour.reduce(([a, b], [, c, d]) => [a + c, b + d], [0, 0]);
    tiles.logins.show(format.count(ok + failed), failed > 0
      ? t('tile.logins.failed', { n: failed, share: format.share(failed / (ok + failed)) }) : t(ok > 0 ? 'tile.logins.good' : 'tile.logins.none'), failed > 0 ? 'bad' : null);
    logins.draw(hour);
    const most = hour.reduce((best, one) => (one[1] + one[2] > best[1] + best[2] ? one : best));
    logins.describe(`${t('logins.title')}: ${t('logins.ok', { n: ok })}, ${t('logins.failed', { n: failed })}. ${
      ok + failed > 0 ? t('logins.busiest', { time: format.clock(most[0] * 60), n: most[1] + most[2] }) : ''}`);
  }

  function showAccounts() {
    let needing = 0;
    for (const account of state.accounts.values()) if (account.state === 'needs_consent') needing += 1;
    tiles.accounts.show(format.count(allAccounts(state)), needing > 0 ? t('tile.accounts.needing', { n: needing }) : t(state.accounts.size > 0 ? 'tile.accounts.good' : 'accounts.none'), needing > 0 ? 'bad' : null);
  }

  return {
    element,
    title: t('nav.overview'),
    update(what) {
      const all = what === null;
      const has = (...names) => all || names.some((name) => what.has(name));
      if (has('proxy', 'tick')) showProxy();
      if (has('proxy', 'store', 'accounts', 'pending', 'listeners', 'sessions', 'tick')) showAttention();
      if (has('sessions')) showSessions();
      if (has('traffic')) showTraffic();
      if (has('logins', 'tick')) showLogins();
      if (has('accounts')) showAccounts();
      if (has('store', 'tick')) store.update();
      if (has('listeners', 'sessions', 'tick')) listeners.update();
      if (has('notices', 'tick')) warnings.update();
    },
  };
}

function tile(name, view, picture = null) {
  const value = h('p', { class: 'tile-value', text: '–' });
  const note = h('p', { class: 'tile-note' });
  const inside = [h('p', { class: 'tile-name', text: name }), value, picture?.element, note];
  return {
    element: view ? h('a', { class: 'tile', href: `#${view}` }, inside) : h('div', { class: 'tile' }, inside),
    picture,
    show(text, below, tone = null) {
      say(value, text);
      say(note, below);
      mark(note, 'data-tone', tone);
    },
  };
}

function attentionLine(page, { tone, kind, values, detail, account }) {
  const { t, format, state } = page;
  const time = now(state);
  const shown = { ...values };
  for (const name of ['until', 'ends']) if (name in values) shown[name] = format.ago(values[name], time);
  const pending = account !== null && [...state.pending.values()].some((one) => one.account === account);
  const consents = kind === 'consent' || kind === 'consentSoon';
  return h('li', { 'data-tone': tone }, icon('warning'),
    h('div', { class: 'attention-body' }, h('p', { class: 'attention-title', text: t(`attention.${kind}`, shown) }),
      h('p', { class: 'attention-text', text: detail || t(`attention.${kind}.do`, shown) })),
    consents ? button(t(pending ? 'authorise.continue' : 'authorise'), () => page.actions.authorise(account), { look: kind === 'consent' ? 'primary' : 'plain' }) : null,
    kind === 'consents' ? h('a', { class: 'button plain', href: '#accounts' }, t('nav.accounts')) : null);
}
