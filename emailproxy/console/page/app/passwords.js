// Which app passwords has an account? A list, a new one (shown once), and an end to each.

import { dialog } from './dialog.js';
import { h, put } from './dom.js';
import { now } from './model.js';
import { button, callout, copyable, field, nothing } from './parts.js';
import { ask } from './requests.js';

const DAY = 86_400;
const LIVES = [null, 30, 90, 365];

/** Open the app passwords of an account. */
export function passwords(page, name) {
  const { state, t, format } = page;
  const opened = dialog(page, t('passwords.title'), { look: 'sheet', lead: name });
  const place = h('div', {}, h('p', { class: 'busy' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), t('loading')));
  const fresh = h('div', { role: 'status' });
  opened.body.append(fresh, place);
  load();

  async function load() {
    const answer = await ask('passwords', { account: name });
    if (!opened.element.isConnected) return;
    if (!answer.ok) {
      put(place, callout('bad', answer.error ?? t('request.lost')), h('div', { class: 'dialog-foot' }, button(t('retry'), load, { picture: 'reload' })));
      return;
    }
    show(answer);
  }

  function show(answer) {
    const entries = answer.passwords ?? [];
    const managed = answer.managed ?? state.accounts.get(name)?.managed ?? entries.length > 0;
    put(place,
      !managed && callout('info', t('passwords.unmanaged'), t('passwords.unmanaged.text'), copyable(`emailproxy passwords migrate ${name}`, page)),
      managed && entries.length === 0 && nothing('key', t('passwords.none'), t('passwords.none.do')),
      entries.length > 0 && h('ul', { class: 'passwords' }, entries.map(line)),
      form());
  }

  function line(entry) {
    const over = entry.expires !== null && entry.expires <= now(state);
    const terms = [
      entry.protocols?.length > 0 ? (entry.protocols.join() === 'SMTP' ? t('passwords.send') : entry.protocols.join(', ')) : t('passwords.any'),
      entry.networks?.length > 0 ? t('passwords.from', { networks: entry.networks.join(', ') }) : null,
      entry.expires === null ? null : t(over ? 'passwords.over' : 'passwords.until', { day: format.day(entry.expires) }),
    ].filter(Boolean);
    const revoke = button(t('passwords.revoke'), () => sure(), { look: 'quiet-danger small' });
    revoke.setAttribute('aria-label', t('passwords.revoke.name', { name: entry.name }));
    const ends = h('div', { class: 'password-end' }, revoke);
    const element = h('li', { class: 'password', 'data-over': over },
      h('div', { class: 'password-body' },
        h('p', {}, h('span', { class: 'strong', text: entry.name }), ' ', entry.id && h('code', { class: 'below', title: t('passwords.id'), text: `${entry.id}…` })),
        h('p', { class: 'below', text: terms.join(' · ') }),
        h('p', { class: 'below', text: `${t('passwords.created', { day: format.day(entry.created) })} · ${
          entry.last_used ? t('passwords.used', { ago: format.ago(entry.last_used, now(state)) }) : t('passwords.unused')}` })),
      ends);
    return element;

    function sure() {
      const yes = button(t('passwords.revoke'), async () => {
        yes.disabled = true;
        const answer = await ask('passwords/revoke', { account: name, name: entry.id || entry.name });
        if (!answer.ok) {
          put(fresh, callout('bad', answer.error ?? t('request.lost')));
          put(ends, revoke);
          return;
        }
        put(fresh);
        page.announce(t('passwords.revoked', { name: entry.name }));
        load();
      }, { look: 'danger small' });
      const no = button(t('cancel'), () => { put(ends, revoke); revoke.focus(); }, { look: 'quiet small' });
      put(ends, h('span', { class: 'below', text: t('passwords.revoke.sure') }), no, yes);
      no.focus();
    }
  }

  function form() {
    const label = h('input', { type: 'text', maxlength: 60, autocomplete: 'off', required: true, placeholder: t('passwords.name.example') });
    const life = h('select', {}, LIVES.map((days) => h('option', { value: days ?? '' }, days === null ? t('passwords.never') : t('passwords.days', { n: days }))));
    const use = h('select', {}, h('option', { value: '' }, t('passwords.any')), h('option', { value: 'SMTP' }, t('passwords.send')),
      h('option', { value: 'IMAP,POP' }, t('passwords.read')));
    const networks = h('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: '192.0.2.0/24' });
    const trouble = h('div', { role: 'alert' });
    const add = h('button', { type: 'submit', class: 'button primary' }, h('span', { text: t('passwords.add') }));
    return h('form', {
      class: 'panel',
      on: {
        submit: async (event) => {
          event.preventDefault();
          add.disabled = true;
          const answer = await ask('passwords/add', {
            account: name,
            name: label.value.trim(),
            ...(life.value ? { expires: Math.round(now(state)) + Number(life.value) * DAY } : {}),
            ...(use.value ? { protocols: use.value.split(',') } : {}),
            ...(networks.value.trim() ? { networks: networks.value.split(/[\s,]+/).filter(Boolean) } : {}),
          });
          add.disabled = false;
          if (!opened.element.isConnected) return;
          if (!answer.ok) {
            put(trouble, callout('bad', answer.error ?? t('request.lost')));
            return;
          }
          put(fresh, callout('ok', t('passwords.new', { name: label.value.trim() }), t('passwords.new.text'), copyable(answer.password, page, 'code-large')));
          opened.body.scrollTo({ top: 0 });
          fresh.querySelector('button').focus();
          load();
        },
      },
    },
    h('h3', { text: t('passwords.add.title') }),
    h('div', { class: 'fields' }, field(t('passwords.name'), label, t('passwords.name.hint')), field(t('passwords.use'), use),
      field(t('passwords.life'), life), field(t('passwords.networks'), networks, t('passwords.networks.hint'))),
    trouble, h('div', { class: 'dialog-foot' }, add));
  }
}
