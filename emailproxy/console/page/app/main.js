// What makes the page run? Here everything is put together: the connection, the state, the language, the views.

import { actions } from './actions.js';
import { put } from './dom.js';
import { formats } from './format.js';
import { frame } from './frame.js';
import { chosen, load, translator } from './language.js';
import { Link } from './link.js';
import { apply, empty, now } from './model.js';
import { chosenLanguage, keepLanguage } from './preferences.js';
import { allowed } from './requests.js';
import { accounts } from './view-accounts.js';
import { activity } from './view-activity.js';
import { overview } from './view-overview.js';
import { sessions } from './view-sessions.js';
import { voice } from './voice.js';

const VIEWS = { overview, accounts, sessions, activity };
/** Milliseconds: what says "5 minutes ago" is looked at again so often. */
const TICK = 1_000;

const page = {
  state: empty(), dialogs: new Set(), wantedRef: null, language: 'en', t: null, format: null,
  actions: null, announce: null, toast: null, speak, retry: () => link.now(), showRef,
};
let around = null;
let view = null;
let changed = new Set();
let drawing = false;
let retryAt = null;
let version = null;

const link = new Link({
  page: document.baseURI,
  open: (url) => new WebSocket(url),
  allowed,
  later: (fn, ms) => setTimeout(fn, ms),
  never: (handle) => clearTimeout(handle),
  clock: () => Date.now(),
}, {
  onMessage(message) {
    for (const what of apply(page.state, message)) changed.add(what);
    tell(message);
    draw();
  },
  onState(state, at) {
    const before = around ? document.documentElement.dataset.link : null;
    retryAt = at;
    showLink();
    if (state === 'lost' && before === 'live') page.announce(page.t('link.lost.title'));
    if (state === 'live' && before === 'lost') page.announce(page.t('link.back'));
    if (state === 'signedout' || state === 'newer') {
      for (const opened of [...page.dialogs]) opened.close();
      close();
      around.instead(state);
    } else if (state === 'live') open();
    else if (!view) around.instead(state);
  },
});

/** Say to a screen reader what cannot be seen otherwise, and no more: an outcome, and errors. */
function tell(message) {
  const { t } = page;
  if (message.type === 'pending_gone' && message.outcome !== 'unknown') {
    page.announce(`${message.account}: ${t.or(`outcome.title.${message.outcome}`, message.outcome)}`);
  } else if (message.type === 'notice' && message.level !== 'warning') page.announce(`${t.or(`level.${message.level}`, message.level)}: ${message.message}`);
  const running = page.state.proxy?.version ?? null;
  if (version !== null && running !== null && running !== version) page.toast('info', t('upgraded', { version: running }));
  version = running;
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const what = changed;
    changed = new Set();
    if (!page.state.filled) return;
    view?.update(what);
    for (const opened of page.dialogs) opened.update?.(what);
    if (what.has('accounts') || what.has('pending')) showBadges();
  });
}

function showBadges() {
  let needing = 0;
  for (const account of page.state.accounts.values()) if (account.state === 'needs_consent') needing += 1;
  around.badge('accounts', needing, page.t('tile.accounts.needing', { n: needing }));
}

function showLink() {
  around?.link(link.state, retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)));
}

const wanted = () => {
  const name = location.hash.slice(1);
  return Object.hasOwn(VIEWS, name) ? name : 'overview';
};

function close() {
  view?.left?.();
  view = null;
}

/** Show the view of the address, from the state; nothing if it is open already. */
function open() {
  const name = wanted();
  if (!page.state.filled || link.state === 'signedout' || link.state === 'newer') return;
  around.at(name);
  if (view?.name === name) return;
  close();
  view = { ...VIEWS[name](page), name };
  put(around.main, view.element);
  view.update(null);
  view.shown?.();
  showBadges();
  document.title = `${view.title} · emailproxy`;
}

function showRef(ref) {
  page.wantedRef = ref;
  view?.search?.input && (view.search.input.value = '');
  view?.update(null);
  const found = document.querySelector(`[data-ref="${CSS.escape(ref)}"]`);
  if (found) found.scrollIntoView({ block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  else page.toast('info', page.t('ref.gone', { ref }));
}

async function speak(language) {
  keepLanguage(language);
  await begin(language);
  document.getElementById('language')?.focus();
}

/** Build the page in a language, from the state. */
async function begin(language) {
  const catalogue = await load(language);
  page.language = language;
  page.format = formats(language);
  page.t = translator(language, catalogue, page.format);
  document.documentElement.lang = language;
  close();
  const said = voice(page);
  Object.assign(page, { announce: said.announce, toast: said.toast, actions: actions(page) });
  around = frame(page, Object.keys(VIEWS));
  put(document.getElementById('app'), around.element, said.element);
  showLink();
  open();
  if (!view && link.state) around.instead(link.state);
}

addEventListener('hashchange', () => {
  open();
  scrollTo(0, 0);
  document.querySelector('h1')?.focus({ preventScroll: true });
});
addEventListener('online', () => link.now());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) link.now();
});
// Rows have another height where they become cards.
let narrow = null;
addEventListener('resize', () => {
  if (narrow !== null && narrow === innerWidth) return;
  narrow = innerWidth;
  view?.measure?.();
});
setInterval(() => {
  if (link.state === 'lost') showLink();
  if (link.state !== 'live') return;
  const { state } = page;
  if (state.rates.rest(state.sessions, now(state))) changed.add('traffic');
  changed.add('tick');
  draw();
}, TICK);

await begin(chosen([chosenLanguage(), ...navigator.languages].filter(Boolean)));
link.start();
