// What the tests of the page share: a browser, a stand-in daemon, a page that must not complain.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { launch, visit } from "./browser.mjs";
import { Mock } from "./mock.mjs";
import * as world from "./world.mjs";

export const NAME = "retail/orders/emp";
export const WAIT = 10000;

let browser;

export function withBrowser() {
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());
}

export const link = (name, tab = "", below = "") => `#/job/${encodeURIComponent(name)}/${tab}${below ? `/${below}` : ""}`;

/** Opens the page at `at` beside a stand-in; both end with the test `t`, which fails where either complained. */
export async function open(t, { at = "#/", jobs, context: options, live = true, ...daemon } = {}) {
  const mock = await new Mock({ jobs: jobs || [world.job(NAME), world.job("lab/idle", { state: "stopped" })], ...daemon }).listen();
  const context = await visit(browser, { reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A refusal is told by the browser too, and is meant.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  t.after(async () => {
    await context.close();
    await mock.close();
    assert.deepEqual(mock.faults, [], "requests that the API would not take");
    assert.deepEqual(complaints, [], "the browser complained");
  });
  await page.goto(mock.url + at);
  if (live) await page.waitForSelector(".live.on", { state: "attached" });
  return { page, mock, context };
}

/** The body of the newest request to `path`, which a test sent by a click. */
export const sent = (mock, method, path) => mock.requests.filter((one) => one.method === method && one.path === `/api/v1/${path}`).at(-1);

export const path = (name, below = "") => `jobs/${encodeURIComponent(name)}${below ? `/${below}` : ""}`;

/** Waits until the page shows `text` in `selector`. */
export const shows = (page, selector, text) => page.locator(selector).filter({ hasText: text }).first().waitFor();

/** Clicks the button of a deed, then the one of its dialog, and waits until that is closed. */
export async function act(page, id, fill) {
  await page.click(`#do-${id}`);
  await page.waitForSelector("dialog[open]");
  if (fill) await fill(page.locator("dialog"));
  await page.click("dialog button[type=submit]");
}
