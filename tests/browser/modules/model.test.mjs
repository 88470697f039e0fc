// Are messages applied as they are meant?

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { allAccounts, apply, count, empty, MAX_NOTICES, MINUTES, minutes } from '../../../emailproxy/console/page/app/model.js';

const session = (id, more = {}) => ({ id, listener: 'IMAP-1', protocol: 'IMAP', client: '10.0.0.1', account: null, opened: 1, logged_in: null, up: 0, down: 0, ...more });
const snapshot = (more = {}) => ({
  type: 'snapshot', time: 6000, proxy: { version: '1' }, store: { address: 'file:x', unsaved: [] }, listeners: [], sessions: [], accounts: [], pending: [], logins: [], notices: [], ...more,
});
const filled = (more) => {
  const state = empty();
  apply(state, snapshot(more), 6000);
  return state;
};

test('a snapshot replaces what was known', () => {
  const state = filled({ sessions: [session('a')], accounts: [{ name: 'x' }] });
  apply(state, snapshot({ sessions: [session('b')] }));
  assert.deepEqual([...state.sessions.keys()], ['b']);
  assert.equal(state.accounts.size, 0);
});

test('of very many accounts some are told of, and all are counted', () => {
  const state = filled({ proxy: { version: '1', accounts: 100000 }, accounts: [{ name: 'x' }] });
  assert.equal(allAccounts(state), 100000);
  assert.equal(allAccounts(filled({ accounts: [{ name: 'x' }, { name: 'y' }] })), 2);
  assert.equal(allAccounts(empty()), 0);
});

test('a session opens, logs in, carries and closes', () => {
  const state = filled();
  assert.deepEqual(apply(state, { type: 'session', time: 6001, ...session('a') }), ['sessions']);
  apply(state, { type: 'session', time: 6002, ...session('a', { account: 'x', logged_in: 6002 }) });
  assert.equal(state.sessions.get('a').account, 'x');
  assert.deepEqual(apply(state, { type: 'traffic', time: 6003, sessions: [['a', 10, 200], ['gone', 1, 1]] }), ['traffic']);
  assert.equal(state.sessions.get('a').down, 200);
  apply(state, { type: 'session_closed', time: 6004, id: 'a', ending: 'logout', up: 10, down: 200, seconds: 3 });
  assert.equal(state.sessions.size, 0);
  assert.equal(state.rates.tracks.size, 0);
});

test('an authorisation that is over is remembered by its outcome', () => {
  const state = filled({ pending: [{ id: 'p', account: 'x' }] });
  apply(state, { type: 'pending_gone', time: 1, id: 'p', account: 'x', outcome: 'denied' });
  assert.equal(state.pending.size, 0);
  assert.equal(state.gone.get('p').outcome, 'denied');
});

test('logins are counted in their minute', () => {
  const buckets = [[99, 1, 0]];
  count(buckets, 100, false);
  count(buckets, 100, true);
  count(buckets, 99, true);
  count(buckets, 42, true); // long ago
  assert.deepEqual(buckets, [[99, 1, 1], [100, 1, 1]]);
  for (let minute = 101; minute < 300; minute += 1) count(buckets, minute, false);
  assert.equal(buckets.length, MINUTES);
});

test('minutes without a login are there too', () => {
  const shown = minutes([[98, 3, 1]], 100 * 60 + 5);
  assert.equal(shown.length, MINUTES);
  assert.deepEqual(shown.slice(-3), [[98, 3, 1], [99, 0, 0], [100, 0, 0]]);
});

test('notices are bounded, the oldest go', () => {
  const state = filled();
  for (let n = 0; n < MAX_NOTICES + 5; n += 1) apply(state, { type: 'notice', time: n, at: n, level: 'warning', message: String(n) });
  assert.equal(state.notices.length, MAX_NOTICES);
  assert.equal(state.notices[0].message, '5');
});

test('a step of the doctor is one line, from running to its outcome', () => {
  const state = filled();
  const step = { type: 'doctor', time: 1, run: 'r', account: 'x', subject: 'IMAP a', step: 'TLS', seconds: null, words: '', advice: null };
  apply(state, { ...step, outcome: 'running' });
  apply(state, { ...step, subject: 'SMTP b', outcome: 'running' });
  apply(state, { ...step, outcome: 'ok', words: 'TLS 1.3' });
  apply(state, { type: 'doctor_done', time: 2, run: 'r', account: 'x', failures: 0 });
  assert.deepEqual(state.runs.get('r').steps.map((one) => one.outcome), ['ok', 'running']);
  assert.equal(state.runs.get('r').done, true);
});

test('a run that a snapshot interrupts is said to be lost', () => {
  const state = filled();
  apply(state, { type: 'doctor', time: 1, run: 'r', account: null, subject: '', step: 'TLS', outcome: 'running', seconds: null, words: '', advice: null });
  apply(state, snapshot());
  assert.equal(state.runs.get('r').lost, true);
});

test('a type that is not known changes nothing', () => {
  assert.deepEqual(apply(filled(), { type: 'weather', time: 1 }), []);
});

test("the proxy's clock is known from its messages", () => {
  const state = empty();
  apply(state, snapshot({ time: 6000 }), 5000);
  assert.equal(state.offset, 1000);
});
