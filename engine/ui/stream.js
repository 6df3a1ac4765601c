// Server-sent events over fetch: EventSource cannot send a token.

import { address, headers } from "./api.js";

const BACK_OFF_FIRST_MS = 500;
const BACK_OFF_MAX_MS = 15000;
// The server sends a comment more often than this; a connection that says nothing is dead.
const SILENCE_MAX_MS = 60000;

/** Takes text in any pieces and tells whole events: `tell({event, data, id})`. */
export class Parser {
  constructor(tell) {
    this.tell = tell;
    this.rest = "";
    this.event = "";
    this.data = [];
    this.id = null;
  }

  push(text) {
    this.rest += text;
    // A carriage return at the end may be the first half of one line end.
    const lines = this.rest.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    for (const line of lines) this.line(line);
  }

  line(line) {
    if (line === "") {
      if (this.data.length) {
        this.tell({ event: this.event || "message", data: this.data.join("\n"), id: this.id });
      }
      this.event = "";
      this.data = [];
      return;
    }
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
  }
}

const pause = (ms, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });

/**
 * Follows the stream until `signal` is aborted, over lost connections and over being `lagged`. `since()` is the newest event's
 * id; `tell(event, value)` gets what came; `state("on" | "lost" | "locked")` how the connection stands.
 */
export async function follow({ job, since, tell, state, signal }) {
  let wait = BACK_OFF_FIRST_MS;
  while (!signal.aborted) {
    try {
      const response = await connect(job, since(), signal);
      if (response.status === 401 || response.status === 403) {
        state("locked");
        return;
      }
      if (response.status === 404 && job) {
        // It was deleted: the others are still there to be followed.
        job = undefined;
        continue;
      }
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      state("on");
      wait = BACK_OFF_FIRST_MS;
      await read(response, tell);
    } catch {
      // Told below; the reason is the network's or the daemon's end, and the answer is the same.
    }
    if (signal.aborted) return;
    state("lost");
    await pause(wait * (0.75 + Math.random() / 2), signal);
    wait = Math.min(wait * 2, BACK_OFF_MAX_MS);
  }
}

function connect(job, since, signal) {
  return fetch(address("stream", { job, since }), {
    signal,
    headers: headers({ Accept: "text/event-stream" }),
    credentials: "omit",
    cache: "no-store",
  });
}

async function read(response, tell) {
  const parser = new Parser(({ event, data }) => {
    let value;
    try {
      value = JSON.parse(data);
    } catch {
      return;
    }
    tell(event, value);
  });
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (;;) {
    let timer;
    const silent = new Promise((_, refuse) => {
      timer = setTimeout(() => refuse(new Error("silent")), SILENCE_MAX_MS);
    });
    try {
      const { done, value } = await Promise.race([reader.read(), silent]);
      if (done) return;
      parser.push(decoder.decode(value, { stream: true }));
    } catch (error) {
      reader.cancel().catch(() => {});
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
