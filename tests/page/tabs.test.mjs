// The tabs of a job, submitting, languages, sizes of screen, and who uses no mouse or no eyes.

import assert from "node:assert/strict";
import test from "node:test";
import { axe } from "./browser.mjs";
import { act, link, NAME, open, path, sent, shows, withBrowser } from "./scene.mjs";
import * as world from "./world.mjs";

withBrowser();

test("any_row_of_the_snapshots_is_restored_from_and_the_strategy_stays", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME, "snapshots") });
  await page.waitForSelector("tbody tr");
  assert.equal(await page.locator("tbody tr").count(), 12);
  await page.getByLabel("Restore from here: snapshot 355").click();
  await shows(page, "dialog", "Its strategy stays “Latest”");
  await page.click("dialog button[type=submit]");
  await shows(page, ".toast", "starts from snapshot #355");
  assert.deepEqual(sent(mock, "POST", path(NAME, "restore")).body, { snapshot: "355" });
  await shows(page, "tr.off", "its checksum does not fit");
  await page.locator(".chip", { hasText: "savepoint" }).click();
  assert.equal(await page.locator("tbody tr").count(), 2);
});

test("the_snapshots_have_an_overview_a_summary_and_a_configuration", async (t) => {
  const failing = { completed: 12, failed: 1, in_progress: false, restored: 340, restored_kind: "savepoint", last_failure: { at_ms: world.NOW, reason: "the sink is slow" } };
  const { page } = await open(t, { jobs: [world.job(NAME, { checkpoints: failing })], at: link(NAME, "snapshots", "overview") });
  await shows(page, ".trouble", "the sink is slow");
  await shows(page, ".facts", "#340, savepoint");
  await page.getByRole("link", { name: "Summary" }).click();
  await shows(page, "tbody tr", /Duration\s*18 ms\s*44 ms\s*77 ms/);
  await page.locator(".tabs.small a", { hasText: "Configuration" }).click();
  await shows(page, ".facts", "retain_on_cancellation");
});

test("tables_are_marked_and_read_again_released_dropped_and_added", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME, "tables") });
  const deed = async (button, path_, tables, fill) => {
    await page.locator(".page .actions button", { hasText: button }).click();
    if (fill) await page.locator("dialog textarea").fill(fill);
    await page.click("dialog button[type=submit]");
    await page.waitForSelector("dialog", { state: "detached" });
    assert.deepEqual(sent(mock, "POST", path(NAME, `tables/${path_}`)).body, { tables });
  };
  await shows(page, "tbody tr", "17 events passed over");
  await page.getByLabel("shop.emp", { exact: true }).check();
  assert.ok(await page.getByRole("button", { name: "Release" }).isDisabled(), "it is not in quarantine");
  await deed("Read again", "resnapshot", ["shop.emp"]);
  await page.getByLabel("shop.orders", { exact: true }).check();
  await deed("Release", "release", ["shop.orders"]);
  await page.getByLabel("shop.emp", { exact: true }).check();
  await deed("Drop", "drop", ["shop.emp"]);
  await deed("Add tables", "add", ["shop.a", "shop.b"], "shop.a\nshop.b\n");
});

test("events_are_filtered_and_older_ones_are_fetched", async (t) => {
  const { page, mock } = await open(t, { jobs: [world.job(NAME)], at: link(NAME, "events") });
  await page.waitForSelector(".events li");
  assert.equal(await page.locator(".events li").count(), 100);
  await page.getByText("Older events").click();
  await page.locator(".events li").nth(199).waitFor();
  await page.locator(".chip", { hasText: "alert" }).click();
  await page.locator(".events li").nth(29).waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".events li").length === 30);
  mock.happen({ kind: "checkpoint", job: NAME, text: "is not asked for" });
  mock.happen({ kind: "alert", job: NAME, text: "lag over 60 s" });
  await shows(page, ".events li:first-child", "lag over 60 s");
});

test("the_output_follows_its_end_until_one_pauses_it", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME, "output") });
  await shows(page, ".empty", "Nothing was printed");
  mock.print(NAME, ...Array.from({ length: 200 }, (_, n) => `shop.emp> +I[${n}, cai]`));
  await shows(page, "#output", "+I[199, cai]");
  const atEnd = () => page.evaluate(() => {
    const box = document.getElementById("output");
    return box.scrollHeight - box.scrollTop - box.clientHeight < 5;
  });
  assert.ok(await atEnd());
  await page.getByText("Pause scrolling").click();
  await page.getByText("Follow again").waitFor();
  mock.print(NAME, "shop.emp> -D[7, cai]");
  await shows(page, "#output", "-D[7, cai]");
  assert.ok(!(await atEnd()));
  await page.getByText("Follow again").click();
  await page.waitForFunction(() => {
    const box = document.getElementById("output");
    return box.scrollHeight - box.scrollTop - box.clientHeight < 5;
  });
  assert.equal(await page.locator("#output > div").count(), 201);
});

test("lines_of_another_job_do_not_come_into_the_output", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME, "output") });
  mock.print("lab/idle", "not for here");
  mock.print(NAME, "for here");
  await shows(page, "#output", "for here");
  assert.doesNotMatch(await page.innerText("#output"), /not for here/);
});

test("a_script_is_edited_checked_saved_and_applied_with_its_secrets_left_alone", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME, "configuration") });
  await shows(page, "pre.script", "'password' = '******'");
  await page.click("#edit");
  const script = await page.inputValue("#script");
  await page.fill("#script", script.replace("'hostname'", "'hostnam'"));
  await page.click("#check");
  await shows(page, ".findings li", "did you mean `hostname`?");
  assert.equal(sent(mock, "POST", "validate").body.job, NAME);
  await page.getByText("line 5, column 3").click();
  assert.equal(await page.evaluate(() => document.activeElement.value.slice(0, document.activeElement.selectionStart).split("\n").length), 5);
  await page.click("#apply");
  await shows(page, ".findings li", "did you mean `hostname`?");
  await page.fill("#script", script.replace("'10s'", "'5s'"));
  await page.click("#apply");
  await shows(page, ".toast", "Version 2 was saved, and the job runs by it.");
  const { script: saved, ...rest } = sent(mock, "PUT", path(NAME)).body;
  assert.match(saved, /'password' = '\*{6}'/);
  assert.deepEqual(rest, { after: 1, apply: true, note: "" });
});

test("two_versions_are_compared_line_by_line", async (t) => {
  const { page, mock } = await open(t, { at: "#/" });
  const first = mock.versionsOf(NAME)[0];
  mock.versionsOf(NAME).unshift({ ...first, number: 2, script: first.script.replace("'10s'", "'5s'") });
  mock.jobs.get(NAME).version = 2;
  await page.goto(mock.url + link(NAME, "configuration"));
  await page.waitForSelector("#beside option[value='1']", { state: "attached" });
  await page.selectOption("#beside", "1");
  await shows(page, ".diff del", "'10s'");
  await shows(page, ".diff ins", "'5s'");
  assert.equal(await page.locator(".diff ins").count(), 1);
});

test("a_version_that_somebody_else_saved_meanwhile_is_not_overwritten", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME, "configuration") });
  await page.click("#edit");
  await page.fill("#script", "mine");
  mock.versionsOf(NAME).unshift({ ...mock.versionsOf(NAME)[0], number: 2, script: "theirs" });
  await page.click("#save");
  await shows(page, ".trouble", "Somebody else saved a version meanwhile");
  assert.equal(await page.inputValue("#script"), "mine");
});

test("the_strategy_of_later_starts_is_changed_on_its_own", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME, "configuration") });
  await page.getByText("Starts from: Latest").click();
  await page.locator("dialog input[value=earliest]").check();
  await page.click("dialog button[type=submit]");
  await page.getByText("Starts from: Earliest").waitFor();
  assert.deepEqual(sent(mock, "PUT", path(NAME)).body, { strategy: "earliest" });
});

test("a_job_is_submitted_from_a_file_with_its_errors_shown_at_their_place_first", async (t) => {
  const { page, mock } = await open(t);
  await page.getByRole("button", { name: "Submit a job" }).click();
  const script = world.scriptOf("emp");
  await page.setInputFiles("dialog input[type=file]", { name: "emp.sql", mimeType: "text/plain", buffer: Buffer.from(script.replace("'hostname'", "'hostnam'")) });
  await page.waitForFunction(() => document.getElementById("script").value.includes("hostnam"));
  await page.click("#check");
  await shows(page, ".findings li", "line 5, column 3");
  await shows(page, ".findings pre", "'hostnam'");
  await shows(page, ".gutter .wrong", "5");
  await page.click("dialog button[type=submit]");
  await shows(page, ".findings li", "line 5, column 3");
  await page.fill("#script", script);
  await page.fill("#submit-name", "retail/orders/new");
  await page.click("dialog button[type=submit]");
  await shows(page, "h1", "retail/orders/new");
  const { script: given, ...rest } = sent(mock, "POST", "jobs").body;
  assert.equal(given, script);
  assert.deepEqual(rest, { lenient: false, file: "emp.sql", start: true, strategy: "latest", note: "", name: "retail/orders/new" });
  await shows(page, ".row.selected", "new");
});

test("the_charts_take_what_the_stream_brings", async (t) => {
  const { page, mock } = await open(t, { jobs: [world.job(NAME, { state: "snapshotting" })], at: link(NAME) });
  await shows(page, ".empty", "No samples yet");
  const sample = { ...world.samples(Date.now(), 10, true).at(-1), streamed_per_second: 4321, snapshot_share: 0.37 };
  mock.tell("sample", sample, null, NAME);
  await shows(page, ".legend", "4,321/s");
  // They are drawn behind their legend.
  await page.locator(".chart canvas").nth(3).waitFor();
  assert.equal(await page.locator(".chart canvas").count(), 4);
  await shows(page, "#reading", "37%");
  await shows(page, "#reading", "12 min 34 s left");
  assert.match(await page.locator(".plot").first().getAttribute("aria-label"), /streamed: 4,321\/s/);
});

test("the_page_speaks_chinese_when_told_or_when_the_browser_does", async (t) => {
  const { page } = await open(t, { at: link(NAME), context: { locale: "zh-CN" } });
  await shows(page, ".tabs", "快照");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-CN");
  await page.click("#do-smart");
  await shows(page, "dialog", "若保存点失败，作业继续运行");
  await page.keyboard.press("Escape");
  await page.selectOption(".language select", "en");
  await shows(page, ".tabs", "Snapshots");
  await page.reload();
  await shows(page, ".tabs", "Snapshots");
});

test("colours_follow_the_system_until_one_chooses", async (t) => {
  const { page } = await open(t, { context: { colorScheme: "dark" } });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByRole("button", { name: "Change colours to: light" }).click();
  assert.notEqual(await ground(), dark);
  await page.getByRole("button", { name: "Change colours to: dark" }).click();
  assert.equal(await ground(), dark);
});

test("on_a_phone_nothing_is_wider_than_the_screen", async (t) => {
  const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
  const { page, mock } = await open(t, { jobs: [...world.many(300), world.job(NAME, { name: NAME, state: "snapshotting" })], context: phone });
  mock.samples = world.samples(Date.now(), 600, true);
  mock.output = [{ number: 1, text: `shop.emp> +I[${"long ".repeat(60)}]` }];
  const pages = ["#/", "#/jobs", "#/events", ...["overview", "snapshots", "tables", "events", "output", "configuration"].map((tab) => link(NAME, tab))];
  for (const at of pages) {
    await page.goto(mock.url + at);
    await page.waitForSelector(at === "#/jobs" ? ".row" : "main h1");
    await page.waitForFunction(() => !document.querySelector("main .empty")?.innerText.startsWith("Loading"));
    const wide = await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector("main").scrollWidth));
    assert.ok(wide <= 360, `${at} is ${wide} wide`);
  }
  await page.goto(`${mock.url}#/jobs`);
  await page.fill("#search", "ledger");
  await page.locator(".row.job").first().click();
  await shows(page, "h1", "finance/ledger");
});

test("axe_finds_nothing_on_any_page_in_either_colour", async (t) => {
  const source = await axe();
  for (const colorScheme of ["light", "dark"]) {
    await t.test(colorScheme, async (t) => {
      const { page, mock } = await open(t, { jobs: [...world.many(60), world.job(NAME, { tables_quarantined: 1 })], context: { colorScheme } });
      mock.samples = world.samples(Date.now());
      mock.output = [{ number: 1, text: "shop.emp> +I[1, cai]" }, { number: 2, text: "shop.emp> -D[1, cai]" }];
      // A script put in by an address is what the page's policy refuses; a debugger may.
      const look = async (what) => {
        await page.waitForFunction(() => !document.querySelector("main .empty")?.innerText.startsWith("Loading"));
        await page.evaluate(source);
        const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
        assert.deepEqual(violations.map((one) => `${what}: ${one.id}: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`), []);
      };
      for (const at of ["#/", "#/events", ...["overview", "snapshots", "tables", "events", "output", "configuration"].map((tab) => link(NAME, tab))]) {
        await page.goto(mock.url + at);
        await page.waitForSelector("main h1");
        await look(at);
      }
      await page.goto(mock.url + link(NAME));
      mock.savepointError = "the sink is slow";
      await act(page, "smart");
      await page.waitForSelector("dialog .trouble");
      await look("smart stop");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Submit a job" }).click();
      await page.fill("#script", "'hostnam'");
      await page.click("#check");
      await page.waitForSelector(".told");
      await look("submit");
    });
  }
});
