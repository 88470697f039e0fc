// How does a person authorise an account here? The mail password where needed, the provider's page, a code, a pasted address.

import { dialog } from './dialog.js';
import { h, put, s, say } from './dom.js';
import { icon } from './icons.js';
import { now } from './model.js';
import { button, callout, copyable, field } from './parts.js';
import { ask } from './requests.js';

/** Flows that ask a person to sign in somewhere. */
const ASKS = new Set(['authorization_code', 'device']);

/** Open the dialog for an account; what waits already is shown, else a new authorisation is begun. */
export function authorise(page, name) {
  const { state, t, format } = page;
  const account = state.accounts.get(name);
  let shown = null;
  let id = null;
  let over = false;
  const clock = h('span', { class: 'below' });
  const opened = dialog(page, t('authorise.title'), {
    lead: name,
    update() {
      if (over) return;
      if (id === null) return;
      const gone = state.gone.get(id);
      if (gone) ended(gone.outcome);
      else if (state.pending.has(id)) waiting(state.pending.get(id));
    },
  });

  const ours = [...state.pending.values()].filter((pending) => pending.account === name).sort((a, b) => b.began - a.began)[0];
  if (ours) {
    id = ours.id;
    waiting(ours);
  } else question();

  function question(error = null) {
    shown = null;
    const again = account?.state === 'ok';
    const password = h('input', { type: 'password', autocomplete: 'off', autofocus: true });
    const wanted = !account?.managed;
    const replace = h('input', { type: 'checkbox' });
    const replacing = h('label', { class: 'check', hidden: true }, replace, h('span', { text: t('authorise.replace') }));
    const trouble = h('div', { role: 'alert' });
    const start = h('button', { type: 'submit', class: 'button primary' }, h('span', { text: t('authorise.start') }));
    const form = h('form', {
      on: {
        submit: async (event) => {
          event.preventDefault();
          start.disabled = true;
          const answer = await ask('authorise', { account: name, ...(password.value ? { password: password.value } : {}), ...(again ? { again: true } : {}), ...(replace.checked ? { replace: true } : {}) });
          password.value = '';
          start.disabled = false;
          if (!opened.element.isConnected) return;
          if (answer.ok) begun(answer);
          else {
            if (answer.needs === 'replace') replacing.hidden = false;
            put(trouble, callout('bad', answer.error ?? t('request.lost')));
            (wanted ? password : start).focus();
          }
        },
      },
    },
    again && callout('info', t('authorise.again.title'), t('authorise.again.text')),
    account?.why && !again && callout('warn', account.why),
    ASKS.has(account?.flow) && h('p', { class: 'lead', text: t('authorise.lead') }),
    wanted && field(t('authorise.password'), password, t('authorise.password.hint')),
    trouble, replacing,
    h('div', { class: 'dialog-foot' }, button(t('cancel'), () => opened.close()), start));
    put(opened.body, form);
    if (error) put(trouble, callout('bad', error));
    (wanted ? password : start).focus();
  }

  function begun(answer) {
    // Without anything to wait for, the account works: its flow needs no person, or its tokens are good.
    if (!answer.pending) {
      ended('authorised');
      return;
    }
    id = answer.pending.id;
    const gone = state.gone.get(id);
    if (gone) ended(gone.outcome);
    else waiting(state.pending.get(id) ?? answer.pending);
  }

  function waiting(pending) {
    const key = JSON.stringify([pending.id, pending.url, pending.user_code]);
    say(clock, t('authorise.expires', { ago: format.ago(pending.expires, now(state)) }));
    if (shown === key) return;
    shown = key;
    const link = h('a', { class: 'button primary large', href: safe(pending.url), target: '_blank', rel: 'noopener noreferrer' },
      h('span', { text: t('authorise.open') }), icon('external'));
    const steps = pending.user_code ? device(pending, link) : browser(link);
    put(opened.body,
      pending.replaces && callout('warn', t('authorise.replaces'), t('authorise.replaces.text')),
      pending.reason && h('p', { class: 'lead', text: pending.reason }),
      steps,
      h('div', { class: 'dialog-foot wait' }, h('span', { class: 'busy' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), t('authorise.waiting')), clock));
    link.focus();
    page.announce(pending.user_code ? t('authorise.code.said', { code: pending.user_code }) : t('authorise.ready'));
  }

  function device(pending, link) {
    const picture = pending.qr ? qr(pending.qr, t('authorise.qr')) : null;
    return h('div', { class: 'device' },
      h('div', { class: 'device-words' },
        h('ol', { class: 'steps' },
          h('li', {}, h('p', { text: t('authorise.code.open') }), link, pending.page && h('p', { class: 'below', text: pending.page })),
          h('li', {}, h('p', { text: t('authorise.code.enter') }), copyable(pending.user_code, page, 'code-large')))),
      picture && h('figure', { class: 'qr' }, picture, h('figcaption', { text: t('authorise.qr') })));
  }

  function browser(link) {
    const pasted = h('input', { type: 'url', autocomplete: 'off', spellcheck: 'false', placeholder: 'http://localhost/?code=…' });
    const confirmed = h('input', { type: 'checkbox' });
    const confirming = h('label', { class: 'check', hidden: true }, confirmed, h('span', { text: t('authorise.confirm') }));
    const trouble = h('div', { role: 'alert' });
    const send = h('button', { type: 'submit', class: 'button plain', text: t('authorise.paste.send') });
    const form = h('form', {
      class: 'inline',
      on: {
        submit: async (event) => {
          event.preventDefault();
          if (!pasted.value.trim()) return;
          send.disabled = true;
          const answer = await ask('authorise/answer', { url: pasted.value.trim(), ...(confirmed.checked ? { confirmed: true } : {}) });
          send.disabled = false;
          if (over || !opened.element.isConnected) return;
          if (answer.ok) ended(answer.outcome);
          else {
            confirming.hidden = answer.needs !== 'confirmation';
            put(trouble, callout('bad', answer.error ?? t('request.lost'), answer.ref ? t('ref', { ref: answer.ref }) : null));
          }
        },
      },
    }, field(t('authorise.paste'), pasted, t('authorise.paste.hint')), send);
    return h('ol', { class: 'steps' },
      h('li', {}, h('p', { text: t('authorise.step.open') }), link),
      h('li', {}, h('p', { text: t('authorise.step.wait') }),
        h('details', {}, h('summary', { text: t('authorise.paste.when') }), form, trouble, confirming)));
  }

  function ended(outcome) {
    over = true;
    const good = outcome === 'authorised';
    const done = button(t('done'), () => opened.close(), { look: 'primary' });
    const retry = !good && button(t('authorise.retry'), () => {
      over = false;
      id = null;
      question();
    });
    put(opened.body,
      h('div', { class: 'result', 'data-tone': good ? 'ok' : 'bad' }, h('span', { class: 'result-icon' }, icon(good ? 'check' : 'cross', 28)),
        h('p', { class: 'result-title', text: t.or(`outcome.title.${outcome}`, outcome) }), h('p', { text: t.or(`outcome.text.${outcome}`, '') })),
      h('div', { class: 'dialog-foot' },
        outcome === 'failed' && h('a', { class: 'button plain', href: '#activity', on: { click: () => opened.close() } }, t('activity.warnings')), retry, done));
    done.focus();
  }
}

/** Only web addresses become links: the proxy's words go into the page, and nothing that runs may. */
export function safe(url) {
  try {
    return ['https:', 'http:'].includes(new URL(url).protocol) ? url : null;
  } catch {
    return null;
  }
}

/** A QR code of SVG path data in which a module is a unit; the quiet zone that scanners want is around it. */
function qr(path, name) {
  // Squares that are filled, or lines that are drawn.
  const modules = s('path', { d: path, class: /z/i.test(path) ? 'squares' : 'lines' });
  const element = s('svg', { role: 'img', 'aria-label': name, 'shape-rendering': 'crispEdges' }, modules);
  requestAnimationFrame(() => {
    const box = modules.getBBox();
    const size = Math.ceil(Math.max(box.width, box.height));
    element.setAttribute('viewBox', `${Math.floor(box.x) - 4} ${Math.floor(box.y) - 4} ${size + 8} ${size + 8}`);
  });
  return element;
}
