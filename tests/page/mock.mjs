// A stand-in for the daemon: answers as docs/api.md says, and takes nothing that the API would not take.
// What it had to refuse for its shape is kept in `faults`: a test that leaves one there fails.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import * as world from "./world.mjs";

export const UI = join(dirname(fileURLToPath(import.meta.url)), "../../engine/ui");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Fields of each request: `!` must be there. As `deny_unknown_fields` of engine/src/api/wish.rs.
const WISHES = {
  submit: ["script!", "file", "name", "lenient", "start", "strategy", "note"],
  validate: ["script!", "file", "lenient", "job"],
  update: ["script", "after", "strategy", "apply", "note"],
  start: ["from", "allow_fallback", "resnapshot"],
  stop: ["kind!", "note"],
  pause: ["note"],
  resume: [],
  savepoint: ["note"],
  restore: ["snapshot!"],
  tables: ["tables!"],
};
const KINDS = {
  script: "string", file: "string", name: "string", lenient: "boolean", start: "boolean", note: "string", job: "string", after: "number",
  apply: "boolean", allow_fallback: "boolean", snapshot: "string",
};
const ONE_OF = { strategy: ["latest", "earliest", "none"], kind: ["smart", "savepoint", "cancel"] };

class Refusal {
  constructor(status, detail, type = "about:blank", more = {}) {
    Object.assign(this, { status, body: { type, title: "refused", status, detail, ...more } });
  }
}

export class Mock {
  constructor({ jobs = [], token = null, role = "operator" } = {}) {
    this.jobs = new Map(jobs.map((one) => [one.name, one]));
    this.versions = new Map();
    this.token = token;
    this.role = role;
    this.faults = [];
    this.requests = [];
    this.streams = new Set();
    this.events = jobs.length ? world.events(jobs.map((one) => one.name).slice(0, 20)) : [];
    this.snapshots = world.snapshots();
    this.tables = world.tables();
    this.output = [];
    this.samples = [];
    /** Why savepoints fail; null: they do not. */
    this.savepointError = null;
    /** Held back until it is resolved. */
    this.gate = Promise.resolve();
  }

  async listen() {
    this.server = createServer((request, response) => this.answer(request, response));
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  async close() {
    for (const one of this.streams) one.response.destroy();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  // What happens of itself.

  change(name, changes) {
    const one = Object.assign(this.jobs.get(name), { since_ms: Date.now() }, changes);
    this.tell("jobs", [world.summaryOf(one)]);
    if (changes.state) this.happen({ kind: "state", job: name, state: one.state, text: one.reason });
    return one;
  }

  happen(event) {
    const whole = { id: (this.events[0]?.id || 0) + 1, at_ms: Date.now(), ...event };
    this.events.unshift(whole);
    this.tell("event", whole, whole.id);
  }

  print(name, ...texts) {
    for (const text of texts) {
      const line = { number: this.output.length + 1, text };
      this.output.push(line);
    }
    this.tell("output", this.output.slice(-texts.length), null, name);
  }

  tell(event, value, id, job) {
    for (const one of this.streams) {
      if (job && one.job !== job) continue;
      one.response.write(`event: ${event}\n${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(value)}\n\n`);
    }
  }

  cutStreams() {
    for (const one of this.streams) one.response.destroy();
  }

  // How it answers.

  async answer(request, response) {
    const url = new URL(request.url, "http://daemon");
    let body = "";
    for await (const part of request) body += part;
    this.requests.push({ method: request.method, path: url.pathname, query: url.search, headers: request.headers, body: body && JSON.parse(body) });
    try {
      if (!url.pathname.startsWith("/api/v1/")) return await this.file(url.pathname, response);
      const found = await this.api(request, url, body, response);
      if (found === STREAM) return undefined;
      const [status, value] = Array.isArray(found) ? found : [200, found];
      if (status === 204) return response.writeHead(204).end();
      return response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (refusal.status === 400) this.faults.push(`${request.method} ${request.url}: ${refusal.body.detail}`);
      return response.writeHead(refusal.status, { "Content-Type": "application/problem+json" }).end(JSON.stringify(refusal.body));
    }
  }

  async file(path, response) {
    const name = normalize(path === "/" ? "/index.html" : path);
    try {
      const bytes = await readFile(join(UI, name));
      response.writeHead(200, { "Content-Type": TYPES[extname(name)] || "text/plain", "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff" });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }

  async api(request, url, body, response) {
    if (this.token && request.headers.authorization !== `Bearer ${this.token}`) throw new Refusal(401, "no token, or one that is not known");
    const parts = url.pathname.slice("/api/v1/".length).split("/").map(decodeURIComponent);
    const route = this.routeOf(request.method, parts);
    if (!route) throw new Refusal(400, "no such route");
    if (!route.open && this.role !== "operator" && request.method !== "GET") throw new Refusal(403, "a viewer may not do this");
    this.checkQuery(url, route.query || []);
    const wish = route.wish ? this.checkBody(request, body, route.wish) : undefined;
    if (route.job && !this.jobs.has(route.job)) throw new Refusal(404, `there is no job \`${route.job}\``);
    await this.gate;
    return route.run(wish, url.searchParams, request, response);
  }

  checkQuery(url, known) {
    for (const key of url.searchParams.keys()) {
      if (!known.includes(key)) throw new Refusal(400, `query \`${key}\` does not exist`);
    }
  }

  checkBody(request, body, kind) {
    if (request.headers["content-type"] !== "application/json") throw new Refusal(400, "the body is not application/json");
    const wish = JSON.parse(body);
    const known = WISHES[kind].map((field) => field.replace("!", ""));
    for (const [field, value] of Object.entries(wish)) {
      if (!known.includes(field)) throw new Refusal(400, `field \`${field}\` does not exist in ${kind}`);
      if (KINDS[field] && typeof value !== KINDS[field]) throw new Refusal(400, `field \`${field}\` is no ${KINDS[field]}`);
      if (ONE_OF[field] && !ONE_OF[field].includes(value)) throw new Refusal(400, `field \`${field}\` is \`${value}\``);
    }
    for (const field of WISHES[kind].filter((one) => one.endsWith("!"))) {
      if (!(field.slice(0, -1) in wish)) throw new Refusal(400, `field \`${field.slice(0, -1)}\` is missing`);
    }
    if (kind === "start" && wish.from !== undefined && !["latest", "earliest", "none"].includes(wish.from) &&
      !(typeof wish.from === "object" && typeof wish.from.custom === "string" && Object.keys(wish.from).length === 1)) {
      throw new Refusal(400, "`from` is no place to begin");
    }
    if (kind === "tables" && !(Array.isArray(wish.tables) && wish.tables.length >= 1 && wish.tables.length <= 1000)) throw new Refusal(400, "`tables` is no list");
    return wish;
  }

  routeOf(method, [first, name, below, last]) {
    const key = `${method} ${[first, name && "JOB", below, last && (below === "versions" ? "N" : last)].filter(Boolean).join("/")}`;
    const at = (run, more = {}) => ({ run, job: name, ...more });
    const detail = () => this.jobs.get(name);
    const table = at((wish) => this.changed(name, {}, wish), { wish: "tables" });
    const edit = at((wish) => ({ job: Object.assign(detail(), { version: detail().version + 1 }), applied: true, changed: true, wish }), { wish: "tables" });
    return {
      "GET info": { run: () => ({ version: "0.7.0", started_at_ms: world.NOW - 86400e3, ...(this.token ? { token: "ops" } : {}), role: this.role, needs_token: !!this.token, jobs: {} }) },
      "GET jobs": { run: (_, query) => this.list(query), query: ["search", "state", "folder", "limit", "after"] },
      "POST jobs": { run: (wish, _, request) => this.submit(wish, request), wish: "submit" },
      "POST validate": { run: (wish) => this.validated(wish), wish: "validate", open: true },
      "GET events": { run: (_, query) => this.happened(query), query: ["limit", "before", "kind"] },
      "GET stream": { run: (_, query, request, response) => this.stream(query, request, response), query: ["job", "since"] },
      "GET jobs/JOB": at(detail),
      "PUT jobs/JOB": at((wish) => this.update(name, wish), { wish: "update" }),
      "DELETE jobs/JOB": at(() => this.forget(name), { query: ["snapshots"] }),
      "POST jobs/JOB/start": at(() => this.changed(name, { state: "streaming", reason: "every table follows the binlog" }), { wish: "start" }),
      "POST jobs/JOB/resume": at(() => this.changed(name, { state: "streaming", reason: "resumed" }), { wish: "resume" }),
      "POST jobs/JOB/stop": at((wish) => this.stop(name, wish), { wish: "stop" }),
      "POST jobs/JOB/pause": at(() => this.halt(name, "paused"), { wish: "pause" }),
      "POST jobs/JOB/savepoints": at((wish) => [201, this.savepoint(wish.note)], { wish: "savepoint" }),
      "POST jobs/JOB/restore": at((wish) => this.changed(name, { state: "streaming", reason: `restored from ${wish.snapshot}` }), { wish: "restore" }),
      "GET jobs/JOB/snapshots": at(() => this.snapshotList()),
      "GET jobs/JOB/events": at((_, query) => this.happened(query, name), { query: ["limit", "before", "kind"] }),
      "GET jobs/JOB/output": at(() => ({ lines: this.output.slice(-500), next: this.output.length, dropped: 0 }), { query: ["after", "limit"] }),
      "GET jobs/JOB/samples": at(() => ({ period_ms: 2000, samples: this.samples }), { query: ["after_ms"] }),
      "GET jobs/JOB/tables": at(() => ({ tables: this.tables })),
      "POST jobs/JOB/tables/resnapshot": table,
      "POST jobs/JOB/tables/release": table,
      "POST jobs/JOB/tables/add": edit,
      "POST jobs/JOB/tables/drop": edit,
      "GET jobs/JOB/versions": at(() => ({ versions: this.versionsOf(name).map(({ script, ...rest }) => rest) })),
      "GET jobs/JOB/versions/N": at(() => this.version(name, Number(last))),
    }[key];
  }

  list(query) {
    const limit = Number(query.get("limit") || 1000);
    const after = query.get("after");
    const all = [...this.jobs.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).filter((one) => !after || one.name > after);
    const page = all.slice(0, limit);
    return { jobs: page.map(world.summaryOf), counts: {}, total: this.jobs.size, next: all.length > limit ? page[page.length - 1].name : null };
  }

  happened(query, name) {
    const before = Number(query.get("before") || Infinity);
    const kinds = query.getAll("kind");
    const all = this.events.filter((one) => one.id < before && (!name || one.job === name) && (!kinds.length || kinds.includes(one.kind)));
    const events = all.slice(0, Number(query.get("limit") || 100));
    return { events, next: all.length > events.length ? events[events.length - 1].id : null };
  }

  stream(query, request, response) {
    if (query.has("job") && !this.jobs.has(query.get("job"))) throw new Refusal(404, "no such job");
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write(": here\n\n");
    const one = { response, job: query.get("job") };
    this.streams.add(one);
    response.on("close", () => this.streams.delete(one));
    const since = Number(query.get("since") || Infinity);
    for (const event of this.events.filter((event) => event.id > since).reverse()) {
      response.write(`event: event\nid: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
    }
    return STREAM;
  }

  changed(name, changes) {
    return changes.state ? this.change(name, changes) : this.jobs.get(name);
  }

  savepoint(note) {
    if (this.savepointError) throw new Refusal(503, this.savepointError, "/problems/savepoint-failed", { title: "no savepoint was taken; the job runs on" });
    const one = { ...world.snapshots(1)[0], id: this.snapshots[0].id + 1, kind: "savepoint", trigger: "requested", note: note || null };
    this.snapshots = [one, ...this.snapshots];
    return one;
  }

  halt(name, state) {
    const savepoint = this.savepoint();
    return { job: this.change(name, { state, reason: `by savepoint ${savepoint.id}`, savepoint_error: null }), savepoint };
  }

  stop(name, { kind }) {
    if (kind === "cancel") return { job: this.change(name, { state: "stopped", reason: "cancelled by ops" }), savepoint: null };
    return this.halt(name, "stopped");
  }

  forget(name) {
    this.jobs.delete(name);
    this.happen({ kind: "audit", job: name, text: "deleted it", by: "ops" });
    this.tell("gone", [name]);
    return [204];
  }

  validated({ script }) {
    const errors = this.errorsOf(script);
    return { valid: errors.length === 0, name: errors.length ? null : "emp", source: "db1.retail.example:3306", sinks: ["print"], errors, notes: [] };
  }

  errorsOf(script) {
    const lines = script.split("\n");
    const at = lines.findIndex((line) => line.includes("hostnam'"));
    if (at < 0) return [];
    const column = lines[at].indexOf("'") + 1;
    return [{ message: "there is no option `hostnam`; did you mean `hostname`?", line: at + 1, column, excerpt: `${lines[at]}\n${" ".repeat(column - 1)}^` }];
  }

  submit(wish, request) {
    if (!/^[0-9a-f]{32}$/.test(request.headers["idempotency-key"] || "")) throw new Refusal(400, "no Idempotency-Key: a submission must not be done twice");
    const errors = this.errorsOf(wish.script);
    if (errors.length) throw new Refusal(422, "the script is wrong", "/problems/script", { errors });
    const name = wish.name || "emp";
    if (this.jobs.has(name)) throw new Refusal(409, `there is a job \`${name}\` with another script`, "/problems/in-the-way");
    const one = world.job(name, { state: wish.start ? "starting" : "created", strategy: wish.strategy });
    this.jobs.set(name, one);
    this.tell("jobs", [world.summaryOf(one)]);
    this.happen({ kind: "audit", job: name, text: "submitted it", by: "ops" });
    return [201, one];
  }

  versionsOf(name) {
    if (!this.versions.has(name)) {
      this.versions.set(name, [{ number: 1, at_ms: world.NOW - 86400e3, by: "ops", note: "", script: world.scriptOf(name), lenient: false }]);
    }
    return this.versions.get(name);
  }

  version(name, number) {
    const one = this.versionsOf(name).find((version) => version.number === number);
    if (!one) throw new Refusal(404, "no such version");
    return one;
  }

  update(name, wish) {
    const one = this.jobs.get(name);
    if (wish.strategy) one.strategy = wish.strategy;
    const versions = this.versionsOf(name);
    if (wish.script === undefined) return { job: one, applied: false, changed: true };
    if (wish.after !== undefined && wish.after !== versions[0].number) throw new Refusal(409, `version ${versions[0].number} was saved meanwhile`, "/problems/outdated");
    const errors = this.errorsOf(wish.script);
    if (errors.length) throw new Refusal(422, "the script is wrong", "/problems/script", { errors });
    if (wish.apply) this.savepoint();
    if (wish.script === versions[0].script) return { job: one, applied: false, changed: false };
    versions.unshift({ number: versions[0].number + 1, at_ms: Date.now(), by: "ops", note: wish.note || "", script: wish.script, lenient: false });
    one.version = versions[0].number;
    return { job: one, applied: !!wish.apply, changed: true };
  }

  snapshotList() {
    return {
      snapshots: this.snapshots,
      summary: { checkpoints: 10, savepoints: 2, unreadable: 1, duration_ms: { min: 18, mean: 44, max: 77 }, size_bytes: { min: 4211, mean: 4230, max: 4244 } },
      configuration: { mode: "exactly_once", interval_ms: 10000, interval_during_backlog_ms: null, timeout_ms: 600000, min_pause_ms: 500, tolerable_failures: 3,
        retained: 10, retention: "retain_on_cancellation", state: "rocksdb:///var/lib/seachange/state", savepoint_dir: null },
    };
  }
}

const STREAM = Symbol("stream");
