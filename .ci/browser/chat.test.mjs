// Drives the page of examples/chat in a real browser, over both transports.
//
//   node chat.test.mjs http://localhost:8080/ screenshots/
//
// CHROMIUM names the browser, /usr/bin/chromium if unset. One line per check; the exit status is 1 when one failed.

import { mkdirSync } from "node:fs";
import { join as path } from "node:path";
import { chromium } from "playwright-core";

const [base, shots] = process.argv.slice(2);
if (!base || !shots) {
  console.error("usage: node chat.test.mjs BASE-URL SCREENSHOT-DIRECTORY");
  process.exit(2);
}
mkdirSync(shots, { recursive: true });

const TIMEOUT = 30_000;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

let failures = 0;
async function check(what, test) {
  const start = performance.now();
  try {
    await test();
    console.log(`ok      ${what} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failures++;
    console.log(`FAILED  ${what}: ${error.message.split("\n").slice(0, 3).join(" ")}`);
  }
}

function equal(got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

const complaints = []; // what the pages' consoles say: policy violations, exceptions
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const DESKTOP = { viewport: { width: 1280, height: 800 } };

// A page of its own browser profile, at the welcome form.
async function visit({ query = "", before = () => {}, colorScheme = "light", ...size } = DESKTOP) {
  const context = await browser.newContext({ ...size, colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // Chromium reports a refused connection here as well, and those are part of the test.
    if (message.type() === "error" && !/net::ERR|WebSocket connection/.test(message.text())) complaints.push(message.text());
  });
  await before(page);
  await page.goto(base + query);
  return page;
}

// Both find what can be seen and used: nothing behind a dialog, nothing hidden.
const field = (page, name) => page.getByRole("textbox", { name, exact: true });
const button = (page, name) => page.getByRole("button", { name, exact: true });

async function enter(page, name, room) {
  await field(page, "Your name").fill(name);
  await field(page, "Room").fill(room);
  await button(page, "Join the room").click();
  await page.waitForFunction(() => /^\d+ p/.test(document.querySelector("#room-count").textContent), null, { timeout: TIMEOUT });
}

async function say(page, text) {
  await field(page, "Message").fill(text);
  await field(page, "Message").press("Enter");
}

const sees = (page, text) => page.locator("#log .bubble").getByText(text, { exact: true }).waitFor();
const transportIs = (page, name) => page.locator(`#status[data-state=connected][data-transport=${name}]`).waitFor();
const shot = (page, name) => page.screenshot({ path: path(shots, `${name}.png`), animations: "disabled" });
const texts = (page) => page.locator("#log .bubble").allTextContents();

const room = `room-${Date.now().toString(36)}`;
const other = `${room}-garden`;

const ann = await visit(DESKTOP);
await shot(ann, "welcome-desktop-light");
const bob = await visit({ ...PHONE, query: "?transport=polling" });
await shot(bob, "welcome-phone-light");

await check("ann joins over WebSocket", async () => {
  await enter(ann, "Ann", room);
  await transportIs(ann, "websocket");
  equal(await ann.locator("#empty").isVisible(), true);
  await shot(ann, "empty-desktop-light");
});

await check("bob joins over long polling, and both see each other", async () => {
  await enter(bob, "Bob", room);
  await transportIs(bob, "polling");
  for (const page of [ann, bob]) await page.locator("#people-list li").nth(1).waitFor({ state: "attached" });
  equal(await ann.locator("#people-list .name").allTextContents(), ["Ann", "Bob"]);
});

await check("messages arrive both ways, in order", async () => {
  const talk = ["Hello from the WebSocket side", "And hello from long polling", "Two in a row…", "…stay in order", "👍"];
  await say(ann, talk[0]);
  await sees(bob, talk[0]);
  await say(bob, talk[1]);
  await say(bob, talk[2]);
  await say(bob, talk[3]);
  await sees(ann, talk[3]);
  await say(ann, talk[4]);
  for (const page of [ann, bob]) await sees(page, talk[4]); // either may be the first
  equal(await texts(ann), talk);
  equal(await texts(bob), talk);
  equal(await ann.locator("#pending .message").count(), 0);
});

await check("fifty messages at once arrive complete and in order, both ways", async () => {
  const burst = async (from, to, mark) => {
    for (let i = 0; i < 50; i++) await say(from, `${mark} ${i}`);
    await sees(to, `${mark} 49`);
    equal((await texts(to)).filter((text) => text.startsWith(`${mark} `)), Array.from({ length: 50 }, (_, i) => `${mark} ${i}`));
  };
  await burst(ann, bob, "down");
  await burst(bob, ann, "up");
});

await check("a refused text comes back to be changed", async () => {
  const invisible = "\u200b\u200b";
  await say(ann, invisible);
  await ann.locator("#toast").getByText("the message is empty").waitFor();
  equal(await field(ann, "Message").inputValue(), invisible);
  equal(await ann.locator("#pending .message").count(), 0);
  await field(ann, "Message").fill("");
});

await check("what people write is text, never markup", async () => {
  const text = `<img src=x onerror="document.title='owned'"> & <b>bold</b>`;
  await say(ann, text);
  await sees(bob, text);
  equal(await bob.locator("#log img, #log b").count(), 0);
});

await check("typing is shown", async () => {
  await field(bob, "Message").pressSequentially("hm");
  await ann.getByText("Bob is typing").waitFor();
  await field(bob, "Message").fill("");
});

await check("rooms are separate, and unread messages are counted", async () => {
  await button(ann, "Join another room").click();
  await field(ann, "Room").fill(other);
  await button(ann, "Join").click();
  await ann.locator("#room-count").getByText("1 person").waitFor();
  await say(ann, "only in the garden");
  await sees(ann, "only in the garden");
  await say(bob, "while you are away");
  await say(bob, "and another");
  await ann.locator(`#rooms [data-room="${room}"] .badge`).getByText("2", { exact: true }).waitFor();
  equal(await bob.getByText("only in the garden").count(), 0);
  await shot(ann, "unread-desktop-light");
  await ann.locator(`#rooms [data-room="${room}"]`).click();
  await sees(ann, "and another");
  equal(await ann.locator(".badge:visible").count(), 0);
});

await check("a newcomer gets the history, and a phone gets the panels", async () => {
  const eve = await visit({ ...PHONE, colorScheme: "dark", query: `#${room}` });
  equal(await field(eve, "Room").inputValue(), room);
  await enter(eve, "Eve", room);
  await sees(eve, "and another");
  equal((await texts(eve)).length, 50);
  await shot(eve, "chat-phone-dark");
  await button(eve, "Rooms").click();
  await eve.locator("#sidebar").getByText("Eve").waitFor();
  await shot(eve, "rooms-phone-dark");
  await eve.keyboard.press("Escape");
  await button(eve, "People").click();
  await eve.locator("#people-list").getByText("Ann").waitFor();
  await eve.close();
  await ann.getByText("Eve left").waitFor();
});

const blockages = {
  "opens and dies before its first message": (ws) => setTimeout(() => ws.close({ code: 1011 }), 50),
  "is closed at once": (ws) => ws.close({ code: 1011, reason: "no WebSocket here" }),
};
for (const [what, block] of Object.entries(blockages)) {
  await check(`a page whose WebSocket ${what} falls back to long polling`, async () => {
    const cleo = await visit({ ...DESKTOP, before: (page) => page.routeWebSocket(/.*/, block) });
    await enter(cleo, "Cleo", room);
    await transportIs(cleo, "polling");
    await say(cleo, `mine ${what}`);
    await sees(ann, `mine ${what}`);
    await cleo.context().close();
  });
}

await check("a page without WebSocket falls back to long polling", async () => {
  const dan = await visit({
    ...DESKTOP,
    before: (page) => page.addInitScript(() => {
      window.WebSocket = class { constructor() { throw new DOMException("blocked", "SecurityError"); } };
    }),
  });
  await enter(dan, "Dan", room);
  await transportIs(dan, "polling");
  await dan.context().close();
});

await check("a lost connection comes back, and nothing that was written is lost", async () => {
  await ann.context().setOffline(true);
  await ann.locator("#banner").waitFor();
  equal(await ann.locator("#room-count").textContent(), "not connected");
  await say(ann, "written while the line was down");
  await say(bob, "said meanwhile");
  await ann.locator("#pending .message").waitFor();
  await shot(ann, "lost-desktop-light");
  await ann.context().setOffline(false);
  await sees(bob, "written while the line was down");
  await sees(ann, "said meanwhile");
  await ann.locator("#banner").waitFor({ state: "hidden" });
  await ann.locator("#pending .message").waitFor({ state: "detached" });
  equal((await texts(bob)).filter((text) => text === "written while the line was down").length, 1);
});

await check("a reload comes back to the same rooms under the same name", async () => {
  await bob.reload();
  await transportIs(bob, "polling");
  await sees(bob, "said meanwhile");
  equal(await bob.locator("#log .message.mine").getByText("said meanwhile").count(), 1);
});

await check("a new name is seen by the others", async () => {
  await button(bob, "Rooms").click();
  await bob.locator("#me").click();
  await field(bob, "Name").fill("Robert");
  await button(bob, "Save").click();
  await ann.getByText("Bob is now called Robert").waitFor();
});

await check("leaving a room is seen by the others", async () => {
  await bob.close();
  await ann.getByText("Robert left").waitFor();
});

await check("the pages look as they should", async () => {
  for (const [size, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await visit({ ...options, colorScheme, query: `#${room}` });
      await enter(page, "Fay", room);
      await sees(page, "said meanwhile");
      const { wide, composer } = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth - innerWidth,
        composer: document.querySelector("#composer").getBoundingClientRect().bottom - innerHeight,
      }));
      equal([wide <= 0, composer <= 0], [true, true]);
      await shot(page, `chat-${size}-${colorScheme}`);
      await page.context().close();
    }
  }
});

// Evaluated as in the console, where a policy that is too narrow makes the socket end before it is open.
await check("what the page of the endpoint says to type into the console works there", async () => {
  const page = await visit(DESKTOP);
  await page.goto(new URL("socket", base).href);
  const typed = await page.locator("pre").textContent();
  equal(await page.evaluate(`(() => { ${typed.replace("ws.onopen = () =>", "const opened = () =>")}
    return new Promise((resolve) => {
      ws.onopen = () => { opened(); resolve("open"); };
      ws.onerror = () => resolve("refused");
    }); })()`), "open");
  await shot(page, "endpoint");
  await page.context().close();
});

await check("no page complained", () => equal(complaints, []));

await browser.close();
console.log(failures === 0 ? "the chat page works" : `${failures} checks failed`);
process.exit(failures === 0 ? 0 : 1);
