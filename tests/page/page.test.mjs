// What the page promises, clicked in a browser against the stand-in daemon.

import assert from "node:assert/strict";
import test from "node:test";
import { act, link, NAME, open, path, sent, shows, withBrowser } from "./scene.mjs";
import * as world from "./world.mjs";

withBrowser();

test("a_job_among_2000_is_found_by_typing_within_seconds", async (t) => {
  const { page } = await open(t, { jobs: world.many(2000) });
  await shows(page, ".found", "2,000 jobs");
  const begun = performance.now();
  await page.keyboard.press("/");
  await page.keyboard.type("ledger 1373");
  await page.waitForSelector(".row.job");
  await page.keyboard.press("Enter");
  await shows(page, "h1", "sync_1373");
  const took = performance.now() - begun;
  t.diagnostic(`found in ${Math.round(took)} ms`);
  assert.equal(await page.evaluate(() => location.hash), "#/job/finance%2Fledger%2Fsync_1373");
});

test("of_2000_jobs_only_the_rows_in_sight_are_in_the_document", async (t) => {
  const { page } = await open(t, { jobs: world.many(2000) });
  await page.fill("#search", "sync");
  await shows(page, ".found", "2,000 of 2,000 jobs");
  assert.ok((await page.locator(".row").count()) < 80);
  await page.focus("#tree");
  await page.keyboard.press("End");
  await shows(page, ".row.active", "sync_1992");
  assert.ok((await page.locator(".row").count()) < 80);
});

test("a_state_narrows_the_tree_and_each_state_shows_its_count", async (t) => {
  const { page } = await open(t, { jobs: world.many(2000) });
  const failed = page.locator(".tree .chip", { hasText: "failed" });
  const count = Number((await failed.locator(".count").innerText()).replace(",", ""));
  await failed.click();
  await shows(page, ".found", `${count} of 2,000 jobs`);
  assert.equal(await failed.getAttribute("aria-pressed"), "true");
  await failed.click();
  await shows(page, ".found", "2,000 jobs");
});

test("the_tree_is_walked_by_keys_alone", async (t) => {
  const { page } = await open(t, { jobs: world.many(2000) });
  await page.waitForSelector(".row");
  await page.focus("#tree");
  for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight"]) await page.keyboard.press(key);
  const active = () => page.evaluate(() => {
    const row = document.getElementById(document.getElementById("tree").getAttribute("aria-activedescendant"));
    return `${row.getAttribute("aria-level")} ${row.title}`;
  });
  assert.equal(await active(), "3 finance/billing/eu");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  assert.equal(await active(), "4 finance/billing/eu/sync_0004");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await active(), "3 finance/billing/eu");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await shows(page, "h1", "finance/billing/eu/sync_0004");
});

test("a_deep_link_opens_the_tab_of_the_job_with_its_folder_unfolded", async (t) => {
  const { page } = await open(t, { jobs: [...world.many(200), world.job(NAME)], at: link(NAME, "snapshots", "summary") });
  await shows(page, ".tabs a[aria-current=page]", "Snapshots");
  await shows(page, ".tabs a[aria-current=page]", "Summary");
  await shows(page, ".row.selected", "emp");
});

test("each_button_says_in_a_sentence_what_it_will_do_and_then_does_it", async (t) => {
  const deeds = [
    ["savepoint", "streaming", "savepoints", { note: "for the release" }, "Savepoint #361 was taken"],
    ["pause", "streaming", "pause", { note: "for the release" }, "paused, by savepoint #361"],
    ["smart", "streaming", "stop", { kind: "smart", note: "for the release" }, "stopped, by savepoint #361"],
    ["stop-savepoint", "streaming", "stop", { kind: "savepoint", note: "for the release" }, "stopped, by savepoint #361"],
    ["cancel", "streaming", "stop", { kind: "cancel" }, "cancelled"],
    ["resume", "paused", "resume", {}, "resumes"],
  ];
  for (const [id, state, below, body, told] of deeds) {
    await t.test(id, async (t) => {
      const { page, mock } = await open(t, { jobs: [world.job(NAME, { state })], at: link(NAME) });
      await act(page, id, async (dialog) => {
        assert.match(await dialog.innerText(), /(Takes|Ends|Starts)[^.]+\./);
        if (body.note) await dialog.getByLabel("Note").fill(body.note);
      });
      await shows(page, ".toast", told);
      assert.deepEqual(sent(mock, "POST", path(NAME, below)).body, body);
      assert.equal(await page.locator("dialog").count(), 0);
      await page.waitForFunction(() => document.activeElement !== document.body, null, {});
    });
  }
});

test("a_start_begins_where_one_says_for_that_start_alone", async (t) => {
  const { page, mock } = await open(t, { jobs: [world.job(NAME, { state: "stopped" })], at: link(NAME) });
  for (const [way, from] of [["earliest", "earliest"], ["none", "none"], ["custom", { custom: "17" }], ["latest", "latest"]]) {
    mock.change(NAME, { state: "stopped" });
    await page.waitForSelector("#do-start[aria-disabled=false]");
    await act(page, "start", async (dialog) => {
      assert.ok(await dialog.locator("input[value=latest]").isChecked(), "the job's own strategy comes first");
      await dialog.locator(`input[value=${way}]`).check();
      if (way === "custom") await dialog.getByLabel("Id of a snapshot").fill("17");
    });
    await page.waitForSelector("dialog", { state: "detached" });
    assert.deepEqual(sent(mock, "POST", path(NAME, "start")).body, { from, allow_fallback: false });
  }
});

test("a_smart_stop_whose_savepoint_fails_says_that_the_job_runs_on_and_why", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME) });
  mock.savepointError = "the sink did not prepare within 600 s";
  await act(page, "smart");
  await shows(page, "dialog .trouble strong", "No savepoint was taken. The job runs on.");
  await shows(page, "dialog .trouble", "the sink did not prepare within 600 s");
  assert.equal(await page.locator("dialog .trouble").getAttribute("role"), "alert");
  mock.change(NAME, { savepoint_error: mock.savepointError });
  await page.locator("dialog footer button").first().click();
  await shows(page, ".standing", "streaming");
  await shows(page, ".job > .trouble", "The last savepoint failed; the job ran on");
});

test("a_dialog_does_its_deed_once_however_often_it_is_clicked_and_gives_the_focus_back", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME) });
  let release;
  mock.gate = new Promise((done) => (release = done));
  await page.click("#do-savepoint");
  await page.waitForSelector("dialog[open]");
  await page.locator("dialog button[type=submit]").dblclick();
  await page.waitForSelector("dialog[aria-busy=true]");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog[open]").count(), 1, "what is under way is not hidden");
  release();
  await page.waitForSelector("dialog", { state: "detached" });
  const posts = mock.requests.filter((one) => one.method === "POST");
  assert.equal(posts.length, 1);
  assert.match(posts[0].headers["idempotency-key"], /^[0-9a-f]{32}$/);
  await page.waitForFunction(() => document.activeElement.id === "do-savepoint");
});

test("what_got_no_answer_is_sent_again_under_the_same_key_and_what_was_refused_under_another", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME) });
  await page.route("**/savepoints", (route) => route.abort(), { times: 1 });
  const keys = [];
  page.on("request", (one) => one.url().endsWith("/savepoints") && keys.push(one.headers()["idempotency-key"]));
  await act(page, "savepoint");
  await shows(page, "dialog .trouble", "Whether it was done is not known");
  mock.savepointError = "the sink is slow";
  await page.click("dialog button[type=submit]");
  await shows(page, "dialog .trouble", "the sink is slow");
  mock.savepointError = null;
  await page.click("dialog button[type=submit]");
  await shows(page, ".toast", "was taken");
  assert.equal(keys[0], keys[1]);
  assert.notEqual(keys[1], keys[2]);
});

test("a_job_is_deleted_with_its_snapshots_only_when_its_name_is_typed", async (t) => {
  const { page, mock } = await open(t, { at: link("lab/idle") });
  await act(page, "delete", async (dialog) => {
    await dialog.getByLabel("Remove its checkpoints").check();
    assert.ok(await dialog.locator("button[type=submit]").isDisabled());
    await dialog.getByLabel("type the job's name").fill("idle");
  });
  await shows(page, ".toast", "lab/idle was deleted");
  assert.equal(sent(mock, "DELETE", path("lab/idle")).query, "?snapshots=true");
  await shows(page, ".found", "1 job");
});

test("a_viewer_sees_everything_and_no_button_that_acts", async (t) => {
  const { page } = await open(t, { role: "viewer", token: "t", live: false });
  await page.getByLabel("Token").fill("t");
  await page.click("button[type=submit]");
  await page.waitForSelector(".live.on");
  for (const tab of ["overview", "snapshots", "tables", "events", "output", "configuration"]) {
    await page.goto(page.url().split("#")[0] + link(NAME, tab));
    await shows(page, ".tabs a[aria-current=page]", new RegExp(tab, "i"));
    await shows(page, ".viewer", "change nothing");
    const acting = page.locator("main button:not(.chip)");
    for (const text of await acting.allInnerTexts()) assert.match(text, /Pause scrolling|more|Older/);
  }
  assert.equal(await page.locator("header.top .primary").count(), 0);
});

test("a_token_is_asked_for_kept_in_the_tab_alone_and_in_the_browser_only_on_request", async (t) => {
  const { page, mock } = await open(t, { token: "right", live: false });
  const kept = () => page.evaluate(() => [sessionStorage.getItem("seachange.token"), localStorage.getItem("seachange.token")]);
  await page.getByLabel("Token").fill("wrong");
  await page.click("button[type=submit]");
  await shows(page, ".trouble", "does not know this token");
  assert.deepEqual(await kept(), [null, null]);
  await page.getByLabel("Token").fill("right");
  await page.click("button[type=submit]");
  await shows(page, ".who", "ops");
  assert.deepEqual(await kept(), ["right", null]);
  await page.getByText("Sign out").click();
  await page.getByLabel("Token").fill("right");
  await page.getByLabel("Keep it").check();
  await page.click("button[type=submit]");
  await page.waitForSelector(".live.on");
  assert.deepEqual(await kept(), [null, "right"]);
  // One that is revoked: the page asks anew.
  mock.token = "another";
  mock.cutStreams();
  await page.getByLabel("Token").waitFor();
});

test("what_happens_is_shown_at_once_and_read_out", async (t) => {
  const { page, mock } = await open(t, { at: link(NAME) });
  await shows(page, ".standing", "streaming");
  mock.change(NAME, { state: "failed", reason: "access denied", error: "access denied" });
  await shows(page, ".standing", "failed");
  await shows(page, ".standing .reason", "access denied");
  await shows(page, "#said", `${NAME} is failed now: access denied`);
  await shows(page, ".tree .chip", "failed");
  mock.submit({ script: "x", name: "lab/new" }, { headers: { "idempotency-key": "0".repeat(32) } });
  await shows(page, ".row", "new");
  mock.forget("lab/idle");
  await page.locator(".row", { hasText: "idle" }).waitFor({ state: "detached" });
});

test("an_address_of_a_job_that_is_gone_says_so_and_the_page_stays_live", async (t) => {
  const { page, mock } = await open(t, { at: link("no/such/job") });
  await shows(page, ".trouble", "There is no such job");
  mock.change(NAME, { state: "failed" });
  await shows(page, ".tree .chip", "failed");
});

test("a_lost_stream_is_said_and_what_was_missed_is_asked_for_with_since", async (t) => {
  const { page, mock } = await open(t, { at: "#/events" });
  await page.waitForSelector(".events li");
  const newest = mock.events[0].id;
  mock.cutStreams();
  await page.waitForSelector(".live.lost");
  mock.happen({ kind: "alert", job: NAME, text: "while nobody listened" });
  await page.waitForSelector(".live.on");
  await shows(page, ".events li", "while nobody listened");
  assert.match(mock.requests.filter((one) => one.path === "/api/v1/stream").at(-1).query, new RegExp(`since=${newest}`));
});
