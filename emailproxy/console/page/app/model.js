// What does the page know of the proxy? The messages of /events applied to one state, without any thought of showing it.

import { Rates } from './rates.js';

export const FORMAT = 1;
/** Notices that are kept: as many as a snapshot brings. */
export const MAX_NOTICES = 100;
/** Logins that are kept for the list; a snapshot brings their numbers only. */
export const MAX_RECENT = 200;
/** Minutes of the chart. */
export const MINUTES = 60;
const MAX_RUNS = 20;

/** The state before the first message. */
export function empty() {
  return {
    proxy: null,
    store: null,
    listeners: new Map(),
    sessions: new Map(),
    accounts: new Map(),
    pending: new Map(),
    gone: new Map(),
    logins: [],
    recent: [],
    notices: [],
    runs: new Map(),
    rates: new Rates(),
    offset: 0,
    filled: false,
    counter: 0,
  };
}

/**
 * Apply one message to `state`.
 *
 * @returns {string[]} the names of what changed: proxy, store, listeners, sessions, traffic, accounts, pending, logins, notices, doctor.
 */
export function apply(state, message, here = Date.now() / 1000) {
  state.offset = message.time - here;
  return TYPES[message.type]?.(state, message) ?? [];
}

/** The proxy's time now, by our clock and the difference that the last message showed. */
export const now = (state) => Date.now() / 1000 + state.offset;

/** How many accounts there are: of very many, the proxy tells of some. */
export const allAccounts = (state) => Math.max(state.accounts.size, state.proxy?.accounts ?? 0);

const byId = (list, key = 'id') => new Map((list ?? []).map((entry) => [entry[key], entry]));

const TYPES = {
  snapshot(state, message) {
    state.proxy = message.proxy ?? null;
    state.store = message.store ?? null;
    state.listeners = byId(message.listeners);
    state.sessions = byId(message.sessions);
    state.accounts = byId(message.accounts, 'name');
    state.pending = byId(message.pending);
    state.logins = (message.logins ?? []).map((bucket) => [...bucket]);
    state.notices = (message.notices ?? []).map((notice) => numbered(state, notice)).slice(-MAX_NOTICES);
    state.rates.begin(state.sessions, message.time);
    // What the page waited for may have ended while it was away: a run goes on only as far as it was seen.
    for (const run of state.runs.values()) if (!run.done) run.lost = true;
    state.filled = true;
    return ['proxy', 'store', 'listeners', 'sessions', 'traffic', 'accounts', 'pending', 'logins', 'notices', 'doctor'];
  },

  resumed: () => [],

  proxy(state, message) {
    state.proxy = { ...state.proxy, ...message };
    return ['proxy'];
  },

  store(state, message) {
    state.store = { ...state.store, ...message };
    return ['store'];
  },

  listener(state, message) {
    state.listeners.set(message.id, message);
    return ['listeners'];
  },

  listener_gone(state, message) {
    state.listeners.delete(message.id);
    return ['listeners'];
  },

  session(state, message) {
    const known = state.sessions.get(message.id);
    state.sessions.set(message.id, known ? Object.assign(known, message) : message);
    return ['sessions'];
  },

  session_closed(state, message) {
    state.sessions.delete(message.id);
    state.rates.forget(message.id);
    return ['sessions'];
  },

  traffic(state, message) {
    for (const [id, up, down] of message.sessions) {
      const session = state.sessions.get(id);
      if (session) {
        session.up = up;
        session.down = down;
      }
    }
    state.rates.sample(state.sessions, message.time);
    return ['traffic'];
  },

  login(state, message) {
    const failed = !succeeded(message);
    // Several clients log in to one account in the same moment, so a login has no name of its own.
    state.recent.push(numbered(state, message));
    if (state.recent.length > MAX_RECENT) state.recent.splice(0, state.recent.length - MAX_RECENT);
    count(state.logins, Math.floor(message.time / 60), failed);
    return ['logins'];
  },

  account(state, message) {
    state.accounts.set(message.name, message);
    return ['accounts'];
  },

  pending(state, message) {
    state.pending.set(message.id, message);
    return ['pending', 'accounts'];
  },

  pending_gone(state, message) {
    state.pending.delete(message.id);
    state.gone.set(message.id, message);
    if (state.gone.size > MAX_RUNS) state.gone.delete(state.gone.keys().next().value);
    return ['pending', 'accounts'];
  },

  notice(state, message) {
    state.notices.push(numbered(state, message));
    if (state.notices.length > MAX_NOTICES) state.notices.splice(0, state.notices.length - MAX_NOTICES);
    return ['notices'];
  },

  doctor(state, message) {
    const run = runOf(state, message);
    const step = run.steps.find((other) => other.step === message.step && other.subject === message.subject);
    if (step) Object.assign(step, message);
    else run.steps.push({ ...message });
    return ['doctor'];
  },

  doctor_done(state, message) {
    Object.assign(runOf(state, message), { done: true, failures: message.failures });
    return ['doctor'];
  },
};

/** Whether a `login` message tells of a login that worked. */
export const succeeded = (login) => login.outcome === 'ok';

function numbered(state, message) {
  state.counter += 1;
  return { ...message, at: message.at ?? message.time, key: state.counter };
}

function runOf(state, message) {
  let run = state.runs.get(message.run);
  if (!run) {
    run = { id: message.run, account: message.account, steps: [], done: false, failures: 0 };
    state.runs.set(message.run, run);
    if (state.runs.size > MAX_RUNS) state.runs.delete(state.runs.keys().next().value);
  }
  return run;
}

/** Count one login in its minute's bucket; a minute is Unix time / 60. */
export function count(buckets, minute, failed) {
  const last = buckets.at(-1);
  let bucket = last && last[0] >= minute ? buckets.find((other) => other[0] === minute) : null;
  if (!bucket && (!last || last[0] < minute)) {
    bucket = [minute, 0, 0];
    buckets.push(bucket);
    if (buckets.length > MINUTES) buckets.shift();
  }
  if (bucket) bucket[failed ? 2 : 1] += 1;
}

/** The last `MINUTES` minutes up to Unix time `time`, with those in which nothing happened. */
export function minutes(buckets, time) {
  const known = new Map(buckets.map(([minute, ok, failed]) => [minute, [ok, failed]]));
  const end = Math.floor(time / 60);
  return Array.from({ length: MINUTES }, (_, index) => {
    const minute = end - (MINUTES - 1 - index);
    return [minute, ...(known.get(minute) ?? [0, 0])];
  });
}
