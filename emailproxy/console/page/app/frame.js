// What stands around every view? The name, the way between views, the state of the connection, and the settings.

import { h, mark, put, say } from './dom.js';
import { icon, logo } from './icons.js';
import { LANGUAGES } from './language.js';
import { button, copyable, pill } from './parts.js';
import { setTheme, theme } from './preferences.js';

const LINK_TONES = { connecting: 'calm', live: 'ok', lost: 'warn', signedout: 'bad', newer: 'bad' };

/** The frame; `views` are their names, in order. */
export function frame(page, views) {
  const { t } = page;
  const link = pill('calm', '');
  const main = h('main', { id: 'main', tabindex: '-1' });
  const banner = h('div', { class: 'banner', hidden: true });
  const tabs = views.map((name) => h('a', { href: `#${name}`, class: 'tab', data: { view: name } }, icon(name), h('span', { text: t(`nav.${name}`) })));
  const badges = Object.fromEntries(views.map((name, index) => {
    const badge = h('span', { class: 'badge', hidden: true });
    tabs[index].append(badge);
    return [name, badge];
  }));

  const themes = h('fieldset', { class: 'segments' }, h('legend', { text: t('settings.theme') }),
    h('div', { class: 'segments-row' }, [['system', 'system'], ['light', 'sun'], ['dark', 'moon']].map(([name, picture]) => h('label', {},
      h('input', { type: 'radio', name: 'theme', value: name, checked: theme() === name, on: { change: () => setTheme(name) } }),
      h('span', {}, icon(picture), t(`settings.theme.${name}`))))));
  const language = h('select', { id: 'language', on: { change: (event) => page.speak(event.target.value) } },
    Object.entries(LANGUAGES).map(([tag, own]) => h('option', { value: tag, lang: tag, selected: tag === page.language }, own)));
  const settings = h('div', { id: 'settings', popover: 'auto', class: 'popover' }, themes,
    h('div', { class: 'field' }, h('label', { for: 'language', text: t('settings.language') }), language));

  const element = [
    h('a', { class: 'skip', href: '#main', on: { click: (event) => { event.preventDefault(); main.querySelector('h1')?.focus(); } } }, t('nav.skip')),
    h('header', { class: 'top' },
      h('div', { class: 'top-row' },
        h('a', { class: 'brand', href: '#overview', 'aria-label': 'emailproxy' }, logo(), h('span', { text: 'emailproxy' })),
        h('nav', { class: 'tabs', 'aria-label': t('nav.label') }, tabs),
        h('div', { class: 'top-end' }, link.element,
          h('button', { type: 'button', class: 'button icon-only', popovertarget: 'settings', 'aria-label': t('settings'), title: t('settings') }, icon('settings')), settings))),
    banner, main,
  ];

  return {
    element,
    main,
    /** Show which view is open. */
    at(name) {
      for (const tab of tabs) mark(tab, 'aria-current', tab.dataset.view === name ? 'page' : null);
    },
    /** Show how many things of a view need a person. */
    badge(name, number, words) {
      const badge = badges[name];
      badge.hidden = number === 0;
      put(badge, h('span', { 'aria-hidden': 'true', text: number > 99 ? '99+' : page.format.count(number) }), h('span', { class: 'unseen', text: ` ${words}` }));
    },
    /** Show the connection's state; over the page if nothing on it is true any more. */
    link(state, seconds) {
      link.show(LINK_TONES[state], t(`link.${state}`));
      document.documentElement.dataset.link = state;
      banner.hidden = state !== 'lost';
      if (state === 'lost') {
        const words = seconds > 0 ? t('link.lost.in', { n: seconds }) : t('link.lost.now');
        const known = banner.querySelector('.banner-words');
        if (known) say(known, words);
        else {
          put(banner, h('div', { class: 'banner-row' }, icon('warning'), h('strong', { text: t('link.lost.title') }), h('span', { class: 'banner-words', text: words }),
            button(t('link.retry'), () => page.retry(), { look: 'plain small' })));
        }
      } else put(banner);
    },
    /** Nothing can be shown: a page that says why and what to do. */
    instead(state) {
      const lead = {
        connecting: [h('span', { class: 'spinner large', 'aria-hidden': 'true' })],
        signedout: [h('span', { class: 'instead-icon' }, icon('lock', 24))],
        newer: [h('span', { class: 'instead-icon' }, icon('reload', 24))],
        lost: [h('span', { class: 'spinner large', 'aria-hidden': 'true' })],
      }[state];
      put(main, h('div', { class: 'instead' }, lead, h('h1', { tabindex: '-1', text: t(`instead.${state}`) }), h('p', { text: t(`instead.${state}.text`) }),
        state === 'signedout' && copyable('emailproxy console', page),
        state === 'signedout' && h('p', { class: 'below', text: t('instead.signedout.more') }),
        state === 'signedout' && button(t('link.retry'), () => page.retry()),
        state === 'newer' && button(t('instead.newer.do'), () => location.reload(), { look: 'primary' })));
    },
  };
}
