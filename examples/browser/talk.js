// Gotalk in a browser, without a library: requests both ways, notifications, heartbeats, and
// a new connection when one is lost. Copy it and change it.
//
//   const talk = new Talk('ws://127.0.0.1:1234/gotalk/');
//   talk.operations.hello = (payload) => 'hello ' + text(payload);   // what the server may ask
//   talk.onNotification = (name, payload) => console.log(name, text(payload));
//   const result = await talk.request('echo', 'all is well');        // or a TalkError
//   talk.notify('log', new Uint8Array([1, 2, 3]));
//
// A payload is a string or bytes to send, and always bytes (a Uint8Array) when it comes.
'use strict';

const HEARTBEAT_MS = 20_000; // many servers close after 30 s in which nothing came
const MOST = 16 << 20; // the longest payload and the longest result that are taken, in bytes

// The fields of each type of message. A payload of `size` bytes follows those that have one.
const FIELDS = {
  r: ['id', 'name', 'size'], // a request
  s: ['id', 'name', 'size'], // a request in parts, and its parts: refused here
  p: ['id', 'size'],
  R: ['id', 'size'], // a result
  S: ['id', 'size'], // a part of a result; an empty one is the end
  E: ['id', 'size'], // the request was at fault
  e: ['id', 'wait', 'size'], // not now: try again after `wait` milliseconds
  n: ['name', 'size'], // a notification
  h: ['load', 'time'], // a heartbeat
  f: ['code'], // why the other end closes
};
const DIGITS = { wait: 8, size: 8, load: 4, time: 8, code: 8 };

const bytes = (payload) => (typeof payload === 'string' ? new TextEncoder().encode(payload) : payload);
const text = (payload) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(payload);
const hex = (number, digits) => number.toString(16).padStart(digits, '0');
const join = (pieces) => {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
};

// What becomes of a request that has no result. `retryAfter` is a number of milliseconds if
// the same request may succeed later. Throw one in an operation to answer in that way.
class TalkError extends Error {
  constructor(message, retryAfter) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

class Talk {
  operations = {}; // name: payload => result, or a promise of one
  onNotification = (_name, _payload) => {};
  onHeartbeat = (_load) => {};
  onState = (_state) => {}; // 'open', or why it is not

  constructor(url, { heartbeat = HEARTBEAT_MS, firstPause = 500 } = {}) {
    Object.assign(this, { url, heartbeat, firstPause, pause: firstPause, count: 0 });
    this.open = new Map(); // our requests that have no answer yet, by id
    setTimeout(() => this.connect()); // so that the page can set its functions first
  }

  connect() {
    Object.assign(this, { pieces: [], len: 0, needed: 0, isOpen: false });
    const socket = (this.socket = new WebSocket(this.url));
    socket.binaryType = 'arraybuffer'; // text comes as a string, and is as good
    socket.onopen = () => this.send('01');
    socket.onmessage = ({ data }) => this.read(new Uint8Array(bytes(data)));
    socket.onclose = ({ code }) => this.lost(this.reason ?? `closed (${code})`);
    this.timer = setInterval(() => this.isOpen && this.beat(), this.heartbeat);
  }

  // Every request that was open has failed. Unless that was wanted, it connects again, less
  // and less often, and not at the same time as all other pages.
  lost(reason) {
    clearInterval(this.timer);
    this.reason = undefined;
    this.isOpen = false;
    this.onState(reason);
    for (const { reject } of this.open.values()) reject(new TalkError(`no answer: ${reason}`));
    this.open.clear();
    if (this.isDone) return;
    setTimeout(() => this.connect(), this.pause * (0.5 + Math.random() / 2));
    this.pause = Math.min(2 * this.pause, 30_000);
  }

  close(code, reason = 'closed') {
    this.isDone ||= code === undefined;
    this.reason ??= reason;
    if (code !== undefined) this.send('f' + hex(code, 8)); // tells the server why
    this.socket.close(code === undefined ? 1000 : 4000 + code);
  }

  async request(op, payload = '') {
    if (!this.isOpen) throw new TalkError('not connected yet');
    const id = (this.count++ % 36 ** 4).toString(36).padStart(4, '0');
    this.send('r' + id + this.name(op), payload);
    return new Promise((resolve, reject) => {
      this.open.set(id, { resolve, reject, parts: [], len: 0 });
    });
  }

  notify(name, payload = '') {
    if (this.isOpen) this.send('n' + this.name(name), payload);
  }

  beat() {
    this.send('h0000' + hex(Math.floor(Date.now() / 1000) % 2 ** 32, 8));
  }

  name(name) {
    const len = bytes(name).length; // in bytes, not in characters
    if (len < 1 || len > 4095) throw new TalkError('a name has 1 to 4095 bytes');
    return hex(len, 3) + name;
  }

  // The version, each header and each payload is a binary message of its own, and there is
  // none for an empty payload.
  send(head, payload) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (payload !== undefined) payload = bytes(payload);
    this.socket.send(bytes(head + (payload ? hex(payload.length, 8) : '')));
    if (payload?.length) this.socket.send(payload);
  }

  // What comes is one stream of bytes: where a WebSocket message ends means nothing. It is put
  // together when as much is there as the next message needs.
  read(more) {
    if (this.reason) return; // it is closing
    this.pieces.push(more);
    this.len += more.length;
    if (this.len < this.needed) return;
    this.input = join(this.pieces);
    try {
      while (!this.reason && this.next());
    } catch (error) {
      this.close(error.code ?? 2, error.message);
    }
    this.pieces = [this.input];
    this.len = this.input.length;
  }

  // Takes the version or one message, and says whether it was all there.
  next() {
    let at = 0;
    const take = (len) => {
      this.needed = at + len;
      if (this.needed > this.input.length) throw null; // caught below: wait for more
      return this.input.subarray(at, (at += len));
    };
    const number = (len) => {
      const digits = text(take(len));
      if (!/^[0-9a-f]+$/i.test(digits)) throw new Error(`not Gotalk: ${digits}`);
      return parseInt(digits, 16);
    };
    const message = { payload: new Uint8Array() };
    try {
      if (!this.isOpen) {
        const version = number(2);
        if (version !== 1) throw Object.assign(new Error(`version ${version}`), { code: 1 });
      } else {
        message.type = String.fromCharCode(take(1)[0]);
        if (!FIELDS[message.type]) throw new Error(`not Gotalk: ${message.type}`);
        for (const field of FIELDS[message.type]) {
          if (field === 'id') message.id = String.fromCharCode(...take(4)); // any four bytes
          else if (field === 'name') message.name = text(take(number(3)));
          else message[field] = number(DIGITS[field]);
        }
        if (message.size > MOST) throw Object.assign(new Error('too long'), { code: 0 });
        if (message.size) message.payload = take(message.size).slice();
      }
    } catch (error) {
      if (error) throw error;
      return false;
    }
    this.input = this.input.subarray(at);
    if (this.isOpen) this.receive(message);
    else this.opened();
    return true;
  }

  opened() {
    this.isOpen = true;
    this.pause = this.firstPause;
    this.onState('open');
  }

  receive({ type, id, name, wait, load, code, payload }) {
    const asked = this.open.get(id);
    switch (type) {
      case 'r': return this.answer(id, name, payload);
      case 's': return this.reply('E', id, 'no streamed requests');
      case 'n': return this.onNotification(name, payload);
      case 'h': return this.onHeartbeat(load);
      case 'f':
        this.reason = `the server gave up (${code})`;
        return this.socket.close(1000);
    }
    if (!asked || type === 'p') return; // for nobody: a late answer
    asked.parts.push(payload);
    asked.len += payload.length;
    if (asked.len > MOST) return this.close(0, 'too long');
    if (type === 'S' && payload.length) return; // more will come
    this.open.delete(id);
    if (type === 'R' || type === 'S') asked.resolve(join(asked.parts));
    else asked.reject(new TalkError(text(payload), wait));
  }

  // Every request is answered, once. The connection may be another one by then.
  async answer(id, name, payload) {
    const socket = this.socket;
    const reply = (...args) => socket === this.socket && this.reply(...args);
    try {
      if (!Object.hasOwn(this.operations, name)) throw new TalkError(`unknown operation "${name}"`);
      reply('R', id, (await this.operations[name](payload)) ?? '');
    } catch ({ message, retryAfter }) {
      if (retryAfter === undefined) reply('E', id, String(message));
      else reply('e', id, String(message), hex(retryAfter, 8));
    }
  }

  reply(type, id, payload, wait = '') {
    const head = Uint8Array.from(type + id + wait, (c) => c.charCodeAt(0)); // an id is bytes
    if (this.socket.readyState !== WebSocket.OPEN) return;
    payload = bytes(payload);
    this.socket.send(join([head, bytes(hex(payload.length, 8))]));
    if (payload.length) this.socket.send(payload);
  }
}
