// A client for a socket.go server in one file, with nothing but what a browser has. Read it as the
// reference for writing your own in any language.
//
// Messages, both ways, are JSON texts: {"event": "chat", "data": {…}}. Two transports carry them:
//
//   WebSocket      one text message is one JSON text. There is nothing else to know.
//
//   Long polling   the same texts over plain HTTP requests to the same path:
//     POST   ?transport=polling          opens a session: {"id", "token", "wait", "limit"}. Every later
//                                        request carries the token in the header Socket-Token.
//     GET    ?transport=polling&ack=N    waits for messages after number N, the last one we have. 200: the
//                                        header Socket-Seq numbers the first record of the body. 204: none yet.
//                                        An answer that got lost comes again, because the next GET acks less.
//     POST   ?transport=polling&seq=N    sends records, the first of which is our message number N (from 1).
//                                        Sending the same numbers again is safe: {"ack": M} tells what arrived.
//     DELETE ?transport=polling          ends the session.
//     A body is a list of records separated by the byte 0x1E. JSON never contains that byte unescaped.
//
//   const socket = new SocketClient("/socket");
//   socket.on("connect", ({ transport }) => socket.emit("join", "lobby"));
//   socket.on("chat", (message) => console.log(message.text));
//   socket.connect();

const SEPARATOR = "\x1e";
const LOCAL = new Set(["connect", "disconnect", "waiting"]); // events that the client tells itself
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** An event client that finds a transport that works, and comes back when the connection is lost. */
export class SocketClient {
  #url;
  #options;
  #handlers = new Map(); // a Map, because an event may be called "__proto__"
  #link = null; // the open link, or null
  #stop = null; // AbortController of the running loop, or null
  #wake = null; // ends the pause before the next try
  #webSocket = "untried"; // "works" once it delivered a message, "blocked" once only polling got through
  state = "closed"; // "connecting", "connected", "waiting" or "closed"
  transport = ""; // "websocket" or "polling" while connected

  /**
   * @param {string} url where the server is mounted; may be relative to the page
   * @param {object} [options]
   *   transport: "auto" (WebSocket first, long polling when that fails), "websocket" or "polling";
   *   delay, maxDelay: of the pause before a reconnect, in milliseconds;
   *   openTimeout: how long a connection may take to open.
   */
  constructor(url, options = {}) {
    this.#url = new URL(url, location.href);
    this.#options = Object.freeze({
      transport: "auto", delay: 1000, maxDelay: 30_000, openTimeout: 8000, ...options,
    });
  }

  /**
   * Adds a handler; an event may have several. Beside the server's own events there are
   *   "connect"    {transport, reconnected}    a connection is open;
   *   "disconnect" {reason}                    it was lost, and a reconnect follows;
   *   "waiting"    {delay, reason}             no connection; the next try is `delay` ms away;
   *   "message"    a message that names no event, or an ArrayBuffer.
   */
  on(event, handler) {
    if (!this.#handlers.has(event)) this.#handlers.set(event, []);
    this.#handlers.get(event).push(handler);
    return this;
  }

  /** Sends an event. False means that it was not sent: there is no connection, or too much is waiting to leave. */
  emit(event, data) {
    return this.#link !== null && this.#link.send(JSON.stringify({ event, data }));
  }

  /** Connects and stays connected until close(). */
  connect() {
    if (this.#stop) return;
    this.#stop = new AbortController();
    const signal = this.#stop.signal;
    addEventListener("online", () => this.retry(), { signal });
    addEventListener("offline", () => this.#link?.close("the network is down"), { signal });
    this.#run(signal);
  }

  /** Ends the pause before the next try, if there is one. */
  retry() {
    this.#wake?.();
  }

  /** Says goodbye to the server and stops reconnecting. No "disconnect" follows. */
  close() {
    this.#stop?.abort();
    this.#stop = null;
    this.#link?.close("closed by us");
    this.#link = null;
    this.#wake?.();
    this.state = "closed";
    this.transport = "";
  }

  async #run(signal) {
    let attempt = 0; // tries since the last connection that was of use
    let pauses = 0; // pauses between them
    let connections = 0;
    while (!signal.aborted) {
      const link = this.#polls(attempt) ? new PollingLink(this.#url) : new WebSocketLink(this.#url);
      let opened = false;
      let reason;
      this.state = "connecting";
      try {
        await link.open(this.#options.openTimeout);
        opened = true;
      } catch (error) {
        reason = error.message;
      }
      if (signal.aborted) return link.close("closed by us");
      if (opened) {
        this.#attach(link);
        this.#dispatch("connect", { transport: link.name, reconnected: connections++ > 0 });
        reason = await link.closed;
        if (signal.aborted) return;
        this.#link = null;
        this.state = "connecting";
        this.transport = "";
        this.#dispatch("disconnect", { reason });
      }
      // A WebSocket that opens and dies before its first message (some proxies do that) is as good as
      // one that never opened.
      const useful = opened && (link.received > 0 || link.name === "polling");
      attempt = useful ? 0 : attempt + 1;
      if (useful) pauses = 0;
      const fallback = !useful && link.name === "websocket" && this.#polls(attempt);
      if (!fallback) await this.#pause(pauses++, reason);
    }
  }

  #attach(link) {
    if (link.name === "polling" && this.#webSocket === "untried") this.#webSocket = "blocked";
    link.onmessage = (message) => this.#receive(link, message);
    this.#link = link;
    this.state = "connected";
    this.transport = link.name;
  }

  // Tries alternate: WebSocket, polling, WebSocket, … A page whose WebSocket has worked tries it twice
  // before polling, since then a failure rather means that the server restarts. A page where polling got
  // through and WebSocket never did stays with polling.
  #polls(attempt) {
    if (this.#options.transport !== "auto") return this.#options.transport === "polling";
    if (this.#webSocket === "works") return attempt % 3 === 2;
    return this.#webSocket === "blocked" || attempt % 2 === 1;
  }

  // The moment that the server has named, or full jitter: any moment up to an exponentially growing bound, so
  // that the clients of a server that restarted do not all come back in the same instant.
  async #pause(before, reason) {
    const { delay, maxDelay } = this.#options;
    const told = /^retry-in=(\d+)$/.exec(reason);
    const wait = told ? Math.min(told[1], 600_000) : Math.random() * Math.min(maxDelay, delay * 2 ** before);
    this.state = "waiting";
    const woken = new Promise((done) => (this.#wake = done));
    this.#dispatch("waiting", { delay: wait, reason });
    await Promise.race([sleep(wait), woken]);
    this.#wake = null;
  }

  #receive(link, message) {
    if (link.name === "websocket") this.#webSocket = "works";
    let value = message;
    if (typeof message === "string") {
      try {
        value = JSON.parse(message);
      } catch {
        return; // the server sends JSON only
      }
    }
    if (typeof value?.event !== "string") this.#dispatch("message", value);
    else if (!LOCAL.has(value.event)) this.#dispatch(value.event, value.data);
  }

  #dispatch(event, data) {
    for (const handler of this.#handlers.get(event) ?? []) {
      try {
        handler(data);
      } catch (error) {
        reportError(error); // one bad handler takes neither the others nor the connection down
      }
    }
  }
}

// What the two links share: open(timeout) is fulfilled once, `closed` is fulfilled with the reason once the
// link is gone, `received` counts messages, send() tells whether the message was taken.
class Link {
  received = 0;
  onmessage = () => {};

  constructor() {
    this.closed = new Promise((done) => (this.gone = done));
  }

  deliver(message) {
    this.received++;
    this.onmessage(message);
  }
}

class WebSocketLink extends Link {
  static maxBuffered = 1 << 20; // bytes that may wait to leave
  name = "websocket";
  #url;
  #ws;

  constructor(url) {
    super();
    this.#url = new URL(url);
    this.#url.protocol = url.protocol.replace("http", "ws");
  }

  open(timeout) {
    return new Promise((opened, failed) => {
      const ws = (this.#ws = new WebSocket(this.#url)); // throws when the browser forbids it
      ws.binaryType = "arraybuffer";
      const timer = setTimeout(() => this.close("the WebSocket did not open in time"), timeout);
      ws.onopen = () => {
        clearTimeout(timer);
        opened();
      };
      ws.onmessage = ({ data }) => this.deliver(data);
      ws.onclose = ({ code, reason }) => this.gone(reason || `the WebSocket was closed (${code})`);
      this.closed.then((reason) => {
        clearTimeout(timer);
        failed(new Error(reason)); // does nothing once it is open
      });
    });
  }

  send(text) {
    if (this.#ws.readyState !== WebSocket.OPEN || this.#ws.bufferedAmount > WebSocketLink.maxBuffered) return false;
    this.#ws.send(text);
    return true;
  }

  close(reason) {
    this.gone(reason); // a dead network would let the browser wait for a minute before it says so
    this.#ws?.close(1000);
  }
}

class PollingLink extends Link {
  static maxQueued = 1000; // messages that may wait to leave
  static retries = [200, 500, 1000, 2000]; // pauses between tries of one request, in milliseconds
  name = "polling";
  #url;
  #token;
  #wait;
  #limit;
  #outgoing = []; // messages not yet acknowledged by the server
  #sent = 0; // number of the last acknowledged message
  #sending = false;
  #over = new AbortController();

  constructor(url) {
    super();
    this.#url = new URL(url);
    this.#url.searchParams.set("transport", "polling");
    this.closed.then(() => this.#over.abort());
  }

  async open(timeout) {
    const response = await this.#fetch("POST", {}, timeout);
    if (!response.ok) throw new Error(await explain(response));
    const session = await response.json();
    this.#token = session.token;
    this.#wait = session.wait;
    this.#limit = session.limit;
    this.#poll();
  }

  send(text) {
    if (this.#over.signal.aborted || this.#outgoing.length >= PollingLink.maxQueued) return false;
    this.#outgoing.push(text);
    if (!this.#sending) this.#flush();
    return true;
  }

  close(reason) {
    if (this.#over.signal.aborted) return;
    this.gone(reason);
    if (!this.#token) return;
    const headers = { "Socket-Token": this.#token };
    fetch(this.#url, { method: "DELETE", headers, keepalive: true }).catch(() => {}); // the server's expiry is the backstop
  }

  // The receiving half: one GET after the other, each acknowledging what came before it.
  async #poll() {
    let last = 0; // number of the last message received
    while (!this.#over.signal.aborted) {
      const response = await this.#persist("GET", { ack: last }, this.#wait + 10_000);
      if (response?.status !== 200) continue; // 204: nothing yet; no response: over
      const first = Number(response.headers.get("Socket-Seq"));
      const records = response.text.split(SEPARATOR);
      records.forEach((record, i) => {
        if (first + i > last) this.deliver(decodeRecord(record));
      });
      last = Math.max(last, first + records.length - 1);
    }
  }

  // The sending half: one POST at a time. What is emitted meanwhile travels together in the next one.
  async #flush() {
    this.#sending = true;
    await null; // lets everything that is emitted in one go leave in one request
    while (this.#outgoing.length > 0 && !this.#over.signal.aborted) {
      const body = this.#takeBatch().join(SEPARATOR);
      const response = await this.#persist("POST", { seq: this.#sent + 1 }, 15_000, body);
      if (!response) break;
      const { ack } = JSON.parse(response.text);
      this.#outgoing.splice(0, ack - this.#sent);
      this.#sent = ack;
    }
    this.#sending = false;
  }

  #takeBatch() {
    let bytes = 0;
    let n = 0;
    while (n < this.#outgoing.length && n < this.#limit.messages) {
      bytes += 3 * this.#outgoing[n].length + 1; // UTF-8 needs at most three bytes a code unit
      if (n > 0 && bytes > this.#limit.bytes) break;
      n++;
    }
    return this.#outgoing.slice(0, n);
  }

  // Repeats a request that the network (or a proxy on the way) failed. Numbers and acks make that safe.
  // An answer of the server itself that is not a success ends the session.
  async #persist(method, query, timeout, body) {
    for (let tries = 0; !this.#over.signal.aborted; tries++) {
      let problem;
      try {
        const response = await this.#fetch(method, query, timeout, body);
        if (response.ok) {
          const text = await response.text();
          return { status: response.status, headers: response.headers, text };
        }
        problem = await explain(response);
        if (response.status < 500) return void this.gone(problem);
      } catch (error) {
        problem = error.message;
      }
      if (tries === PollingLink.retries.length) return void this.gone(problem);
      await sleep(PollingLink.retries[tries]);
    }
  }

  #fetch(method, query, timeout, body) {
    const url = new URL(this.#url);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const headers = {};
    if (this.#token) headers["Socket-Token"] = this.#token;
    if (body !== undefined) headers["Content-Type"] = "text/plain; charset=utf-8";
    const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(timeout)]);
    return fetch(url, { method, headers, body, signal, cache: "no-store" });
  }
}

// A record is a JSON text as it is, or one letter and base64: "b" for a binary message, "u" for a text
// that cannot stand as it is.
function decodeRecord(record) {
  if (record[0] !== "b" && record[0] !== "u") return record;
  const bytes = Uint8Array.from(atob(record.slice(1)), (c) => c.charCodeAt(0));
  return record[0] === "b" ? bytes.buffer : new TextDecoder().decode(bytes);
}

async function explain(response) {
  try {
    const { error, reason } = await response.json();
    return reason || error || `HTTP ${response.status}`;
  } catch {
    return `HTTP ${response.status}`;
  }
}
