// What the page knows, in one place; components read it by `useStore`.

import { useEffect, useRef, useState } from "./base.js";

const state = {
  /** Of `GET info`; null until it came. */
  info: null,
  /** A token is asked for. */
  locked: false,
  /** Every job's summary, by name. */
  jobs: [],
  loaded: false,
  /** How the stream stands: `off`, `on`, `lost`. */
  live: "off",
  route: { page: "overview" },
  search: "",
  states: new Set(),
  /** What is open over the page: a function that draws it. */
  dialog: null,
  toasts: [],
  /** Read out by screen readers. */
  said: "",
  language: "",
  theme: "auto",
};
const watchers = new Set();

export const read = () => state;

export function set(changes) {
  Object.assign(state, changes);
  for (const watcher of [...watchers]) watcher();
}

/** A component that calls this is drawn again when what `choose` gives is another value. */
export function useStore(choose) {
  const [, redraw] = useState(0);
  const chosen = choose(state);
  const shown = useRef();
  shown.current = { choose, chosen };
  useEffect(() => {
    const look = () => {
      const { choose: ask, chosen: last } = shown.current;
      if (!Object.is(last, ask(state))) redraw((n) => n + 1);
    };
    watchers.add(look);
    // It may have changed between the drawing and this.
    look();
    return () => watchers.delete(look);
  }, []);
  return chosen;
}

export const isOperator = (all = state) => all.info?.role === "operator";

/** Takes over summaries that changed. */
export function mergeJobs(changed) {
  const byName = new Map(state.jobs.map((job) => [job.name, job]));
  for (const job of changed) byName.set(job.name, job);
  set({ jobs: [...byName.values()] });
}

export function forgetJob(name) {
  set({ jobs: state.jobs.filter((job) => job.name !== name) });
}

export const jobNamed = (name) => state.jobs.find((job) => job.name === name);

export const openDialog = (draw) => set({ dialog: draw });
export const closeDialog = () => set({ dialog: null });

const TOAST_MS = 7000;
let toastNumber = 0;

/** A short word at the edge of the page. `kind`: `good`, `bad` (stays until dismissed). */
export function toast(text, kind = "good") {
  toastNumber += 1;
  const id = toastNumber;
  set({ toasts: [...state.toasts.slice(-3), { id, text, kind }] });
  if (kind !== "bad") setTimeout(() => dismiss(id), TOAST_MS);
}

export function dismiss(id) {
  set({ toasts: state.toasts.filter((one) => one.id !== id) });
}

export const say = (text) => set({ said: text });
