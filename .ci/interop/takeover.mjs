// Node's ws with context takeover and windows of all sizes.
//
// usage: node takeover.mjs client ws://host:port   against the program in takeover/
//        node takeover.mjs server PORT             echoes, one kind of compression for each path

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";
import { PATIENCE, done } from "./chat.mjs";
import { mixed } from "./mixed.mjs";

async function connect(url, perMessageDeflate) {
  const ws = new WebSocket(url, { perMessageDeflate: { threshold: 0, ...perMessageDeflate } });
  const inbox = [];
  let wake = () => {};
  ws.on("upgrade", (response) => { ws.agreed = response.headers["sec-websocket-extensions"] ?? ""; });
  ws.on("message", (data, binary) => { inbox.push(binary ? data : data.toString()); wake(); });
  ws.on("close", (code) => { ws.code = code; wake(); });
  await once(ws, "open");
  ws.next = async () => {
    while (!inbox.length) {
      assert(ws.code === undefined, `${url}: closed with ${ws.code}`);
      await new Promise((resolve) => { wake = resolve; });
    }
    return inbox.shift();
  };
  ws.emitEvent = (event, data) => ws.send(JSON.stringify({ event, data }));
  ws.event = async (event) => {
    const m = JSON.parse(await ws.next());
    assert.equal(m.event, event);
    return m.data;
  };
  return ws;
}

async function leave(ws) {
  const closed = once(ws, "close");
  ws.close(1000);
  assert.equal((await closed)[0], 1000);
}

async function raw(url, options) {
  const ws = await connect(url, options);
  assert.match(ws.agreed, /^permessage-deflate/);
  const messages = mixed(200);
  let plain = 0;
  for (const m of messages) ws.send(m);
  for (const m of messages) {
    const got = await ws.next();
    assert.deepEqual(got, m);
    plain += Buffer.byteLength(m);
  }
  const came = ws._socket.bytesRead;
  await leave(ws);
  return `${ws.agreed}: ${plain} bytes came as ${came}`;
}

// Three members, all of whom hear everything in one order, with messages for one alone in between.
async function room(url, options) {
  const members = [];
  for (let i = 0; i < 3; i++) members.push(await connect(url, options));
  for (const ws of members) {
    ws.emitEvent("join", "room");
    assert.equal(await ws.event("joined"), "room");
  }
  const texts = mixed(200).filter((m) => typeof m === "string");
  let late;
  for (const [i, text] of texts.entries()) {
    const speaker = members[i % members.length];
    if (i === texts.length >> 1) {
      late = await connect(url, options);
      late.emitEvent("join", "room");
      await late.event("joined");
      members.push(late);
    }
    speaker.emitEvent("say", { room: "room", what: text });
    for (const ws of members) assert.equal(await ws.event("said"), text);
    if (i % 7 === 0) {
      speaker.emitEvent("echo", text);
      assert.equal(await speaker.event("echo"), text);
    }
  }
  for (const ws of members) await leave(ws);
  return `${members.length} members heard ${texts.length} messages`;
}

async function client(base) {
  for (const name of ["none", "window", "small", "large", "one-way", "common"]) {
    done(`${name}: ${await raw(`${base}/raw/${name}`, {})}`);
    done(`${name}: ${await room(`${base}/socket/${name}`, {})}`);
  }
  for (let bits = 9; bits <= 15; bits++) {
    for (const name of ["window", "large", "common"]) {
      const windows = { serverMaxWindowBits: bits, clientMaxWindowBits: bits };
      const what = await raw(`${base}/raw/${name}`, windows);
      assert.match(what, new RegExp(`server_max_window_bits=${bits}`));
      done(`${name}, ${bits} bits: ${what}`);
      done(`${name}, ${bits} bits: ${await room(`${base}/socket/${name}`, windows)}`);
    }
  }
  for (const options of [{ serverNoContextTakeover: true }, { clientNoContextTakeover: true }]) {
    done(`window, ${Object.keys(options)}: ${await raw(`${base}/raw/window`, options)}`);
  }
}

function server(port) {
  const http = createServer();
  http.on("upgrade", (request, socket, head) => {
    const max = Number(new URL(request.url, "http://x").searchParams.get("max")) || undefined;
    const perMessageDeflate = { threshold: 0, ...(max && { serverMaxWindowBits: max, clientMaxWindowBits: max }) };
    new WebSocketServer({ noServer: true, perMessageDeflate }).handleUpgrade(request, socket, head, (ws) => {
      ws.on("upgrade", (response) => { ws.agreed = response.headers["sec-websocket-extensions"] ?? ""; });
  ws.on("message", (data, binary) => ws.send(data, { binary }));
    });
  });
  http.listen(port, "127.0.0.1");
}

const [mode, where] = process.argv.slice(2);
if (mode === "server") {
  server(Number(where));
} else {
  setTimeout(() => { throw new Error("out of time"); }, 12 * PATIENCE).unref();
  console.log(`ws on Node ${process.version} with takeover`);
  await client(where);
}
