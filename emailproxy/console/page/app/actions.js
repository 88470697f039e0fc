// What can be asked of the proxy from several places? Each asks first where it must, and tells what became of it.

import { authorise } from './authorise.js';
import { confirm } from './dialog.js';
import { doctor } from './doctor.js';
import { passwords } from './passwords.js';
import { ask } from './requests.js';

export function actions(page) {
  const failed = (answer) => page.toast('bad', answer.error ?? page.t('request.lost'), answer.faults ?? []);
  return {
    authorise: (name) => authorise(page, name),
    doctor: (name) => doctor(page, name),
    passwords: (name) => passwords(page, name),

    async reload(button) {
      if (button) button.disabled = true;
      const answer = await ask('reload');
      if (button) button.disabled = false;
      if (answer.ok) page.toast('ok', page.t('reload.done'));
      else failed(answer);
    },

    async drain() {
      const { t, state } = page;
      const agreed = await confirm(page, {
        title: t('drain.title'), text: t('drain.text'), list: [t('drain.sessions', { n: state.sessions.size }), t('drain.end')], act: t('drain.act'), danger: true,
      });
      if (!agreed) return;
      const answer = await ask('drain');
      if (answer.ok) page.toast('ok', t('drain.done'));
      else failed(answer);
    },

    async kick(id) {
      const { t, state } = page;
      const session = state.sessions.get(id);
      if (!session) return;
      const agreed = await confirm(page, {
        title: t('kick.title'), text: t('kick.text', { account: session.account ?? session.client }), act: t('kick'), danger: true,
      });
      if (!agreed) return;
      const answer = await ask(`sessions/${encodeURIComponent(id)}/kick`);
      if (answer.ok) page.toast('ok', t('kick.done'));
      else failed(answer);
    },
  };
}
