// The folder tree beside every page: only the rows in sight are in the document.

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./base.js";
import { t } from "./i18n.js";
import * as format from "./format.js";
import { Chips, Mark } from "./bits.js";
import { go, jobLink } from "./route.js";
import { read, set, useStore } from "./store.js";
import { counts, foldersOf, matching, parentAt, rowsOf, STATES } from "./tree.js";

const ROW = 32;
const BEYOND = 8;
const OPEN_KEY = "seachange.folders";
// With few jobs all folders stand open at first.
const ALL_OPEN_MAX = 60;

function keptFolders() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(OPEN_KEY) || "[]"));
  } catch {
    return new Map();
  }
}

export function Tree() {
  const jobs = useStore((all) => all.jobs);
  const loaded = useStore((all) => all.loaded);
  const search = useStore((all) => all.search);
  const states = useStore((all) => all.states);
  const selected = useStore((all) => all.route.job);
  // Folders that the user opened (true) or closed (false); while a search runs, all are open.
  const [folders, setFolders] = useState(keptFolders);
  const [closedInSearch, setClosed] = useState(new Set());

  const narrowed = search.trim() !== "" || states.size > 0;
  const found = useMemo(() => matching(jobs, search, states), [jobs, search, states]);
  const ofState = useMemo(() => counts(matching(jobs, search, new Set())), [jobs, search]);
  useEffect(() => setClosed(new Set()), [search, states]);
  useEffect(() => {
    if (!selected) return;
    const closed = foldersOf(selected).filter((path) => folders.get(path) !== true);
    if (closed.length) setFolders(new Map([...folders, ...closed.map((path) => [path, true])]));
  }, [selected]);
  useEffect(() => {
    sessionStorage.setItem(OPEN_KEY, JSON.stringify([...folders]));
  }, [folders]);

  const openAtFirst = jobs.length <= ALL_OPEN_MAX;
  const rows = useMemo(
    () => rowsOf(found, (path) => (narrowed ? !closedInSearch.has(path) : folders.get(path) ?? openAtFirst)),
    [found, narrowed, closedInSearch, folders, openAtFirst],
  );
  const turn = (row, open) => {
    if (narrowed) {
      const next = new Set(closedInSearch);
      if (open) next.delete(row.path);
      else next.add(row.path);
      setClosed(next);
    } else setFolders(new Map([...folders, [row.path, open]]));
  };

  return html`<nav class="tree" aria-label=${t("tree.label")}>
    <${Search} search=${search} rows=${rows} />
    <${Chips} label=${t("tree.states")} wanted=${states} onChange=${(next) => set({ states: next })}
      choices=${STATES.filter((state) => ofState[state] || states.has(state)).map((state) => ({
        value: state, state, text: t(`state.${state}`), count: ofState[state] || 0,
      }))} />
    <p class="found" role="status">${
      !loaded ? t("loading") : narrowed ? t("tree.found", { n: format.count(found.length), all: format.count(jobs.length) })
        : t("tree.all", { n: format.count(jobs.length) })
    }</p>
    <${Rows} rows=${rows} selected=${selected} turn=${turn} search=${search} />
    ${loaded && rows.length === 0 && html`<p class="empty">${jobs.length ? t("tree.none") : t("tree.empty")}</p>`}
  </nav>`;
}

function Search({ search, rows }) {
  const keys = (event) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      document.getElementById("tree")?.focus();
    } else if (event.key === "Enter") {
      const first = rows.find((row) => row.kind === "job");
      if (first) go(jobLink(first.job.name));
    } else if (event.key === "Escape" && search) {
      event.preventDefault();
      set({ search: "" });
    }
  };
  return html`<div class="search">
    <input id="search" type="search" value=${search} placeholder=${t("tree.search")} aria-label=${t("tree.search")}
      autocomplete="off" spellcheck=${false} onInput=${(e) => set({ search: e.target.value })} onKeyDown=${keys} />
    <kbd aria-hidden="true">/</kbd>
  </div>`;
}

function Rows({ rows, selected, turn, search }) {
  const box = useRef();
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [active, setActive] = useState(null);
  const at = Math.max(0, rows.findIndex((row) => row.key === (active ?? selected)));

  useLayoutEffect(() => {
    const place = box.current;
    const watch = new ResizeObserver(() => setHeight(place.clientHeight));
    watch.observe(place);
    return () => watch.disconnect();
  }, []);
  const show = (index) => {
    const { scrollTop, clientHeight } = box.current;
    if (index * ROW < scrollTop) box.current.scrollTop = index * ROW;
    else if ((index + 1) * ROW > scrollTop + clientHeight) box.current.scrollTop = (index + 1) * ROW - clientHeight;
  };
  useEffect(() => {
    setActive(null);
    const index = rows.findIndex((row) => row.key === selected);
    if (index >= 0) show(index);
  }, [selected]);
  useEffect(() => setActive(null), [search]);

  const move = (index) => {
    const next = Math.min(rows.length - 1, Math.max(0, index));
    if (!rows[next]) return;
    setActive(rows[next].key);
    show(next);
  };
  const enter = (row) => (row.kind === "job" ? go(jobLink(row.job.name)) : turn(row, !row.open));
  const keys = (event) => {
    const row = rows[at];
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const does = {
      ArrowDown: () => move(at + 1),
      ArrowUp: () => move(at - 1),
      Home: () => move(0),
      End: () => move(rows.length - 1),
      PageDown: () => move(at + Math.floor(height / ROW)),
      PageUp: () => move(at - Math.floor(height / ROW)),
      ArrowRight: () => (row.kind === "folder" && !row.open ? turn(row, true) : row.kind === "folder" && move(at + 1)),
      ArrowLeft: () => (row.kind === "folder" && row.open ? turn(row, false) : move(Math.max(0, parentAt(rows, at)))),
      Enter: () => enter(row),
      " ": () => enter(row),
    }[event.key];
    if (does) {
      event.preventDefault();
      does();
    }
  };

  const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + BEYOND);
  const isDrawn = rows[at] && at >= first && at < last;
  return html`<div id="tree" class="rows" role="tree" tabindex="0" aria-label=${t("tree.label")} ref=${box}
    aria-activedescendant=${isDrawn ? `row-${at}` : undefined} onKeyDown=${keys}
    onScroll=${(event) => setTop(event.target.scrollTop)} hidden=${rows.length === 0}>
    <div class="all" role="none" style=${{ height: `${rows.length * ROW}px` }}>
      ${rows.slice(first, last).map((row, n) => html`<${Row} key=${row.key} row=${row} index=${first + n}
        active=${first + n === at} selected=${row.key === selected} search=${search}
        click=${() => (setActive(row.key), enter(row))} />`)}
    </div>
  </div>`;
}

function Row({ row, index, active, selected, search, click }) {
  const job = row.job;
  const about = job ? `${t(`state.${job.state}`)}${job.tables_quarantined ? `, ${t("tree.quarantined", { n: job.tables_quarantined })}` : ""}` : t("tree.inside", { n: format.count(row.total) });
  return html`<div id=${`row-${index}`} role="treeitem" aria-level=${row.depth + 1} aria-setsize=${row.size}
    aria-posinset=${row.place} aria-expanded=${row.kind === "folder" ? row.open : undefined}
    aria-selected=${selected} title=${job ? job.name : row.path}
    class="row ${row.kind} ${active ? "active" : ""} ${selected ? "selected" : ""}"
    style=${{ top: `${index * ROW}px`, paddingInlineStart: `${10 + row.depth * 16}px` }} onClick=${click}>
    ${job
      ? html`<${Mark} state=${job.state} /><span class="label"><${Marked} text=${row.label} search=${search} /></span><span class="unseen">, ${about}</span>
          ${job.tables_quarantined > 0 && html`<span class="badge s-quarantined" aria-hidden="true">⚠ ${job.tables_quarantined}</span>`}
          ${job.rows_per_second > 0 && html`<span class="aside" aria-hidden="true">${format.rate(job.rows_per_second)}/${t("unit.s")}</span>`}`
      : html`<span class="twist" aria-hidden="true">${row.open ? "▾" : "▸"}</span>
          <span class="label"><${Marked} text=${row.label} search=${search} /></span><span class="unseen">, ${about}</span>
          ${row.trouble > 0 && html`<span class="badge s-failed" aria-hidden="true">${row.trouble}</span>`}
          <span class="aside" aria-hidden="true">${format.count(row.total)}</span>`}
  </div>`;
}

/** The searched words stand out. */
function Marked({ text, search }) {
  const words = search.trim().split(/\s+/).filter(Boolean);
  if (!words.length) return text;
  const pattern = new RegExp(`(${words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "ig");
  return text.split(pattern).map((part, n) => (n % 2 ? html`<mark>${part}</mark>` : part));
}

/** `/` goes to the search from anywhere, but from where one writes. */
export function searchKey(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || read().dialog) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  event.preventDefault();
  document.getElementById("search")?.select();
}
