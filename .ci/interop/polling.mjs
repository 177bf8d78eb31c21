// A long-polling peer written from docs/protocol.md with nothing but fetch, against the chat example.
//
// usage: node polling.mjs http://host:port/socket
//        node polling.mjs http://host:port/socket meet ROOM NAME OTHER…
//
// The first form checks what a client meets; the second enters a room, waits for the others, greets them and goes
// when all have greeted.

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { Inbox, PATIENCE, done, join, meet, says } from "./chat.mjs";

class Peer extends Inbox {
  last = 0; // number of the last message received
  sent = 0; // number of the last message that the server acknowledged
  #outgoing = [];
  #posting = null;
  #ended = new AbortController();

  static async connect(url) {
    const peer = new Peer();
    peer.url = url;
    const answer = await peer.request("POST", {});
    assert.equal(answer.status, 200, await answer.clone().text());
    peer.session = await answer.json();
    peer.polls = peer.#poll();
    return peer;
  }

  request(method, { query = {}, headers = {}, body, token = this.session?.token, signal = AbortSignal.timeout(40_000) }) {
    const url = `${this.url}?${new URLSearchParams({ transport: "polling", ...query })}`;
    return fetch(url, { method, body, signal, headers: { ...(token && { "Socket-Token": token }), ...headers } });
  }

  async #poll() {
    while (!this.#ended.signal.aborted) {
      let answer;
      try {
        answer = await this.request("GET", { query: { ack: this.last }, signal: this.#ended.signal });
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        throw error;
      }
      if (answer.status === 204) continue;
      if (answer.status !== 200) return this.over(`poll answered ${answer.status}: ${await answer.text()}`);
      const records = (await answer.text()).split("\x1e");
      assert.equal(Number(answer.headers.get("Socket-Seq")), this.last + 1, "the first message of an answer");
      for (const record of records) this.put(JSON.parse(record));
      this.last += records.length;
    }
  }

  /** What is sent while a POST is on its way travels together in the next. */
  send(text) {
    this.#outgoing.push(text);
    this.#posting ??= this.#post().finally(() => { this.#posting = null; });
  }

  async #post() {
    await null;
    while (this.#outgoing.length > 0) {
      const batch = this.#outgoing.splice(0, this.session.limit.messages);
      const answer = await this.request("POST", { query: { seq: this.sent + 1 }, body: batch.join("\x1e") });
      this.sent += batch.length;
      assert.equal(answer.status, 200, await answer.clone().text());
      assert.deepEqual(await answer.json(), { ack: this.sent });
    }
  }

  /** Once all that was sent is acknowledged. */
  async idle() {
    while (this.#posting) await this.#posting;
  }

  /** Stops polling, without a word to the server. */
  stop() {
    this.#ended.abort();
    return this.polls;
  }

  async leave() {
    await this.idle();
    await this.stop();
    assert.equal((await this.request("DELETE", {})).status, 204);
  }
}

const event = (name, data) => JSON.stringify({ event: name, data });

async function refused(answer, status) {
  assert.equal(answer.status, status, await answer.clone().text());
  assert.equal(answer.headers.get("Cache-Control"), "no-store");
  assert.equal(answer.headers.get("X-Content-Type-Options"), "nosniff");
  const reason = await answer.json();
  assert.equal(typeof reason.error, "string");
  return reason;
}

async function check(url) {
  const room = "polling";
  const [ann, bob] = await Promise.all([Peer.connect(url), Peer.connect(url)]);
  const { v, id, token, wait, limit } = ann.session;
  assert.equal(v, 1);
  assert(token.length >= 22 && token !== id && !token.includes(id) && !id.includes(token));
  assert(wait > 0 && limit.messages > 0 && limit.bytes > 0);
  done("a session opens");

  await join(ann, room, "Ann");
  const there = await join(bob, room, "Bob");
  assert.deepEqual(there.members.map((m) => m.name).sort(), ["Ann", "Bob"]);
  await ann.wait("userJoined", ({ name }) => name === "Bob");
  done("join: both are told who is there");

  const began = performance.now();
  ann.emit("chat", { room, text: "hello" });
  for (const peer of [ann, bob]) assert.equal((await peer.wait("chat", says("hello"))).name, "Ann");
  const took = performance.now() - began;
  assert(took < 1000, `${took} ms: a poll that is held is answered at once`);
  done("chat reaches the other peer and its sender without waiting for a poll to end");

  for (let i = 0; i < 50; i++) bob.emit("chat", { room, text: `count ${i}` });
  for (let i = 0; i < 50; i++) {
    assert.equal((await ann.wait("chat", ({ text }) => text.startsWith("count"))).text, `count ${i}`);
  }
  done("fifty messages in a row arrive in order");

  const big = "grüße 🐙 ".repeat(200).trim();
  ann.emit("chat", { room, text: big });
  await bob.wait("chat", says(big));
  ann.emit("chat", { room, text: "padded", padding: "x".repeat(60_000) });
  await bob.wait("chat", says("padded"));
  done("big messages");

  await ann.idle();
  const twice = { query: { seq: ann.sent + 1 }, body: event("chat", { room, text: "once only" }) };
  for (let i = 0; i < 2; i++) {
    const answer = await ann.request("POST", twice);
    assert.deepEqual(await answer.json(), { ack: ann.sent + 1 });
  }
  ann.sent++;
  await bob.wait("chat", says("once only"));
  ann.emit("chat", { room, text: "after it" });
  await bob.wait("chat", says("after it"));
  assert(!bob.has("chat", says("once only")), "it came twice");
  done("a POST that is repeated is taken once");

  await ann.idle();
  const gap = await refused(await ann.request("POST", { query: { seq: ann.sent + 2 }, body: event("chat", {}) }), 409);
  assert.equal(gap.ack, ann.sent);
  done("a gap in the numbers is refused, 409, and says what is due");

  const zipped = gzipSync(event("chat", { room, text: "zipped" }));
  const answer = await ann.request("POST", { query: { seq: ann.sent + 1 }, body: zipped, headers: { "Content-Encoding": "gzip" } });
  assert.deepEqual(await answer.json(), { ack: ++ann.sent });
  await bob.wait("chat", says("zipped"));
  done("a compressed POST");

  await refused(await ann.request("POST", { query: { seq: ann.sent + 1 }, body: "" }), 400);
  await refused(await ann.request("POST", { query: { seq: ann.sent + 1 }, body: "{}\x1e\x1e{}" }), 400);
  await refused(await ann.request("POST", { query: { seq: ann.sent + 1 }, body: new Uint8Array([0x22, 0xff, 0x22]) }), 400);
  await refused(await ann.request("POST", { query: { seq: ann.sent + 1 }, body: Array(limit.messages + 1).fill("{}").join("\x1e") }), 413);
  await refused(await ann.request("POST", { query: { seq: ann.sent + 1 }, body: "x".repeat(limit.bytes + 1) }), 413);
  await refused(await ann.request("POST", { query: {}, body: "{}" }), 400);
  for (const bad of ["not JSON", '{"event":', '{"event":7}', "[1,2", '{"event":"chat","data":"no object"}', "b/////w=="]) ann.send(bad);
  ann.emit("chat", { room, text: "still here" });
  await bob.wait("chat", says("still here"));
  done("malformed bodies and messages leave the session alive");

  await refused(await ann.request("GET", { query: { ack: 0 }, token: "x".repeat(token.length) }), 404);
  await refused(await ann.request("GET", { query: { ack: 0 }, token: id }), 404);
  await refused(await ann.request("GET", { query: { ack: 0 }, token: "" }), 401);
  await refused(await ann.request("GET", { query: { ack: 1e9 } }), 409);
  const method = await ann.request("PUT", { body: "{}" });
  await refused(method, 405);
  assert.match(method.headers.get("Allow"), /GET, POST, DELETE/);
  await refused(await ann.request("POST", { token: "", headers: { Origin: "https://elsewhere.example" } }), 403);
  await refused(await ann.request("POST", { token: "", headers: { Origin: "null" } }), 403);
  const own = await ann.request("POST", { token: "", headers: { Origin: new URL(url).origin } });
  assert.equal(own.status, 200);
  assert.equal((await ann.request("DELETE", { token: (await own.json()).token })).status, 204);
  done("wrong tokens, numbers, methods and origins are refused with a reason, and only they");

  await bob.stop();
  ann.emit("chat", { room, text: "lost on the way" });
  await ann.wait("chat", says("lost on the way"));
  const polls = [];
  for (let i = 0; i < 2; i++) {
    const poll = await bob.request("GET", { query: { ack: bob.last } });
    assert.equal(poll.headers.get("Cache-Control"), "no-store");
    polls.push([poll.status, poll.headers.get("Socket-Seq"), await poll.text()]);
  }
  assert.deepEqual(polls[0], polls[1]);
  assert.match(polls[0][2], /lost on the way/);
  done("an answer that was not acknowledged comes again");

  const acked = bob.last + polls[0][2].split("\x1e").length;
  const quiet = performance.now();
  const held = await bob.request("GET", { query: { ack: acked, wait: 300 } });
  assert.equal(held.status, 204);
  assert(performance.now() - quiet >= 290, "held for as long as was asked");
  const first = bob.request("GET", { query: { ack: acked } });
  await new Promise((go) => setTimeout(go, 100));
  const second = bob.request("GET", { query: { ack: acked, wait: 1000 } });
  assert.equal((await first).status, 204);
  assert.equal((await second).status, 204);
  done("one poll is held at a time; a newer one lets it go");

  assert.equal((await bob.request("DELETE", {})).status, 204);
  await ann.wait("userLeft", ({ name }) => name === "Bob");
  await refused(await bob.request("GET", { query: { ack: acked } }), 404);
  await ann.leave();
  done("DELETE ends a session");
}

// What hangs is a failure too.
setTimeout(() => { throw new Error("out of time"); }, 6 * PATIENCE).unref();

const [url, mode, ...rest] = process.argv.slice(2);
if (mode === "meet") {
  await meet(await Peer.connect(url), ...rest);
} else {
  console.log(`fetch on Node ${process.version}`);
  await check(url);
}
