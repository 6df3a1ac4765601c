// What happened: of the daemon, or of one job; new ones come in at the top.

import { html, useEffect, useState } from "./base.js";
import { get, jobPath } from "./api.js";
import { Chips, State, Trouble } from "./bits.js";
import * as format from "./format.js";
import { t } from "./i18n.js";
import { known, listen } from "./live.js";
import { jobLink } from "./route.js";

const KINDS = ["state", "audit", "savepoint", "checkpoint", "table", "source", "alert"];
const PAGE = 100;

export function EventsPage() {
  return html`<div class="page"><h1>${t("nav.events")}</h1><${Events} /></div>`;
}

/** `job`: of that job alone. */
export function Events({ job }) {
  const [kinds, setKinds] = useState(new Set());
  const [shown, setShown] = useState({ events: null, next: null, error: null });
  const load = (before) =>
    get(job ? jobPath(job, "events") : "events", { limit: PAGE, before, kind: [...kinds] }).then(
      (found) => {
        if (!before && !kinds.size && !job && found.events[0]) known(found.events[0].id);
        setShown((old) => ({
          events: before ? [...old.events, ...found.events] : found.events,
          next: found.next ?? null,
          error: null,
        }));
      },
      (error) => setShown((old) => ({ ...old, error })),
    );
  useEffect(() => {
    load();
    return listen((kind, value) => {
      if (kind === "again") load();
      if (kind !== "event" || (job && value.job !== job) || (kinds.size && !kinds.has(value.kind))) return;
      setShown((old) =>
        !old.events || old.events.some((one) => one.id === value.id) ? old : { ...old, events: [value, ...old.events] });
    });
  }, [job, kinds]);

  return html`
    <${Chips} label=${t("events.kinds")} wanted=${kinds} onChange=${setKinds}
      choices=${KINDS.map((kind) => ({ value: kind, text: t(`event.${kind}`) }))} />
    <${Trouble} error=${shown.error} />
    ${!shown.events ? !shown.error && html`<p class="empty">${t("loading")}</p>`
      : html`<${EventList} events=${shown.events} withJob=${!job} />`}
    ${shown.next && html`<button type="button" onClick=${() => load(shown.next)}>${t("events.older")}</button>`}`;
}

export function EventList({ events, withJob }) {
  if (events.length === 0) return html`<p class="empty">${t("events.none")}</p>`;
  return html`<ol class="events">
    ${events.map((one) => html`<li key=${one.id} class="e-${one.kind}">
      <time dateTime=${new Date(one.at_ms).toISOString()}>${format.time(one.at_ms)}</time>
      <span class="kind">${one.state ? html`<${State} state=${one.state} />` : t(`event.${one.kind}`)}</span>
      <span class="text">${withJob && one.job && html`<a href=${jobLink(one.job, "events")}>${one.job}</a> `}${one.text}
        ${one.by && one.by !== "-" && html` <span class="by">${t("events.by", { name: one.by })}</span>`}</span>
    </li>`)}
  </ol>`;
}
