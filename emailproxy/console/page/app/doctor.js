// What does the doctor find? Each step as it arrives, with what to do about what is wrong.

import { dialog } from './dialog.js';
import { h, keyed, mark, put, say } from './dom.js';
import { icon } from './icons.js';
import { button, callout, field } from './parts.js';
import { ask } from './requests.js';

const PICTURES = { ok: 'check', failed: 'cross', warning: 'warning', skipped: 'skip' };

/** Open the doctor for an account (null: everything) and start a run. */
export function doctor(page, name) {
  const { state, t, format } = page;
  let id = null;
  let told = false;
  const list = h('ol', { class: 'findings' });
  const summary = h('div', {});
  const again = button(t('doctor.again'), () => (seals ? begin() : run()), { picture: 'reload' });
  const known = new Map();
  const opened = dialog(page, t('doctor.title'), { look: 'sheet', lead: name ?? t('doctor.all'), update: draw });
  // Logins are tried with a token only, and the mail password opens that of an account which has one.
  const seals = name !== null && state.accounts.get(name)?.managed === false;
  if (seals) begin();
  else run();

  function begin() {
    const password = h('input', { type: 'password', autocomplete: 'off' });
    put(opened.body, h('form', { on: { submit: (event) => { event.preventDefault(); run(password.value); } } },
      h('p', { class: 'lead', text: t('doctor.lead') }),
      field(t('doctor.password'), password, t('doctor.password.hint')),
      h('div', { class: 'dialog-foot' }, h('button', { type: 'submit', class: 'button primary', text: t('doctor.start') }))));
    password.focus();
  }

  async function run(password = '') {
    put(opened.body, summary, list, h('div', { class: 'dialog-foot' }, again));
    id = null;
    told = false;
    again.disabled = true;
    keyed(list, known, [], () => null, () => null);
    put(summary, busy(t('doctor.starting')));
    const answer = await ask('doctor', { ...(name === null ? {} : { account: name }), ...(password ? { password } : {}) });
    if (!opened.element.isConnected) return;
    if (!answer.ok) {
      put(summary, callout('bad', answer.error ?? t('request.lost')));
      again.disabled = false;
      return;
    }
    id = answer.run;
    draw();
  }

  function draw() {
    const found = id === null ? null : state.runs.get(id);
    if (!found) return;
    keyed(list, known, found.steps, (step) => `${step.subject}\n${step.step}`, () => line(), (part, step) => part.update(step));
    const under = found.steps.filter((step) => step.outcome === 'running').length;
    if (found.done) {
      if (told) return;
      told = true;
      again.disabled = false;
      page.announce(found.failures > 0 ? t('doctor.failures', { n: found.failures }) : t('doctor.done'));
      put(summary, found.failures > 0 ? callout('bad', t('doctor.failures', { n: found.failures }), t('doctor.failures.do'))
        : found.steps.some((step) => step.outcome === 'warning') ? callout('warn', t('doctor.warnings')) : callout('ok', t('doctor.well')));
    } else if (found.lost) {
      again.disabled = false;
      put(summary, callout('warn', t('doctor.lost')));
    } else say(summary.querySelector('.busy-words') ?? put(summary, busy('')).querySelector('.busy-words'), t('doctor.running', { n: found.steps.length - under }));
  }

  function busy(text) {
    return h('p', { class: 'busy' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), h('span', { class: 'busy-words', text }));
  }

  function line() {
    const picture = h('span', { class: 'finding-icon', 'aria-hidden': 'true' });
    const outcome = h('span', { class: 'unseen' });
    const about = h('span', { class: 'below' });
    const what = h('span', { class: 'finding-name' });
    const seconds = h('span', { class: 'below' });
    const text = h('p', { class: 'finding-words' });
    const advice = h('p', { class: 'advice', hidden: true });
    const element = h('li', { class: 'finding' }, picture, h('div', { class: 'finding-body' },
      h('p', { class: 'finding-head' }, h('span', {}, what, ' ', about), outcome, seconds), text, advice));
    let shown = null;
    return {
      element,
      update(step) {
        mark(element, 'data-outcome', step.outcome);
        say(what, step.step);
        say(about, step.subject ?? '');
        say(outcome, t.or(`doctor.${step.outcome}`, step.outcome));
        say(seconds, step.seconds === null || step.seconds === undefined ? '' : format.milliseconds(step.seconds * 1000));
        say(text, step.words ?? '');
        if (shown !== step.outcome) {
          shown = step.outcome;
          put(picture, step.outcome === 'running' ? h('span', { class: 'spinner' }) : icon(PICTURES[step.outcome] ?? 'info'));
        }
        advice.hidden = !step.advice;
        put(advice, h('strong', { text: t('advice') }), ' ', step.advice ?? '');
      },
    };
  }
}
