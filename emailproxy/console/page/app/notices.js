// Which warnings and errors were there lately? Each with its reference and what to do about it.

import { h, keyed, mark, say } from './dom.js';
import { now } from './model.js';
import { nothing, pill } from './parts.js';

const TONES = { warning: 'warn', error: 'bad', critical: 'bad' };

/** A list of the newest `limit` notices; `filter(notice)` may leave some out. */
export function notices(page, limit, filter = () => true) {
  const { state, t } = page;
  const list = h('ol', { class: 'notices', reversed: true });
  const empty = nothing('check', t('notices.none'), t('notices.none.do'));
  const known = new Map();
  return {
    element: h('div', {}, list, empty),
    update() {
      const rows = [];
      for (let index = state.notices.length - 1; index >= 0 && rows.length < limit; index -= 1) {
        if (filter(state.notices[index])) rows.push(state.notices[index]);
      }
      list.hidden = rows.length === 0;
      empty.hidden = rows.length > 0;
      keyed(list, known, rows, (notice) => notice.key, (notice) => line(page, notice), (part, notice) => part.update(notice));
    },
  };
}

function line(page, notice) {
  const { t, format, state } = page;
  const level = pill(TONES[notice.level] ?? 'calm', t.or(`level.${notice.level}`, notice.level));
  const time = h('time', { class: 'below', datetime: new Date(notice.at * 1000).toISOString(), title: format.moment(notice.at) });
  const element = h('li', { class: 'notice', 'data-ref': notice.ref },
    h('div', { class: 'notice-head' }, level.element, time, h('span', { class: 'below mono', text: notice.logger }),
      notice.ref && h('span', { class: 'ref', title: t('ref.title') }, t('ref', { ref: notice.ref }))),
    h('p', { class: 'notice-text', text: notice.message }),
    notice.advice && h('p', { class: 'advice' }, h('strong', { text: t('advice') }), ' ', notice.advice));
  return {
    element,
    update() {
      say(time, format.ago(notice.at, now(state)));
      mark(element, 'data-wanted', page.wantedRef !== null && page.wantedRef === notice.ref);
    },
  };
}
