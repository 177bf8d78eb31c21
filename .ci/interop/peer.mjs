// A peer that shares no code with the server: Node's ws, against the chat example.
//
// usage: node peer.mjs ws://host:port/socket [deflate]
//        node peer.mjs ws://host:port/socket meet ROOM NAME OTHER…
//
// The first form checks what a client meets; deflate asks for compression and insists on it. The second enters a
// room, waits for the others, greets them and goes when all have greeted.

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";
import { Inbox, PATIENCE, done, join, meet, says } from "./chat.mjs";

class Peer extends Inbox {
  static async connect(url, deflate = false) {
    const peer = new Peer();
    peer.ws = new WebSocket(url, { perMessageDeflate: deflate && { threshold: 0 } });
    peer.closed = once(peer.ws, "close").then(([code]) => code);
    peer.closed.then((code) => peer.over(`closed with ${code}`));
    peer.ws.on("message", (data, isBinary) => {
      assert(!isBinary, "the chat sends text messages");
      peer.put(JSON.parse(data.toString()));
    });
    await once(peer.ws, "open");
    return peer;
  }

  send(data, options = {}) {
    this.ws.send(data, options);
  }

  async leave() {
    this.ws.close(1000);
    await this.closed;
  }
}

async function check(url, deflate) {
  const room = deflate ? "node-deflate" : "node";
  const [ann, bob] = await Promise.all([Peer.connect(url, deflate), Peer.connect(url, deflate)]);
  assert.equal(ann.ws.extensions, deflate ? "permessage-deflate" : "");

  await join(ann, room, "Ann");
  const there = await join(bob, room, "Bob");
  assert.deepEqual(there.members.map((m) => m.name).sort(), ["Ann", "Bob"]);
  await ann.wait("userJoined", ({ name }) => name === "Bob");
  done("join: both are told who is there");

  ann.emit("chat", { room, text: "hello" });
  for (const peer of [ann, bob]) assert.equal((await peer.wait("chat", says("hello"))).name, "Ann");
  done("chat reaches the other peer and its sender");

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

  const text = Buffer.from(JSON.stringify({ event: "chat", data: { room, text: "in frägments" } }));
  for (let i = 0; i < text.length; i += 7) {
    ann.send(text.subarray(i, i + 7), { binary: false, fin: i + 7 >= text.length }); // cuts through the ä
  }
  await bob.wait("chat", says("in frägments"));
  done("a message in fragments is one message");

  const pong = once(ann.ws, "pong");
  ann.ws.ping("are you there");
  assert.equal((await pong)[0].toString(), "are you there");
  done("a ping is answered by its pong");

  for (const bad of ["", "not JSON", '{"event":', '{"event":7}', "[1,2", Buffer.from([0, 255]), '{"event":"chat","data":"no object"}']) {
    ann.send(bad);
  }
  ann.emit("chat", { room, text: "still here" });
  await bob.wait("chat", says("still here"));
  done("malformed messages leave the connection alive");

  ann.ws.close(1000, "bye");
  assert.equal(await ann.closed, 1000);
  await bob.wait("userLeft", ({ name }) => name === "Ann");
  done("closing handshake with code 1000");

  bob.ws.on("error", () => {}); // the connection may be gone before all is written
  bob.send("x".repeat(8 << 20));
  const code = await bob.closed;
  assert([1009, 1006].includes(code), `code ${code}`);
  done(`a message over the limit ends the connection, code ${code}`);
}

// What hangs is a failure too.
setTimeout(() => { throw new Error("out of time"); }, 6 * PATIENCE).unref();

const [url, mode, ...rest] = process.argv.slice(2);
if (mode === "meet") {
  await meet(await Peer.connect(url), ...rest);
} else {
  console.log(`ws on Node ${process.version}`, mode ?? "");
  await check(url, mode === "deflate");
}
