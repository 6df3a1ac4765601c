// The folder tree of jobs, as rows: what is shown is computed from names, so 2,000 jobs cost one pass.

/** In the order of importance to whoever looks for trouble. */
export const STATES = [
  "failed", "restarting", "starting", "snapshotting", "streaming", "pausing", "paused", "stopping",
  "stopped", "created", "finished",
];
const RUNNING = new Set(["snapshotting", "streaming", "pausing", "stopping"]);
const TROUBLE = new Set(["failed", "restarting"]);

export const isRunning = (state) => RUNNING.has(state);
export const isActive = (state) => RUNNING.has(state) || state === "starting" || state === "restarting";
export const isTrouble = (job) => TROUBLE.has(job.state) || job.tables_quarantined > 0;

/** Jobs whose name has every word of `search` in it, and whose state is wanted (none: all). */
export function matching(jobs, search, states) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return jobs.filter(
    (job) =>
      (states.size === 0 || states.has(job.state)) &&
      (words.length === 0 || hasAll(job.name.toLowerCase(), words)),
  );
}

const hasAll = (name, words) => words.every((word) => name.includes(word));

export function counts(jobs) {
  const found = {};
  for (const job of jobs) found[job.state] = (found[job.state] || 0) + 1;
  return found;
}

/** Folders above a job, from the top. */
export function foldersOf(name) {
  const parts = name.split("/");
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join("/"));
}

function folder(path) {
  return { path, name: path.split("/").pop(), folders: new Map(), jobs: [], total: 0, trouble: 0 };
}

function grow(jobs) {
  const root = folder("");
  for (const job of jobs) {
    let at = root;
    const above = [root];
    for (const path of foldersOf(job.name)) {
      if (!at.folders.has(path)) at.folders.set(path, folder(path));
      at = at.folders.get(path);
      above.push(at);
    }
    at.jobs.push(job);
    for (const one of above) {
      one.total += 1;
      if (isTrouble(job)) one.trouble += 1;
    }
  }
  return root;
}

const byName = new Intl.Collator(undefined, { numeric: true });

/** The rows that are to be seen, from the top: folders before jobs, each by name. */
export function rowsOf(jobs, isOpen) {
  const rows = [];
  const walk = (at, depth) => {
    const folders = [...at.folders.values()].sort((a, b) => byName.compare(a.name, b.name));
    const leaves = at.jobs.sort((a, b) => byName.compare(a.name, b.name));
    const size = folders.length + leaves.length;
    let place = 0;
    for (const one of folders) {
      const open = isOpen(one.path);
      place += 1;
      rows.push({
        key: `${one.path}/`, kind: "folder", label: one.name, path: one.path, depth, open, place, size,
        total: one.total, trouble: one.trouble,
      });
      if (open) walk(one, depth + 1);
    }
    for (const job of leaves) {
      place += 1;
      const label = job.name.slice(job.name.lastIndexOf("/") + 1);
      rows.push({ key: job.name, kind: "job", label, depth, place, size, job });
    }
  };
  walk(grow(jobs), 0);
  return rows;
}

/** Of a row, the one above it in the tree; -1: it has none. */
export function parentAt(rows, at) {
  for (let above = at - 1; above >= 0; above -= 1) {
    if (rows[above].depth < rows[at].depth) return above;
  }
  return -1;
}
