// How fast is each session? Octets per second, sampled about once a second, the last minute of it.

/** Samples that a sparkline shows. */
export const SAMPLES = 60;
/** Seconds without a traffic message after which nothing moved: the proxy tells of changes only, about once a second. */
const SILENCE = 1.6;

class Track {
  constructor(session) {
    this.up = session.up;
    this.down = session.down;
    this.rateUp = 0;
    this.rateDown = 0;
    this.ring = null;
    this.next = 0;
  }

  push(up, down) {
    this.rateUp = up;
    this.rateDown = down;
    // An idle session owns no ring: most sessions of a mail proxy are idle.
    if (!this.ring) {
      if (up + down === 0) return;
      this.ring = new Float32Array(SAMPLES);
    }
    this.ring[this.next % SAMPLES] = up + down;
    this.next += 1;
  }

  /** Oldest first; null if it never moved. */
  get samples() {
    if (!this.ring) return null;
    const at = this.next % SAMPLES;
    const ordered = new Float32Array(SAMPLES);
    ordered.set(this.ring.subarray(at), 0);
    ordered.set(this.ring.subarray(0, at), SAMPLES - at);
    return ordered;
  }
}

/** The rates of all sessions and their sum. */
export class Rates {
  constructor() {
    this.tracks = new Map();
    this.total = new Track({ up: 0, down: 0 });
    this.total.ring = new Float32Array(SAMPLES);
    this.at = null;
  }

  /** Begin anew with the sessions of a snapshot; their octets so far are no rate. */
  begin(sessions, time) {
    const before = this.tracks;
    this.tracks = new Map();
    for (const [id, session] of sessions) {
      const track = before.get(id) ?? new Track(session);
      track.up = session.up;
      track.down = session.down;
      this.tracks.set(id, track);
    }
    this.at = time;
  }

  /** Take a sample at the proxy's time `time`. */
  sample(sessions, time) {
    // After a loss of the connection this is long, and the rate the mean of it.
    const seconds = this.at === null ? 1 : Math.max(time - this.at, 0.25);
    this.at = time;
    let up = 0;
    let down = 0;
    for (const [id, session] of sessions) {
      let track = this.tracks.get(id);
      if (!track) {
        // It was opened since the last sample, with nothing carried.
        track = new Track({ up: 0, down: 0 });
        this.tracks.set(id, track);
      }
      const moreUp = Math.max(0, session.up - track.up);
      const moreDown = Math.max(0, session.down - track.down);
      track.up = session.up;
      track.down = session.down;
      if (moreUp + moreDown > 0 || track.ring) track.push(moreUp / seconds, moreDown / seconds);
      up += moreUp;
      down += moreDown;
    }
    this.total.push(up / seconds, down / seconds);
  }

  /** Take a sample if the proxy has had nothing to tell for a while; whether one was taken. */
  rest(sessions, time) {
    if (this.at !== null && time - this.at < SILENCE) return false;
    this.sample(sessions, time);
    return true;
  }

  forget(id) {
    this.tracks.delete(id);
  }

  /** Octets per second, both ways; 0 for a session that is not known. */
  of(id) {
    const track = this.tracks.get(id);
    return track ? track.rateUp + track.rateDown : 0;
  }
}
