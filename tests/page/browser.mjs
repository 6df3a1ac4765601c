// A headless Chromium with a profile of its own that is gone afterwards.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

// run.sh puts the packages below target/, where an import would not look for them.
const packages = createRequire(join(process.env.PAGE_MODULES, "package.json"));
const { chromium } = packages("playwright-core");

export const axe = () => readFile(packages.resolve("axe-core/axe.min.js"), "utf8");

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-lcd-text"];

export const launch = () =>
  chromium.launch({ executablePath: process.env.PAGE_BROWSER || "/usr/bin/chromium", args: FLAGS });

/** A visit that shares nothing with others. */
export const visit = (browser, options = {}) =>
  browser.newContext({ viewport: { width: 1280, height: 860 }, locale: "en-GB", ...options });
