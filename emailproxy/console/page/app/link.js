// How does the page stay connected to the proxy? A WebSocket that comes back by itself, and resumes where it was.

import { FORMAT } from './model.js';

const FIRST_PAUSE = 500;
/** Milliseconds: a proxy that restarts is back within seconds, and one that is off for the night is not asked in vain too often. */
const LONGEST_PAUSE = 15_000;
/** Milliseconds that a connection must have lived for the next pause to be short again. */
const STEADY = 5_000;

/** Milliseconds before attempt number `attempt` (from 0), spread by a fifth so that many pages do not come back at once. */
export function pause(attempt, random = Math.random()) {
  return Math.min(FIRST_PAUSE * 2 ** attempt, LONGEST_PAUSE) * (0.8 + 0.4 * random);
}

/** The address of /events beside the page's own, from where it left off. */
export function address(page, stream, sequence) {
  const url = new URL('events', page);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  if (stream) {
    url.searchParams.set('stream', stream);
    url.searchParams.set('after', String(sequence));
  }
  return url.href;
}

/**
 * States: `connecting` at first, `live`, `lost` (trying again), `signedout`, `newer` (the proxy speaks a format of a later page).
 *
 * @param {object} world what it needs from the browser: page (URL), open(url) -> WebSocket, allowed() -> Promise<boolean|null>, which says
 *   whether this browser is signed in (null: cannot be asked), later(fn, ms) -> handle, never(handle), clock() -> ms.
 * @param {object} told onMessage(message), onState(state, retryAt)
 */
export class Link {
  constructor(world, told) {
    this.world = world;
    this.told = told;
    this.state = null;
    this.stream = null;
    this.sequence = 0;
    this.attempt = 0;
    this.socket = null;
    this.timer = null;
    this.asking = false;
  }

  start() {
    this._say('connecting');
    this._open();
  }

  /** Try now: somebody looks at the page again, or the network is back. */
  now() {
    if (this.socket || this.asking || this.state === 'newer') return;
    this.world.never(this.timer);
    this._open();
  }

  _say(state, retryAt = null) {
    this.state = state;
    this.told.onState(state, retryAt);
  }

  _open() {
    this.timer = null;
    const socket = this.world.open(address(this.world.page, this.stream, this.sequence));
    const opened = this.world.clock();
    this.socket = socket;
    socket.onmessage = (event) => {
      if (socket === this.socket) this._take(event.data);
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = null;
      if (this.state === 'newer') return;
      const wasLive = this.state === 'live';
      if (wasLive && this.world.clock() - opened > STEADY) this.attempt = 0;
      this._ended(wasLive);
    };
  }

  async _ended(wasLive) {
    // A browser does not say why a WebSocket was refused, so a plain request asks.
    if (!wasLive) {
      this.asking = true;
      const allowed = await this.world.allowed();
      this.asking = false;
      if (allowed === false) {
        this._say('signedout');
        return;
      }
    }
    const wait = pause(this.attempt);
    this.attempt += 1;
    this._say('lost', this.world.clock() + wait);
    this.timer = this.world.later(() => this._open(), wait);
  }

  _take(text) {
    const message = JSON.parse(text);
    if (message.format !== FORMAT) {
      this._say('newer');
      this.socket.close();
      return;
    }
    const begins = message.type === 'snapshot' || message.type === 'resumed';
    if (!begins && (message.stream !== this.stream || message.sequence !== this.sequence + 1)) {
      // Something was missed, which must not happen: begin anew with a snapshot.
      this.stream = null;
      this.socket.close();
      return;
    }
    this.stream = message.stream;
    this.sequence = message.sequence;
    this.told.onMessage(message);
    if (this.state !== 'live') this._say('live');
  }
}
