// The page's pure parts, without a browser.

import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { UI } from "./mock.mjs";
import { many } from "./world.mjs";

const { default: en } = await import(join(UI, "words/en.js"));
const { default: zh } = await import(join(UI, "words/zh.js"));
const tree = await import(join(UI, "tree.js"));
const route = await import(join(UI, "route.js"));
const { Parser } = await import(join(UI, "stream.js"));

async function sources() {
  const names = (await readdir(UI, { recursive: true })).filter((name) => /\.(js|css|html)$/.test(name));
  return Promise.all(names.map(async (name) => ({ name, text: await readFile(join(UI, name), "utf8") })));
}
const ours = async () => (await sources()).filter(({ name }) => !/^(vendor|words)\//.test(name));

test("every_language_has_the_same_strings_with_the_same_places_in_them", () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const key of Object.keys(en)) {
    const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
    assert.deepEqual(places(zh[key]), places(en[key]), key);
    assert.ok(zh[key].trim(), key);
  }
});

test("every_string_that_the_page_asks_for_exists", async () => {
  const text = (await ours()).map((one) => one.text).join("\n");
  const asked = [...text.matchAll(/\bt\(\s*"([^"]+)"/g)].map(([, key]) => key);
  assert.ok(asked.length > 150, `only ${asked.length} are asked for`);
  assert.deepEqual(asked.filter((key) => !(key in en)), []);
  // Those whose end is computed: of each family there is one at least.
  for (const [, family] of text.matchAll(/\bt\(`([a-z]+)\.\$\{/g)) {
    assert.ok(Object.keys(en).some((key) => key.startsWith(`${family}.`)), family);
  }
});

test("no_string_is_left_over", async () => {
  const text = (await ours()).map((one) => one.text).join("\n");
  const families = [...text.matchAll(/`([a-z]+\.)\$\{/g)].map(([, family]) => family);
  const unused = Object.keys(en).filter((key) =>
    !text.includes(`"${key}"`) && !text.includes(`"${key.replace(/\.one$/, "")}"`) && !families.some((family) => key.startsWith(family)));
  assert.deepEqual(unused, []);
});

test("every_state_of_the_api_has_a_name_in_the_list_of_states", async () => {
  const rust = await readFile(join(UI, "../src/api/job.rs"), "utf8");
  const names = [...rust.split("pub fn name(self)")[1].split("}\n    }")[0].matchAll(/=> "(\w+)"/g)].map(([, name]) => name);
  assert.equal(names.length, 11);
  assert.deepEqual([...tree.STATES].sort(), names.sort());
  for (const name of names) assert.ok(en[`state.${name}`], name);
});

test("the_page_loads_nothing_from_elsewhere_and_has_no_inline_code", async () => {
  for (const { name, text } of await sources()) {
    const found = text.match(/(?:src|href|from|import)\s*[=(]?\s*["'](?:https?:)?\/\/[^"']+/);
    assert.equal(found, null, name);
    assert.doesNotMatch(text, /\beval\(|new Function\(/, name);
  }
  const html = await readFile(join(UI, "index.html"), "utf8");
  assert.doesNotMatch(html, /<style|style=|<script>|\son\w+=/);
});

test("the_whole_page_is_below_400_kilobytes", async () => {
  const names = await readdir(UI, { recursive: true });
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(UI, name))).size));
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(whole < 400_000, `${whole} bytes`);
});

test("no_file_of_the_page_is_longer_than_500_lines", async () => {
  for (const { name, text } of await ours()) assert.ok(text.split("\n").length <= 500, name);
});

test("events_are_whole_however_the_stream_is_cut", () => {
  const text = ": hello\r\n\r\nevent: jobs\ndata: [1,\ndata: 2]\n\nid: 7\nevent: event\r\ndata: {}\r\n\r\ndata: last\n\n";
  const expected = [
    { event: "jobs", data: "[1,\n2]", id: null },
    { event: "event", data: "{}", id: "7" },
    { event: "message", data: "last", id: "7" },
  ];
  for (let size = 1; size <= text.length; size += 1) {
    const told = [];
    const parser = new Parser((one) => told.push(one));
    for (let at = 0; at < text.length; at += size) parser.push(text.slice(at, at + size));
    assert.deepEqual(told, expected, `in pieces of ${size}`);
  }
});

test("the_tree_of_2000_jobs_holds_each_once_below_its_folders", () => {
  const jobs = many(2000);
  const rows = tree.rowsOf(jobs, () => true);
  assert.equal(rows.filter((row) => row.kind === "job").length, 2000);
  assert.equal(rows.find((row) => row.path === "retail").total, 600);
  assert.equal(rows[tree.parentAt(rows, rows.findIndex((row) => row.key.startsWith("finance/billing/eu/sync")))].path, "finance/billing/eu");
  assert.deepEqual(tree.matching(jobs, "BILLING 1004", new Set()).map((job) => job.name), ["finance/billing/eu/sync_1004"]);
});

test("an_address_of_a_job_keeps_every_character_of_its_name", () => {
  for (const name of ["retail/orders/emp", "a b/100%/ü#?&", "订单/员工"]) {
    assert.deepEqual(route.parse(route.jobLink(name, "snapshots")), { page: "job", job: name, tab: "snapshots", below: undefined });
  }
  assert.deepEqual(route.parse("#/job/%E0%A4%A/x"), { page: "overview" });
});
