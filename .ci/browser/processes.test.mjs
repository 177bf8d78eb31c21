// Drives the page of distributed.Node.Handler, as .ci/interop/processes serves it, in a real browser.
//
//   node processes.test.mjs http://localhost:8080 screenshots/
//
// CHROMIUM names the browser, /usr/bin/chromium if unset. One line per check; the exit status is 1 when one failed.

import { mkdirSync } from "node:fs";
import { join as path } from "node:path";
import { chromium } from "playwright-core";

const [base, shots] = process.argv.slice(2);
if (!base || !shots) {
  console.error("usage: node processes.test.mjs BASE-URL SCREENSHOT-DIRECTORY");
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

const complaints = []; // what the page's console says: policy violations, exceptions
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const DESKTOP = { viewport: { width: 1280, height: 900 } };

async function visit(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // Chromium reports a lost connection and a 404 here as well, and those are part of the test.
    if (!/net::ERR|status of 404/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(`${base}/processes`);
  await page.locator("#status[data-state=live]").waitFor();
  return page;
}

async function change(what, name) {
  const answer = await fetch(`${base}/${what}?name=${encodeURIComponent(name)}`, { method: "POST" });
  if (!answer.ok) throw new Error(`${what}: ${answer.status} ${await answer.text()}`);
}

const page = await visit(DESKTOP);
const processes = () => page.locator("#numbers dd").first().textContent();
const details = page.locator("#details");

await check("the page shows all there are", async () => {
  equal(await page.title(), "harbour: processes");
  equal(await processes(), "1,003");
  equal(await page.locator("#others .field button").count(), 300);
  await page.getByText("and 703 more").waitFor();
});

await check("what begins and ends is seen without anybody's doing", async () => {
  await change("spawn", "newcomer");
  await page.waitForFunction(() => document.querySelector("#numbers dd").textContent === "1,004");
  await change("end", "newcomer");
  await page.waitForFunction(() => document.querySelector("#numbers dd").textContent === "1,003");
});

await check("a queue that grows long is seen, and leads to its process", async () => {
  await page.locator("#longest button").filter({ hasText: "patient" }).click();
  await details.getByText("199, room for").waitFor();
  await details.getByText("running for").waitFor();
  await details.getByText("peer", { exact: true }).waitFor();
  await details.getByText("named", { exact: true }).waitFor();
  await page.screenshot({ path: path(shots, "processes-details.png"), animations: "disabled" });
  await page.keyboard.press("Escape");
  await details.waitFor({ state: "hidden" });
});

await check("names are text, and what cannot be seen in them is written out", async () => {
  const dot = page.locator("#others .field button").nth(2);
  await dot.click();
  await details.getByText(`<img src=x onerror="document.title='owned'">\\u{202e}gpj.exe`, { exact: true }).first().waitFor();
  equal(await page.title(), "harbour: processes");
  equal(await page.locator("main img").count(), 0);
});

await check("arrow keys move among the processes", async () => {
  await page.locator("#others .field button").nth(2).focus();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("Enter");
  equal(await page.locator("#details-name").textContent(), "peer");
  equal(await page.locator("#others .field button[aria-pressed=true]").count(), 1);
  await page.getByRole("button", { name: "Close the details" }).click();
});

await check("a process is found by its name, also one that is not shown", async () => {
  const field = page.getByRole("searchbox");
  for (const [name, says] of [["patient", "199, room for"], ["nobody", "there is no such process"]]) {
    await field.fill(name);
    await field.press("Enter");
    await details.getByText(says).waitFor();
    equal(await page.locator("#details-name").textContent(), name);
  }
  await page.getByRole("button", { name: "Close the details" }).click();
});

await check("a lost connection is told, and comes back by itself", async () => {
  await page.context().setOffline(true);
  await page.getByText("no answer, trying again").waitFor();
  await page.context().setOffline(false);
  await page.locator("#status[data-state=live]").waitFor();
});

await check("the page looks as it should", async () => {
  for (const [size, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
    for (const colorScheme of ["light", "dark"]) {
      const view = await visit({ ...options, colorScheme });
      equal(await view.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
      await view.screenshot({ path: path(shots, `processes-${size}-${colorScheme}.png`), animations: "disabled" });
      await view.context().close();
    }
  }
});

await check("the page did not complain", () => equal(complaints, []));

await browser.close();
console.log(failures === 0 ? "the page of the processes works" : `${failures} checks failed`);
process.exit(failures === 0 ? 0 : 1);
