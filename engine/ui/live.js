// Keeps the list of jobs as the daemon has it, and tells components what the stream says.

import { allJobs, get } from "./api.js";
import { follow } from "./stream.js";
import { forgetJob, mergeJobs, read, set } from "./store.js";

const RELIST_MS = 60000;
// A browser gives one host six connections, over all its tabs: one that nobody looks at holds none for long.
const UNSEEN_MS = 30000;
// Ids of events that are remembered as told.
const TOLD_MAX = 2000;

const listeners = new Set();
const told = new Set();
let newest;
let current;
let relisting;
let unseen;

/** `hear(event, value)` is called for all that comes; gives back what ends it. */
export function listen(hear) {
  listeners.add(hear);
  return () => listeners.delete(hear);
}

/** Asks who we are and for all jobs, then follows. Called again after a token was given. */
export async function begin() {
  stop();
  const info = await get("info");
  set({ info, locked: false });
  await relist();
  watch(read().route.job);
  relisting = setInterval(() => relist().catch(() => {}), RELIST_MS);
}

export function stop() {
  clearTimeout(unseen);
  current?.abort();
  current = undefined;
  clearInterval(relisting);
}

export async function relist() {
  set({ jobs: await allJobs(), loaded: true });
}

/** One connection for all: with `job`, that job's output and samples come too. */
export function watch(job) {
  if (read().locked || !read().info) return;
  const before = current;
  const mine = new AbortController();
  current = mine;
  let lost = false;
  follow({
    job,
    signal: mine.signal,
    since: () => newest,
    tell: hear,
    state: (how) => {
      if (mine.signal.aborted || current !== mine) return;
      // The old one ends only now, so that nothing falls between the two.
      before?.abort();
      if (how === "locked") begin().catch(() => {});
      set({ live: how === "on" ? "on" : "lost" });
      if (how !== "on") lost = true;
      else if (lost) {
        lost = false;
        relist().catch(() => {});
        for (const listener of listeners) listener("again", null);
      }
    },
  });
}

function hear(kind, value) {
  if (kind === "jobs") mergeJobs(value);
  if (kind === "gone") value.forEach(forgetJob);
  if (kind === "event") {
    // Events of several jobs may come a little out of their order, and after a break once more.
    if (told.has(value.id)) return;
    told.add(value.id);
    if (told.size > TOLD_MAX) told.delete(told.values().next().value);
    known(value.id);
  }
  for (const listener of [...listeners]) listener(kind, value);
}

/** Called when the tab is hidden or seen again. */
export function look() {
  clearTimeout(unseen);
  if (document.hidden) {
    unseen = setTimeout(() => {
      current?.abort();
      current = undefined;
      set({ live: "off" });
    }, UNSEEN_MS);
  } else if (!current && read().info) {
    watch(read().route.job);
    relist().catch(() => {});
    for (const listener of listeners) listener("again", null);
  }
}

/** What follows the newest known event is sent when the stream is connected again. */
export function known(id) {
  if (newest === undefined || id > newest) newest = id;
}
