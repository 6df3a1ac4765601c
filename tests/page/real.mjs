// The walkthrough by clicking, on a `seachange serve` that runs and a MySQL that it reads (run.sh real).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { launch, visit } from "./browser.mjs";
import { act, link, shows } from "./scene.mjs";

const { PAGE_URL: url, PAGE_TOKEN: token, PAGE_SCRIPT: file, PAGE_INSERT: insert } = process.env;
assert.ok(url && file && insert, "PAGE_URL, PAGE_SCRIPT and PAGE_INSERT say where and what");
const NAME = "retail/orders/emp";
// A start or a savepoint on a busy machine.
const WAIT = 90000;

const script = await readFile(file, "utf8");
const browser = await launch();
const context = await visit(browser);
const page = await context.newPage();
page.setDefaultTimeout(WAIT);
const complaints = [];
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));

let step = "opening the page";
async function part(what, run) {
  step = what;
  await run();
  console.log(`ok: ${what}`);
}

const tab = (name) => page.locator(".job > .tabs a", { hasText: name }).click();
const lines = () => page.locator("#output .line").allInnerTexts();
const standing = (state) => page.locator(`.standing .state.s-${state}`).waitFor();

/** The output tab, when it shows so many lines, and no more a moment of live stream later. */
async function output(count) {
  await tab("Output");
  await page.waitForFunction((n) => document.querySelectorAll("#output .line").length >= n, count);
  const shown = await lines();
  assert.equal(shown.length, count, shown.join("\n"));
  return shown;
}

const answers = (path) => page.waitForResponse((one) => one.request().method() === "POST" && one.url().endsWith(path), { timeout: WAIT });

try {
  await page.goto(`${url.replace(/\/$/, "")}/`);
  if (token) {
    await part("a token is asked for and taken", async () => {
      await page.getByLabel("Token").fill(token);
      await page.click("button[type=submit]");
    });
  }
  await page.waitForSelector(".live.on");

  await part("a script is checked, submitted and started", async () => {
    await page.getByRole("button", { name: "Submit a job" }).click();
    await page.setInputFiles("dialog input[type=file]", file);
    await page.waitForFunction((text) => document.getElementById("script").value === text, script);
    await page.fill("#submit-name", NAME);
    await page.click("#check");
    await shows(page, ".told", "The script is valid.");
    await page.click("dialog button[type=submit]");
    await standing("streaming");
  });
  await part("its two rows are in the output tab", () => output(2));
  await part("a smart stop takes a savepoint and ends it", async () => {
    await act(page, "smart");
    await shows(page, ".toast", /by savepoint #\d+/);
    await standing("stopped");
  });
  await part("a row is inserted while it is stopped", () => execFileSync("sh", ["-c", insert], { stdio: "inherit" }));
  await part("started again, it prints exactly that row", async () => {
    const before = await lines();
    await act(page, "start");
    await standing("streaming");
    const after = await output(3);
    assert.deepEqual(after.slice(0, 2), before);
    assert.match(after[2], /\+I\[/);
  });
  let checkpoint;
  await part("a savepoint is taken, the job goes on, and a checkpoint follows", async () => {
    await act(page, "savepoint");
    await shows(page, ".toast", /Savepoint #\d+ was taken/);
    await standing("streaming");
    await tab("Snapshots");
    // Newest first: it holds all that was printed.
    await page.waitForSelector("tbody tr:first-child .k-checkpoint");
    checkpoint = (await page.locator("tbody tr:first-child td").first().innerText()).replace("#", "").trim();
  });
  await part("it is cancelled", async () => {
    await act(page, "cancel");
    await standing("stopped");
  });
  await part("it is restored from the row of that checkpoint, and prints nothing twice", async () => {
    await page.getByLabel(`Restore from here: snapshot ${checkpoint}`).click();
    await shows(page, "dialog", "Its strategy stays “Latest”");
    const answered = answers("/restore");
    await page.click("dialog button[type=submit]");
    assert.equal((await answered).status(), 200);
    await standing("streaming");
    await page.locator(".tabs.small a", { hasText: "Overview" }).click();
    await shows(page, ".facts", `#${checkpoint}`);
    execFileSync("sh", ["-c", insert], { stdio: "inherit" });
    const after = await output(4);
    assert.match(after[3], /\+I\[/);
  });
  await part("it is found by typing and deleted", async () => {
    await act(page, "cancel");
    await standing("stopped");
    // The page knows that the job is stopped before its cancel is answered, and keys are the dialog's until then.
    await page.waitForSelector("dialog[open]", { state: "detached" });
    await page.goto(`${url.replace(/\/$/, "")}/#/`);
    await page.keyboard.press("/");
    await page.waitForFunction(() => document.activeElement?.id === "search");
    await page.keyboard.type("emp");
    await shows(page, "#tree mark", "emp");
    await page.keyboard.press("Enter");
    await page.waitForFunction((at) => location.hash === at, link(NAME).replace(/\/$/, ""));
    await act(page, "delete");
    await shows(page, ".toast", "was deleted");
  });
  assert.deepEqual(complaints.filter((one) => !one.startsWith("Failed to load resource")), []);
} catch (error) {
  console.error(`page: ${step}: ${error.message}`);
  console.error(complaints.join("\n"));
  const place = () => [location.hash, document.activeElement?.id, document.getElementById("search")?.value];
  console.error(`it stands at ${await page.evaluate(place).catch(() => "nothing")}`);
  console.error(`it shows:\n${await page.innerText("body").catch(() => "nothing")}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
