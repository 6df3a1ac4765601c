// Pictures of each page, of the stand-in daemon: `shots.mjs FOLDER`.

import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launch, visit } from "./browser.mjs";
import { Mock } from "./mock.mjs";
import * as world from "./world.mjs";

const to = process.argv[2];
await mkdir(to, { recursive: true });
const NAME = "retail/orders/emp_sync";
const COPIED = "retail/stock/history_copy";

const mock = new Mock({
  jobs: [
    ...world.many(2000),
    world.job(NAME, { notes: ["line 4: `table.local-time-zone` has no meaning here and is passed over"], tables_quarantined: 1, tables: 3 }),
    world.job(COPIED, { state: "snapshotting", tables: 3, reason: "1 of 3 tables is read through" }),
  ],
});
await mock.listen();
const now = world.NOW;
mock.output = Array.from({ length: 60 }, (_, n) => ({
  number: n + 1,
  text: n % 7 === 3 ? `shop.emp> -U[${n}, 1992-09-12, cai, kunkun, M, 2022-09-22]` : n % 7 === 4 ? `shop.emp> +U[${n - 1}, 1992-09-12, cai, kunkun, F, 2022-09-22]`
    : n % 7 === 6 ? `shop.emp> -D[${n - 3}, 1989-02-01, wu, yifan, M, 2021-01-05]` : `shop.emp> +I[${n}, 1992-09-12, cai, kunkun, M, 2022-09-22]`,
}));
mock.versionsOf(NAME).unshift({ number: 2, at_ms: now - 3600e3, by: "ops", note: "checkpoints more often", lenient: false,
  script: world.scriptOf(NAME).replace("'10s'", "'5s'").replace("shop\\.emp'", "shop\\.emp,shop\\.history'") });
mock.jobs.get(NAME).version = 2;

const browser = await launch();
async function shot(file, link, { size = { width: 1200, height: 740 }, theme = "light", language = "en", before } = {}) {
  const context = await visit(browser, { viewport: size, colorScheme: theme, reducedMotion: "reduce", timezoneId: "UTC" });
  const page = await context.newPage();
  await page.clock.install({ time: now });
  await page.addInitScript((tag) => localStorage.setItem("seachange.language", tag), language);
  mock.samples = world.samples(now, 600, link.includes("history_copy"));
  await page.goto(`${mock.url}#${link}`);
  await page.waitForSelector("main h1", { state: "attached" });
  await page.waitForSelector(".live.on");
  await page.clock.runFor(1500);
  if (before) await before(page);
  await page.clock.runFor(1500);
  await page.screenshot({ path: join(to, file) });
  // Where it is installed: a third of the bytes.
  spawnSync("pngquant", ["--force", "--skip-if-larger", "--quality", "70-95", "--strip", "--output", join(to, file), join(to, file)]);
  await context.close();
}

const at = (name, tab = "") => `/job/${encodeURIComponent(name)}/${tab}`;
const PHONE = { width: 390, height: 844 };
await shot("overview.png", "/");
await shot("job.png", at(COPIED));
await shot("job-dark.png", at(NAME), { theme: "dark" });
await shot("snapshots.png", at(NAME, "snapshots"));
await shot("tables.png", at(NAME, "tables"));
await shot("events.png", "/events");
await shot("output.png", at(NAME, "output"));
await shot("diff.png", at(NAME, "configuration"), { before: (page) => page.selectOption("#beside", "1") });
await shot("search.png", "/", { before: (page) => page.fill("#search", "billing 12") });
await shot("smart-stop.png", at(NAME), { before: async (page) => {
  mock.savepointError = "the sink `doris` did not prepare within 600 s: FE 10.0.3.7:8030 answers 503";
  await page.click("#do-smart");
  await page.click("dialog button[type=submit]");
  await page.waitForSelector("dialog .trouble");
  mock.savepointError = null;
} });
await shot("submit.png", "/", { before: async (page) => {
  await page.click("header.top button.primary");
  await page.fill("#script", world.scriptOf("emp").replace("'hostname'", "'hostnam'"));
  await page.click("#check");
  await page.waitForSelector(".told");
} });
await shot("chinese.png", at(COPIED), { language: "zh" });
await shot("phone.png", at(COPIED), { size: PHONE });
await shot("phone-jobs.png", "/jobs", { size: PHONE, theme: "dark" });
await shot("phone-snapshots.png", at(NAME, "snapshots"), { size: PHONE });
await browser.close();
await mock.close();
if (mock.faults.length) throw new Error(mock.faults.join("\n"));
