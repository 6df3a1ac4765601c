// One headless Chromium for a run, with a profile of its own that is gone afterwards.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

// run.sh puts the packages below target/, where an import would not look for them.
const packages = createRequire(join(process.env.PAGE_MODULES, "package.json"));
const { chromium } = packages("playwright-core");

export const axe = () => readFile(packages.resolve("axe-core/axe.min.js"), "utf8");

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
  "--disable-lcd-text"];

export async function launch(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), "seachange-page-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.PAGE_BROWSER || "/usr/bin/chromium",
    args: FLAGS,
    viewport: { width: 1280, height: 860 },
    locale: "en-GB",
    ...options,
  });
  return { context, close: async () => (await context.close(), await rm(profile, { recursive: true, force: true })) };
}
