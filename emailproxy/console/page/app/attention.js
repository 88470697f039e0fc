// What should a person look at? Everything that is not as it should be, worst first, as values; nothing is shown here.

const DAY = 86_400;
/** Seconds before a certificate's end from which it is worth a word: renewals that work come earlier. */
export const CERTIFICATE_SOON = 14 * DAY;
/** Seconds before a person is needed again from which it is worth a word. */
const CONSENT_SOON = 7 * DAY;
/** Accounts that are named; of more, the number is said. */
const NAMED = 5;

/**
 * @returns {{tone: string, kind: string, values: object, detail: string|null, account: string|null}[]} `kind` names the texts
 *   `attention.KIND` (and `attention.KIND.do`, what to do about it).
 */
export function attention(state, time) {
  const found = [];
  const say = (tone, kind, values = {}, detail = null, account = null) => found.push({ tone, kind, values, detail, account });
  const { proxy, store } = state;

  if (proxy?.draining) say('warn', 'draining', { n: state.sessions.size });
  if (store) {
    if (store.reachable === false) say('bad', 'store', { address: store.address }, store.error);
    else if (!store.ready && store.reachable !== null) say('warn', 'storeNotReady', { address: store.address }, store.error);
    if (store.unsaved?.length > 0) say('bad', 'unsaved', { n: store.unsaved.length });
  }

  const needing = [...state.accounts.values()].filter((account) => account.state === 'needs_consent');
  for (const account of needing.slice(0, NAMED)) say('bad', 'consent', { account: account.name }, account.why, account.name);
  if (needing.length > NAMED) say('bad', 'consents', { n: needing.length - NAMED });
  const soon = [...state.accounts.values()].filter((a) => a.state === 'ok' && a.until !== null && a.until - time < CONSENT_SOON);
  for (const account of soon.slice(0, NAMED)) say('warn', 'consentSoon', { account: account.name, until: account.until }, null, account.name);

  for (const listener of state.listeners.values()) {
    const ends = listener.certificate_ends;
    if (ends === null || ends === undefined) continue;
    if (ends <= time) say('bad', 'certificateOver', { id: listener.id, ends });
    else if (ends - time < CERTIFICATE_SOON) say('warn', 'certificateSoon', { id: listener.id, ends });
  }
  return found.sort((a, b) => (a.tone === b.tone ? 0 : a.tone === 'bad' ? -1 : 1));
}
