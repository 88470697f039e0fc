// Does the connection come back, resume, and know when it must not try?

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { address, Link, pause } from '../../../emailproxy/console/page/app/link.js';

class World {
  constructor() {
    this.page = 'http://127.0.0.1:8025/';
    this.sockets = [];
    this.timers = [];
    this.time = 0;
    this.answer = true;
  }

  open(url) {
    const socket = { url, closed: false, close() { this.closed = true; this.onclose(); } };
    this.sockets.push(socket);
    return socket;
  }

  allowed = async () => this.answer;

  later(fn, ms) {
    this.timers.push({ fn, ms });
    return this.timers.length;
  }

  never() { this.timers = []; }

  clock() { return this.time; }

  get last() { return this.sockets.at(-1); }

  say(sequence, type = 'proxy', more = {}) {
    this.last.onmessage({ data: JSON.stringify({ format: 1, stream: 's', sequence, time: 1, type, ...more }) });
  }

  fire() { this.timers.shift().fn(); }
}

const begin = () => {
  const world = new World();
  const seen = [];
  const states = [];
  const link = new Link(world, { onMessage: (message) => seen.push(message.sequence), onState: (state) => states.push(state) });
  link.start();
  return { world, link, seen, states };
};
const settled = () => new Promise((resolve) => { setImmediate(resolve); });

test('the address is beside the page, and says where it left off', () => {
  assert.equal(address('https://mail.example/console/#x', null, 0), 'wss://mail.example/console/events');
  assert.equal(address('http://[::1]:8025/', 'ab', 7), 'ws://[::1]:8025/events?stream=ab&after=7');
});

test('pauses grow, are bounded, and are spread', () => {
  assert.equal(pause(0, 0.5), 500);
  assert.equal(pause(3, 0.5), 4000);
  assert.equal(pause(50, 0.5), 15000);
  assert.ok(pause(50, 1) <= 18_001 && pause(0, 0) >= 400);
});

test('it is live with the first message, and resumes after a loss', async () => {
  const { world, seen, states } = begin();
  world.say(5, 'snapshot');
  world.say(6);
  world.last.onclose();
  await settled();
  assert.deepEqual(states, ['connecting', 'live', 'lost']);
  world.fire();
  assert.match(world.last.url, /stream=s&after=6$/);
  world.say(6, 'resumed');
  world.say(7);
  assert.deepEqual(seen, [5, 6, 6, 7]);
  assert.equal(states.at(-1), 'live');
});

test('a gap begins anew with a snapshot', async () => {
  const { world, seen } = begin();
  world.say(5, 'snapshot');
  world.say(7);
  assert.ok(world.last.closed);
  await settled();
  world.fire();
  assert.doesNotMatch(world.last.url, /after/);
  assert.deepEqual(seen, [5]);
});

test('a refusal is no loss: it stops until somebody asks for it', async () => {
  const { world, link, states } = begin();
  world.answer = false;
  world.last.onclose();
  await settled();
  assert.equal(states.at(-1), 'signedout');
  assert.equal(world.timers.length, 0);
  link.now();
  assert.equal(world.sockets.length, 2);
});

test('another format stops for good', async () => {
  const { world, link, states, seen } = begin();
  world.say(1, 'snapshot', { format: 2 });
  await settled();
  assert.equal(states.at(-1), 'newer');
  link.now();
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(seen, []);
});

test('pauses grow while the proxy is away, and are short again after it was back', async () => {
  const { world } = begin();
  const waits = [];
  for (let n = 0; n < 3; n += 1) {
    world.last.onclose();
    await settled();
    waits.push(world.timers[0].ms);
    world.fire();
  }
  assert.ok(waits[2] > waits[0] * 2, String(waits));
  world.say(1, 'snapshot');
  world.time += 60_000;
  world.last.onclose();
  await settled();
  assert.ok(world.timers[0].ms <= 600);
});
