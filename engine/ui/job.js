// One job: how it stands, what one can do, and the tabs.

import { html, useEffect, useRef, useState } from "./base.js";
import { get, jobPath } from "./api.js";
import { Actions } from "./actions.js";
import { Ago, State, Trouble } from "./bits.js";
import { Configuration } from "./configuration.js";
import { Events } from "./events.js";
import { JobOverview } from "./job-overview.js";
import { t } from "./i18n.js";
import { listen } from "./live.js";
import { OutputTab } from "./output.js";
import { jobLink, TABS } from "./route.js";
import { forgetJob, say, useStore } from "./store.js";
import { Snapshots } from "./snapshots.js";
import { TablesTab } from "./tables.js";
import { isActive } from "./tree.js";

const REFRESH_MS = 4000;
const APART_MS = 700;

/** The job's detail, asked for anew when its summary changes, and by and by while it runs. */
function useDetail(name) {
  const [found, setFound] = useState({ job: null, error: null });
  const waiting = useRef(null);
  const ask = () => {
    clearTimeout(waiting.current);
    waiting.current = null;
    return get(jobPath(name)).then(
      (job) => setFound({ job, error: null }),
      (error) => {
        if (error.status === 404) forgetJob(name);
        setFound((old) => ({ job: error.status === 404 ? null : old.job, error }));
      },
    );
  };
  const soon = () => {
    if (waiting.current === null) waiting.current = setTimeout(ask, APART_MS);
  };
  useEffect(() => {
    ask();
    const end = listen((kind, value) => {
      if (kind === "jobs" && value.some((job) => job.name === name)) soon();
      if (kind === "event" && value.job === name) soon();
      if (kind === "again") soon();
    });
    return () => {
      end();
      clearTimeout(waiting.current);
    };
  }, [name]);
  const active = found.job && isActive(found.job.state);
  useEffect(() => {
    if (!active) return undefined;
    const timer = setInterval(ask, REFRESH_MS);
    return () => clearInterval(timer);
  }, [active]);
  return { ...found, again: ask, take: (job) => setFound({ job, error: null }) };
}

export function JobPage({ name, tab, below }) {
  const { job: asked, error, again, take } = useDetail(name);
  // The list is told of a change sooner than we ask.
  const summary = useStore((all) => all.jobs.find((one) => one.name === name));
  const job = asked && summary && summary.since_ms > asked.since_ms ? { ...asked, ...summary } : asked;
  const state = job?.state;
  const before = useRef(null);
  useEffect(() => {
    if (state && before.current && before.current !== state) {
      say(t("job.said", { name, state: t(`state.${state}`), reason: job.reason }));
    }
    before.current = state;
  }, [state]);

  if (!job) {
    return html`<div class="page"><h1>${name}</h1>${error
      ? html`<${Trouble} error=${error} title=${error.status === 404 ? t("job.gone") : undefined} /><p><a href="#/">${t("nav.overview")}</a></p>`
      : html`<p class="empty">${t("loading")}</p>`}</div>`;
  }
  const body = {
    overview: () => html`<${JobOverview} job=${job} />`,
    snapshots: () => html`<${Snapshots} job=${job} below=${below} take=${take} />`,
    tables: () => html`<${TablesTab} job=${job} take=${take} />`,
    events: () => html`<${Events} job=${name} />`,
    output: () => html`<${OutputTab} job=${job} />`,
    configuration: () => html`<${Configuration} job=${job} below=${below} take=${take} />`,
  }[tab];
  return html`<div class="page job">
    <${Head} job=${job} />
    <${Actions} job=${job} take=${take} again=${again} />
    ${error && html`<${Trouble} error=${error} />`}
    ${job.savepoint_error && html`<div class="trouble" role="note"><strong>${t("job.savepoint-error")}</strong><p>${job.savepoint_error}</p></div>`}
    ${job.error && ["failed", "restarting"].includes(job.state) && job.error !== job.reason &&
      html`<div class="trouble" role="note"><strong>${t("job.error")}</strong><p>${job.error}</p></div>`}
    <nav class="tabs" aria-label=${t("job.tabs")}>
      ${TABS.map((one) => html`<a key=${one} href=${jobLink(name, one)} aria-current=${one === tab ? "page" : undefined}>${t(`tab.${one}`)}</a>`)}
    </nav>
    <section>${body()}</section>
  </div>`;
}

function Head({ job }) {
  const cut = job.name.lastIndexOf("/") + 1;
  return html`<div class="head">
    <h1><span class="folder">${job.name.slice(0, cut)}</span>${job.name.slice(cut)}</h1>
    <p class="standing"><${State} state=${job.state} /> <span class="since"><${Ago} ms=${job.since_ms} /></span>
      ${job.tables_quarantined > 0 && html`<a class="badge s-quarantined" href=${jobLink(job.name, "tables")}>⚠ ${t("tree.quarantined", { n: job.tables_quarantined })}</a>`}
      <span class="reason">${job.reason}</span></p>
    <p class="way"><span>${job.source || "–"}</span> <span aria-label=${t("job.to")}>→</span> <span>${job.sinks.join(", ") || "–"}</span>
      <span class="version">${t("job.version", { n: job.version })}</span></p>
  </div>`;
}
