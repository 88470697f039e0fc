// Does every language say everything, and does the page ask for nothing that is not there?

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

const page = new URL('../../../emailproxy/console/page/', import.meta.url);
const load = async (name) => (await import(new URL(`texts/${name}.js`, page))).default;
const english = await load('en');
const forms = (text) => (typeof text === 'object' ? Object.values(text) : [text]);
const slots = (text) => [...new Set(forms(text).flatMap((form) => form.match(/\{\w+\}/g) ?? []))].sort();

for (const language of ['uk', 'fr']) {
  const catalogue = await load(language);

  test(`${language} has every text, and no other`, () => {
    assert.deepEqual(Object.keys(catalogue), Object.keys(english));
  });

  test(`${language} fills in the same values`, () => {
    for (const [name, text] of Object.entries(english)) assert.deepEqual(slots(catalogue[name]), slots(text), name);
  });

  test(`${language} has the plural forms of its language, and each the same values`, () => {
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories.toSorted();
    for (const [name, text] of Object.entries(english)) {
      assert.equal(typeof catalogue[name], typeof text, name);
      if (typeof text !== 'object') continue;
      assert.deepEqual(Object.keys(catalogue[name]).toSorted(), categories, name);
      for (const form of Object.values(catalogue[name])) assert.deepEqual(slots(form), slots(text), name);
    }
  });

  test(`${language} is translated`, () => {
    const same = Object.keys(english).filter((name) => JSON.stringify(catalogue[name]) === JSON.stringify(english[name]));
    const may = new Set(['authorise.name', 'tile.traffic.both', 'tls.starttls', 'tls.tls']);
    const french = new Set(['actions', 'toasts', 'nav.sessions', 'proxy.version', 'listeners.sessions', 'sessions.client', 'kick']);
    assert.deepEqual(same.filter((name) => !may.has(name) && !(language === 'fr' && french.has(name))), []);
  });
}

test('every name that the modules ask for is there, and every text is asked for', () => {
  const source = readdirSync(new URL('app/', page)).map((name) => readFileSync(new URL(`app/${name}`, page), 'utf8')).join('\n');
  const asked = [...source.matchAll(/\bt\(\s*'([^']+)'/g), ...source.matchAll(/\bt\([^'`)]*\? '([^']+)' : '([^']+)'/g), ...source.matchAll(/\bt\([^'`)]*: '([^']+)'/g)]
    .flatMap((found) => found.slice(1)).filter(Boolean);
  for (const name of asked) assert.ok(name in english, `there is no text ${name}`);
  const built = [...source.matchAll(/`([a-z.]+)\.\$\{/g)].map((found) => `${found[1]}.`);
  const left = Object.keys(english).filter((name) => !source.includes(`'${name}'`) && !built.some((prefix) => name.startsWith(prefix)));
  assert.deepEqual(left, []);
});
