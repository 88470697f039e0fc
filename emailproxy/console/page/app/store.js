// Does the store answer? Its address, its state, what it was asked, and whose tokens are in memory only.

import { h, put, say } from './dom.js';
import { now } from './model.js';
import { callout, card, fact, pill } from './parts.js';

/** Accounts with unsaved tokens that are listed. */
const LISTED = 5;

export function storeCard(page) {
  const { state, t, format } = page;
  const status = pill();
  const since = h('span', { class: 'below' });
  const address = h('p', { class: 'mono store-address' });
  const facts = h('dl', { class: 'facts' });
  const trouble = h('div', { class: 'store-trouble' });
  let shown = '';

  return {
    element: card(t('store.title'), { actions: status.element }, address, since, trouble, facts),
    update() {
      const { store } = state;
      if (!store) return;
      say(address, store.address);
      const [tone, word] = store.reachable === false ? ['bad', 'silent'] : store.reachable === null ? ['calm', 'idle']
        : store.ready ? ['ok', 'answers'] : ['warn', 'notReady'];
      status.show(tone, t(`store.${word}`));
      say(since, store.since ? t('store.since', { span: format.span(now(state) - store.since) }) : t('store.never'));
      const key = JSON.stringify([store, format.clock(now(state))]);
      if (key === shown) return;
      shown = key;
      put(facts,
        fact(t('store.reads'), format.count(store.reads)),
        fact(t('store.writes'), format.count(store.writes)),
        fact(t('store.failures'), h('span', { 'data-tone': store.failures > 0 ? 'bad' : '', text: format.count(store.failures) })),
        fact(t('store.deferred'), format.count(store.deferred)));
      put(trouble,
        store.reachable === false && callout('bad', t('store.silent.title'), store.error),
        store.unsaved.length > 0 && callout('warn', t('store.unsaved', { n: store.unsaved.length }), t('store.unsaved.do'),
          h('ul', { class: 'plain-list' }, store.unsaved.slice(0, LISTED).map((one) => h('li', {},
            h('span', { class: 'strong', text: one.account }),
            h('span', { class: 'below', text: one.next_try ? t('store.unsaved.next', { ago: format.ago(one.next_try, now(state)) }) : t('store.unsaved.now') }))))));
    },
  };
}
