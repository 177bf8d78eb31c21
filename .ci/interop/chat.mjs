// What the peers written for Node share: the events of the chat example over whatever carries messages.

import assert from "node:assert/strict";

export const PATIENCE = 10_000; // milliseconds for anything to happen

/** Keeps messages until somebody waits for them. Whoever extends it has send(text) and leave(). */
export class Inbox {
  #messages = [];
  #waiting = new Set();
  #end = null;

  put(message) {
    assert.equal(typeof message.event, "string", "a message names an event");
    this.#messages.push(message);
    for (const look of this.#waiting) look();
  }

  over(reason) {
    this.#end = reason;
    for (const look of this.#waiting) look();
  }

  emit(event, data) {
    this.send(JSON.stringify({ event, data }));
  }

  /** Whether there is such an event that nobody took yet. */
  has(event, test) {
    return this.#messages.some((m) => m.event === event && test(m.data));
  }

  /** The data of the first such event that nobody took yet; others are kept. */
  wait(event, test = () => true) {
    return new Promise((found, failed) => {
      const give = (settle, value) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle(value);
      };
      const missing = (why) => new Error(`no ${event} came (${why}); there is ${JSON.stringify(this.#messages)}`);
      const look = () => {
        const i = this.#messages.findIndex((m) => m.event === event && test(m.data));
        if (i >= 0) give(found, this.#messages.splice(i, 1)[0].data);
        else if (this.#end) give(failed, missing(this.#end));
      };
      const timer = setTimeout(() => give(failed, missing("out of time")), PATIENCE);
      this.#waiting.add(look);
      look();
    });
  }
}

export const says = (text) => (data) => data.text === text;

export function join(peer, room, name) {
  peer.emit("join", { room, name });
  return peer.wait("members", (data) => data.room === room);
}

/** Enters a room, waits for the others, greets them, and goes when all have greeted. */
export async function meet(peer, room, name, ...others) {
  const there = new Set((await join(peer, room, name)).members.map((m) => m.name));
  for (const other of others) {
    if (!there.has(other)) await peer.wait("userJoined", (data) => data.name === other);
  }
  peer.emit("chat", { room, text: `hello from ${name}` });
  for (const other of others) {
    await peer.wait("chat", (data) => data.name === other && data.text === `hello from ${other}`);
  }
  await peer.leave();
  done(`${name} met ${others.join(", ")}`);
}

export function done(what) {
  console.log(`  ok  ${what}`);
}
