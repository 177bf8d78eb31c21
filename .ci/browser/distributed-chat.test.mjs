// Drives the page of examples/distributed-chat in a real browser: rooms crash and come back.
//
//   node distributed-chat.test.mjs http://localhost:8080/ screenshots/
//
// CHROMIUM names the browser, /usr/bin/chromium if unset. One line per check; the exit status is 1 when one failed.

import { mkdirSync } from "node:fs";
import { join as path } from "node:path";
import { chromium } from "playwright-core";

const [base, shots] = process.argv.slice(2);
if (!base || !shots) {
  console.error("usage: node distributed-chat.test.mjs BASE-URL SCREENSHOT-DIRECTORY");
  process.exit(2);
}
mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

let failures = 0;
async function check(what, test) {
  try {
    await test();
    console.log(`ok      ${what}`);
  } catch (error) {
    failures++;
    console.log(`FAILED  ${what}: ${error.message.split("\n").slice(0, 3).join(" ")}`);
  }
}

function equal(got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

const complaints = [];
async function visit(name, options, hash = "lobby") {
  const context = await browser.newContext(options);
  await context.addInitScript((name) => sessionStorage.setItem("name", name), name);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  await page.goto(`${base}#${hash}`);
  await page.locator("#people").getByText(name, { exact: true }).waitFor();
  return page;
}

const button = (page, name) => page.getByRole("button", { name, exact: true });
const shot = (page, name) => page.screenshot({ path: path(shots, `distributed-chat-${name}.png`), animations: "disabled" });
const texts = (page) => page.locator("#log .bubble").allTextContents();
const sees = (page, text) => page.locator("#log .bubble").getByText(text, { exact: true }).waitFor();
const life = (page, n) => page.locator("#life").getByText(`life ${n}`, { exact: true }).waitFor();
async function say(page, text) {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.getByRole("textbox", { name: "Message" }).press("Enter");
}

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const ann = await visit("Ann", { ...DESKTOP, colorScheme: "light" });
const bob = await visit("Bob", { ...PHONE, colorScheme: "dark" });
await shot(ann, "empty-desktop-light");
const said = ["Hello Bob", "Hello Ann", "What does that button do?"];

await check("two talk", async () => {
  await say(ann, said[0]);
  await sees(bob, said[0]);
  await say(bob, said[1]);
  await sees(ann, said[1]);
  await say(ann, said[2]);
  for (const page of [ann, bob]) {
    await sees(page, said[2]);
    equal(await texts(page), said);
  }
  await shot(ann, "talk-desktop-light");
  await shot(bob, "talk-phone-dark");
  const bottom = await button(bob, "Crash the room").evaluate((b) => b.getBoundingClientRect().bottom - innerHeight);
  equal(bottom <= 0, true); // the button that it is all about is in sight
});

await check("the room crashes in front of both, and what is said meanwhile waits", async () => {
  await button(bob, "Crash the room").click();
  for (const page of [ann, bob]) await page.locator("#banner").waitFor();
  await say(ann, "Are you there?");
  await ann.locator("#pending").getByText("waits for the room").waitFor();
  await shot(ann, "crashed-desktop-light");
});

await check("it comes back with its history, and nothing is lost", async () => {
  said.push("Are you there?");
  for (const page of [ann, bob]) {
    await life(page, 2);
    await page.locator("#log").getByText("back, with 3 messages of history").waitFor();
    await sees(page, said[3]);
    equal(await texts(page), said);
    equal(await page.locator("#banner").isVisible(), false);
  }
  await shot(ann, "back-desktop-light");
  await shot(bob, "back-phone-dark");
});

await check("nobody was disconnected", async () => {
  for (const page of [ann, bob]) {
    const status = await page.locator("#status .long").textContent();
    if (!/connection 1, open for \d+ s/.test(status)) throw new Error(status);
  }
});

await check("a newcomer, and another room, know of nothing", async () => {
  const eve = await visit("Eve", { ...DESKTOP, colorScheme: "dark" });
  await sees(eve, said[3]);
  equal(await texts(eve), said);
  await shot(eve, "newcomer-desktop-dark");
  await eve.locator("#rooms button").getByText("garden", { exact: true }).click();
  await life(eve, 1);
  equal(await texts(eve), []);
  await eve.context().close();
});

await check("a store that crashes loses the history, and the page says so", async () => {
  await button(ann, "Crash its store").click();
  for (const page of [ann, bob]) {
    await page.locator("#log").getByText("the history is gone").waitFor();
    equal(await texts(page), []);
  }
  await say(bob, "From the beginning, then");
  await sees(ann, "From the beginning, then");
  await shot(ann, "store-lost-desktop-light");
});

await check("an empty name changes nothing, and is no reason to complain", async () => {
  const before = await texts(ann);
  const field = ann.getByRole("textbox", { name: "Your name" });
  for (const empty of ["", "   "]) {
    await field.fill(empty);
    await field.press("Enter");
    equal([await field.inputValue(), await texts(ann), await ann.locator("#toast").isVisible()], ["Ann", before, false]);
  }
  await field.fill("Anna");
  await field.press("Enter");
  await bob.locator("#people").getByText("Anna", { exact: true }).waitFor();
  await field.fill("Ann");
  await field.press("Enter");
  await bob.locator("#people").getByText("Ann", { exact: true }).waitFor();
  equal(await texts(ann), before);
});

await check("who reads what was said before is left to it, until they say something", async () => {
  for (let i = 0; i < 20; i++) await say(ann, `Line ${i}`);
  await sees(bob, "Line 19");
  const end = () => bob.evaluate(() => {
    const s = document.getElementById("scroller");
    return s.scrollHeight - s.scrollTop - s.clientHeight;
  });
  equal(await end() <= 1, true); // it has followed
  await bob.locator("#scroller").evaluate((s) => new Promise((seen) => {
    s.addEventListener("scroll", seen, { once: true });
    s.scrollTop = 10;
  }));
  await say(ann, "Do you see this?");
  await sees(bob, "Do you see this?");
  equal(await bob.locator("#scroller").evaluate((s) => s.scrollTop), 10);
  await say(bob, "Now I do");
  await sees(bob, "Now I do");
  equal(await end() <= 1, true);
});

await check("what people write is text, never markup", async () => {
  const text = `<img src=x onerror="document.title='owned'"> & <b>bold</b>`;
  await say(ann, text);
  await sees(bob, text);
  equal(await bob.locator("#log img, #log b").count(), 0);
});

await check("the tree shows the processes", async () => {
  const [tree] = await Promise.all([ann.context().waitForEvent("page"), ann.locator("#tree").click()]);
  for (const name of ["rooms", "supervisor:lobby", "store:lobby", "room:lobby"]) await tree.getByText(name, { exact: true }).first().waitFor();
  await tree.waitForTimeout(2500); // for the rates
  await shot(tree, "tree-desktop-light");
  await tree.close();
});

await check("the pages fit", async () => {
  for (const page of [ann, bob]) equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
});

await check("no page complained", () => equal(complaints, []));

await browser.close();
console.log(failures === 0 ? "rooms crash and come back" : `${failures} checks failed`);
process.exit(failures === 0 ? 0 : 1);
