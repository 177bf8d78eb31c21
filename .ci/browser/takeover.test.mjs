// Chromium's WebSocket with context takeover, against the program in .ci/interop/takeover.
//
//   node takeover.test.mjs http://127.0.0.1:8080
//
// CHROMIUM names the browser, /usr/bin/chromium if unset. The exit status is 1 when a check failed.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { mixed } from "../interop/mixed.mjs";

const [base] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage();
page.setDefaultTimeout(60_000);
await page.goto(base + "/");
await page.addScriptTag({ content: `
  const mixed = ${mixed};
  const messages = (n) => mixed(n, (array) => array);
  async function connect(path) {
    const ws = new WebSocket(location.origin.replace("http", "ws") + path);
    ws.binaryType = "arraybuffer";
    const inbox = [];
    let wake = () => {};
    ws.onmessage = ({ data }) => { inbox.push(data); wake(); };
    ws.onclose = ({ code }) => { ws.code = code; wake(); };
    await new Promise((resolve, reject) => { ws.onopen = resolve; ws.onerror = () => reject(new Error("no connection to " + path)); });
    ws.next = async () => {
      while (!inbox.length) {
        if (ws.code !== undefined) throw new Error(path + " was closed with " + ws.code);
        await new Promise((resolve) => { wake = resolve; });
      }
      return inbox.shift();
    };
    ws.emitEvent = (event, data) => ws.send(JSON.stringify({ event, data }));
    ws.event = async () => JSON.parse(await ws.next());
    return ws;
  }
  async function leave(ws) {
    const closed = new Promise((resolve) => { ws.onclose = resolve; });
    ws.close(1000);
    return (await closed).code;
  }
  const same = (a, b) => typeof a === "string" ? a === b :
    typeof b !== "string" && a.byteLength === b.byteLength && new Uint8Array(b).every((x, i) => x === a[i]);
  async function raw(path) {
    const ws = await connect(path);
    const all = messages(300);
    for (const m of all) ws.send(m);
    for (const [i, m] of all.entries()) if (!same(m, await ws.next())) throw new Error(path + ": message " + i + " is another");
    return [ws.extensions, await leave(ws)];
  }
  async function room(path) {
    const members = [];
    const enter = async () => {
      const ws = await connect(path);
      ws.emitEvent("join", "room");
      await ws.event();
      members.push(ws);
    };
    for (let i = 0; i < 3; i++) await enter();
    const texts = messages(300).filter((m) => typeof m === "string");
    for (const [i, text] of texts.entries()) {
      if (i === texts.length >> 1) await enter();
      const speaker = members[i % members.length];
      speaker.emitEvent("say", { room: "room", what: text });
      for (const ws of members) {
        const { event, data } = await ws.event();
        if (event !== "said" || data !== text) throw new Error(path + ": " + event + " " + i + " is another");
      }
      if (i % 7 === 0) {
        speaker.emitEvent("echo", text);
        if ((await speaker.event()).data !== text) throw new Error(path + ": echo " + i + " is another");
      }
    }
    for (const ws of members) await leave(ws);
    return texts.length;
  }
` });

for (const [name, agreed] of Object.entries({
  none: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  window: "permessage-deflate",
  small: "permessage-deflate; client_max_window_bits=9",
  large: "permessage-deflate",
  "one-way": "permessage-deflate; client_no_context_takeover",
  common: "permessage-deflate; client_max_window_bits=12",
})) {
  const [extensions, code] = await page.evaluate((path) => raw(path), `/raw/${name}`);
  assert.deepEqual([extensions, code], [agreed, 1000]);
  const heard = await page.evaluate((path) => room(path), `/socket/${name}`);
  console.log(`ok      ${name}: ${extensions}; 300 messages came back, a room heard ${heard}`);
}
await browser.close();
