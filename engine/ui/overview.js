// The first page: how many jobs are how, which need somebody, and what happened of late.

import { html, useEffect, useMemo, useState } from "./base.js";
import { get } from "./api.js";
import { Ago, Facts, Grid, Mark, State } from "./bits.js";
import { EventList } from "./events.js";
import * as format from "./format.js";
import { t } from "./i18n.js";
import { known, listen } from "./live.js";
import { go, jobLink } from "./route.js";
import { read, set, useStore } from "./store.js";
import { counts, isTrouble, STATES } from "./tree.js";

const SHOWN = 12;
const LAG_BEHIND_S = 60;

export function Overview() {
  const jobs = useStore((all) => all.jobs);
  const info = useStore((all) => all.info);
  const states = useStore((all) => all.states);
  const [events, setEvents] = useState([]);
  const load = () =>
    get("events", { limit: SHOWN }).then((found) => {
      if (found.events[0]) known(found.events[0].id);
      setEvents(found.events);
    }, () => {});
  useEffect(() => {
    load();
    return listen((kind, value) => {
      if (kind === "event") {
        setEvents((old) => (old.some((event) => event.id === value.id) ? old : [value, ...old].slice(0, SHOWN)));
      }
      if (kind === "again") load();
    });
  }, []);
  const ofState = useMemo(() => counts(jobs), [jobs]);
  const needy = useMemo(
    () => jobs.filter((job) => isTrouble(job) || job.waits_for || job.lag_seconds > LAG_BEHIND_S)
      .sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || b.tables_quarantined - a.tables_quarantined),
    [jobs],
  );
  const rows = jobs.reduce((sum, job) => sum + (job.rows_per_second || 0), 0);
  const filter = (state) => {
    const alone = states.size === 1 && states.has(state);
    set({ states: alone ? new Set() : new Set([state]) });
    if (matchMedia("(max-width: 760px)").matches) go("#/jobs");
  };

  return html`<div class="page">
    <h1>${t("nav.overview")}</h1>
    <ul class="cards" aria-label=${t("overview.states")}>
      ${STATES.filter((state) => ofState[state]).map((state) => html`<li key=${state}>
        <button type="button" class="card" aria-pressed=${states.has(state)} onClick=${() => filter(state)}>
          <b>${format.count(ofState[state])}</b><span><${Mark} state=${state} />${t(`state.${state}`)}</span>
        </button></li>`)}
    </ul>
    <${Facts} facts=${[
      [t("overview.jobs"), format.count(jobs.length)],
      [t("overview.rows"), `${format.rate(rows)}/${t("unit.s")}`],
      [t("overview.version"), info.version],
      [t("overview.up"), html`<${Ago} ms=${info.started_at_ms} />`],
    ]} />
    <section><h2>${t("overview.needy")}</h2>
      <${Grid} label=${t("overview.needy")} empty=${read().loaded && jobs.length === 0 ? t("tree.empty") : t("overview.fine")}
        heads=${[{ text: t("job.name") }, { text: t("job.state") }, { text: t("job.reason") }, { text: t("job.lag"), right: true }]}
        rows=${needy.slice(0, 50).map((job) => ({ key: job.name, cells: [
          html`<a href=${jobLink(job.name)}>${job.name}</a>`,
          html`<${State} state=${job.state} />${job.tables_quarantined > 0 && html` <a class="badge s-quarantined"
            href=${jobLink(job.name, "tables")}>⚠ ${t("tree.quarantined", { n: job.tables_quarantined })}</a>`}`,
          job.reason, format.duration(job.lag_seconds)] }))} />
      ${needy.length > 50 && html`<p>${t("more.rest", { n: format.count(needy.length - 50) })}</p>`}
    </section>
    <section><h2>${t("overview.events")}</h2>
      <${EventList} events=${events} withJob />
      <p><a href="#/events">${t("overview.all")}</a></p>
    </section>
  </div>`;
}
