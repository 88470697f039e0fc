// How does the page ask the proxy to do something? POST with JSON, answered with JSON; an error is a sentence, never a throw.

/**
 * Send a request; the answer, which always has `ok`, and `error` if that is false. Network trouble has `error: null`.
 *
 * @param {string} path such as `reload`, below `api/`
 * @param {object} [body]
 */
export async function ask(path, body = {}) {
  let answer;
  try {
    answer = await fetch(new URL(`api/${path}`, document.baseURI), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-emailproxy': '1' },
      body: JSON.stringify(body),
      cache: 'no-store',
      credentials: 'same-origin',
    });
  } catch {
    return { ok: false, error: null, status: 0 };
  }
  try {
    const found = await answer.json();
    return { error: null, ...found, ok: answer.ok && found.ok !== false, status: answer.status };
  } catch {
    return { ok: false, error: `HTTP ${answer.status}`, status: answer.status };
  }
}

/** Whether this browser is signed in; null if the proxy cannot be asked. */
export async function allowed() {
  try {
    const answer = await fetch(new URL('api/snapshot', document.baseURI), { method: 'HEAD', cache: 'no-store', credentials: 'same-origin' });
    return answer.status !== 401 && answer.status !== 403;
  } catch {
    return null;
  }
}
