// Do rates, orders, formats and what needs attention come out right?

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { attention } from '../../../emailproxy/console/page/app/attention.js';
import { scale } from '../../../emailproxy/console/page/app/bars.js';
import { formats } from '../../../emailproxy/console/page/app/format.js';
import { chosen, translator } from '../../../emailproxy/console/page/app/language.js';
import { empty } from '../../../emailproxy/console/page/app/model.js';
import { matches, sorted, steady, words } from '../../../emailproxy/console/page/app/order.js';
import { Rates, SAMPLES } from '../../../emailproxy/console/page/app/rates.js';
import { paths } from '../../../emailproxy/console/page/app/sparkline.js';
import uk from '../../../emailproxy/console/page/texts/uk.js';

const plain = (text) => text.replace(/[\u00a0\u202f]/g, ' ');

test('a rate is what was carried since the last sample', () => {
  const rates = new Rates();
  const sessions = new Map([['a', { up: 1000, down: 0 }], ['idle', { up: 5, down: 5 }]]);
  rates.begin(sessions, 100);
  sessions.get('a').up = 3000;
  rates.sample(sessions, 102);
  assert.equal(rates.of('a'), 1000);
  assert.equal(rates.total.rateUp, 1000);
  assert.equal(rates.tracks.get('idle').samples, null);
  assert.equal(rates.tracks.get('a').samples.length, SAMPLES);
  assert.equal(rates.tracks.get('a').samples.at(-1), 1000);
});

test('silence is a rate of nothing, and only after a while', () => {
  const rates = new Rates();
  const sessions = new Map([['a', { up: 0, down: 0 }]]);
  rates.begin(sessions, 100);
  sessions.get('a').down = 500;
  rates.sample(sessions, 101);
  assert.equal(rates.rest(sessions, 102), false);
  assert.equal(rates.rest(sessions, 103), true);
  assert.equal(rates.of('a'), 0);
});

test('a snapshot after a loss is no burst', () => {
  const rates = new Rates();
  const sessions = new Map([['a', { up: 0, down: 10 }]]);
  rates.begin(sessions, 100);
  rates.begin(new Map([['a', { up: 0, down: 9_000_000 }]]), 160);
  assert.equal(rates.of('a'), 0);
});

test('filters find all words, anywhere', () => {
  assert.ok(matches(words(' IMAP anna '), ['anna@example.com', 'IMAP-993', null]));
  assert.ok(!matches(words('anna pop'), ['anna@example.com', 'IMAP-993']));
});

test('what is missing comes last either way', () => {
  const rows = [{ v: null }, { v: 2 }, { v: 1 }];
  assert.deepEqual(sorted(rows, (row) => row.v, false).map((row) => row.v), [1, 2, null]);
  assert.deepEqual(sorted(rows, (row) => row.v, true).map((row) => row.v), [2, 1, null]);
});

test('rows that somebody points at keep their places', () => {
  assert.deepEqual(steady(['c', 'a', 'b'], ['a', 'b', 'new', 'c']), ['c', 'a', 'b', 'new']);
  assert.deepEqual(steady(['c', 'a'], ['a']), ['a']);
});

test('sizes, spans and times are written in the language', () => {
  const en = formats('en');
  assert.equal(plain(en.octets(0)), '0 kB');
  assert.equal(plain(en.octets(420)), '0.4 kB');
  assert.equal(plain(en.octets(999_900)), '1.0 MB');
  assert.equal(plain(en.octets(12_345)), '12.3 kB');
  assert.equal(plain(formats('fr').octets(12_345)), '12,3 ko');
  assert.equal(plain(formats('uk').rate(1_500_000)), '1,5 МБ/с');
  assert.equal(plain(en.span(3 * 86_400 + 4 * 3_600 + 59)), '3 days 4 hr');
  assert.equal(plain(en.span(86_400 + 60)), '1 day');
  assert.equal(plain(en.span(0)), '0 sec');
  assert.equal(plain(en.ago(100, 400)), '5 min. ago');
  assert.equal(plain(en.ago(100 + 2 * 86_400, 100)), 'in 2 days');
  assert.equal(plain(en.ago(100, 110)), 'now');
});

test('the language is the first wanted one that there is', () => {
  assert.equal(chosen(['de-DE', 'fr-CA', 'uk']), 'fr');
  assert.equal(chosen(['de']), 'en');
  assert.equal(chosen(['UK-ua']), 'uk');
});

test('plurals follow the language, and what is missing is English', () => {
  const t = translator('uk', uk);
  assert.deepEqual([1, 3, 5, 21, 112].map((n) => plain(t('sessions.count', { n }))), [
    '1 сеанс відкрито', '3 сеанси відкрито', '5 сеансів відкрито', '21 сеанс відкрито', '112 сеансів відкрито',
  ]);
  const bare = translator('uk', {});
  assert.equal(bare('reload'), 'Reload');
  assert.equal(bare.or('outcome.new kind', 'new kind'), 'new kind');
});

test('the scale is round, and no smaller than what it shows', () => {
  assert.deepEqual([0, 3, 5, 17, 42, 99, 101, 7_000].map(scale), [4, 4, 6, 20, 60, 100, 200, 8000]);
});

test('a sparkline spans its width and stays within its height', () => {
  const { line } = paths([0, 5, 10], 90, 24);
  assert.equal(line, 'M0.0 23.0L45.0 12.0L90.0 1.0');
});

test('what needs a person comes first, and what will soon after it', () => {
  const state = empty();
  const account = { state: 'ok', why: '', until: null };
  state.accounts.set('soon', { ...account, name: 'soon', until: 1000 + 3600 });
  state.accounts.set('bad', { ...account, name: 'bad', state: 'needs_consent', why: 'revoked' });
  state.accounts.set('good', { ...account, name: 'good', until: 1000 + 90 * 86_400 });
  state.listeners.set('L', { id: 'L', certificate_ends: 900 });
  state.store = { address: 'file:x', ready: true, reachable: true, unsaved: [], error: null };
  assert.deepEqual(attention(state, 1000).map((entry) => entry.kind), ['consent', 'certificateOver', 'consentSoon']);
  state.store = { address: 'file:x', ready: true, reachable: false, unsaved: [], error: 'denied' };
  assert.equal(attention(state, 1000)[0].kind, 'store');
  assert.deepEqual(attention(empty(), 1000), []);
});
