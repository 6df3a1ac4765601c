// The tables of a job: how far each is, and what can be done to it.

import { html, useEffect, useState } from "./base.js";
import { get, jobPath, post } from "./api.js";
import { Refusal, took, useDeed } from "./actions.js";
import { Ago, Bar, Chips, Deed, Dialog, Grid, State, Trouble, useLoaded } from "./bits.js";
import * as format from "./format.js";
import { t } from "./i18n.js";
import { isOperator, openDialog, toast, useStore } from "./store.js";
import { isActive } from "./tree.js";

const STATES = ["quarantined", "snapshotting", "waiting", "live"];
const ROWS_SHOWN = 200;
const REFRESH_MS = 3000;

export function TablesTab({ job, take }) {
  const { value, error, again } = useLoaded(() => get(jobPath(job.name, "tables")), [job.name]);
  const operator = useStore(isOperator);
  const [search, setSearch] = useState("");
  const [states, setStates] = useState(new Set());
  const [marked, setMarked] = useState(new Set());
  const [shown, setShown] = useState(ROWS_SHOWN);
  const active = isActive(job.state);
  useEffect(() => {
    if (value) again();
    if (!active) return undefined;
    const timer = setInterval(again, REFRESH_MS);
    return () => clearInterval(timer);
  }, [active, job.state, job.version]);

  const tables = value?.tables || [];
  const words = search.toLowerCase().trim();
  const found = tables.filter((one) => (!states.size || states.has(one.state)) && one.name.toLowerCase().includes(words));
  const chosen = tables.filter((one) => marked.has(one.name));
  const flip = (name) => {
    const next = new Set(marked);
    if (!next.delete(name)) next.add(name);
    setMarked(next);
  };
  const open = (deed, names) => openDialog(() => html`<${TableDeed} deed=${deed} names=${names} job=${job}
    take=${(now) => (take(now), setMarked(new Set()), again())} />`);
  const names = chosen.map((one) => one.name);
  const isHeld = chosen.length > 0 && chosen.every((one) => one.state === "quarantined");
  return html`
    <div class="bar">
      <input type="search" value=${search} placeholder=${t("tables.search")} aria-label=${t("tables.search")} onInput=${(e) => setSearch(e.target.value)} />
      <${Chips} label=${t("tree.states")} wanted=${states} onChange=${setStates}
        choices=${STATES.map((state) => ({ value: state, state, text: t(`table.${state}`), count: tables.filter((one) => one.state === state).length }))
          .filter((one) => one.count || states.has(one.value))} />
    </div>
    ${operator && html`<div class="actions" role="group" aria-label=${t("tables.actions")}>
      <button type="button" disabled=${!names.length} onClick=${() => open("resnapshot", names)}>${t("tables.resnapshot")}</button>
      <button type="button" disabled=${!isHeld} onClick=${() => open("release", names)}>${t("tables.release")}</button>
      <button type="button" class="danger" disabled=${!names.length} onClick=${() => open("drop", names)}>${t("tables.drop")}</button>
      <button type="button" onClick=${() => open("add", null)}>${t("tables.add")}</button>
      <span class="dim" role="status">${names.length ? t("tables.marked", { n: format.count(names.length) }) : t("tables.mark")}</span>
    </div>`}
    <${Trouble} error=${error} />
    ${!value ? !error && html`<p class="empty">${t("loading")}</p>` : html`<${Grid} label=${t("tab.tables")} empty=${tables.length ? t("tables.none") : t("tables.empty")}
      heads=${[...(operator ? [{ text: t("mark") }] : []), { text: t("tables.name") }, { text: t("job.state") }, { text: t("tables.read"), right: true },
        { text: t("tables.streamed"), right: true }, { text: t("tables.newest") }]}
      rows=${found.slice(0, shown).map((one) => ({ key: one.name, cells: [
        ...(operator ? [html`<input type="checkbox" aria-label=${one.name} checked=${marked.has(one.name)} onChange=${() => flip(one.name)} />`] : []),
        html`<b>${one.name}</b>${one.reason && html`<div class="note">${one.reason}</div>`}`,
        html`<${State} state=${one.state} kind="table" />${one.state === "quarantined" && one.events_dropped > 0 && html`<div class="note">${t("tables.dropped", { n: format.count(one.events_dropped) })}</div>`}`,
        html`${format.count(one.rows_read)}${one.state === "snapshotting" && html`<${Bar} share=${one.rows_read / Math.max(1, one.rows_read + one.rows_left_estimate)} label=${one.name} />
          <div class="note">${t("tables.left", { n: format.short(one.rows_left_estimate) })}</div>`}`,
        html`${format.count(one.rows_streamed)}<div class="note">${format.bytes(one.bytes)}</div>`, html`<${Ago} ms=${one.last_change_ms} />`,
      ] }))} />`}
    ${found.length > shown && html`<button type="button" onClick=${() => setShown(shown + ROWS_SHOWN)}>${t("more", { n: format.count(found.length - shown) })}</button>`}`;
}

function TableDeed({ deed, names, job, take }) {
  const [typed, setTyped] = useState("");
  const tables = names || typed.split(/[\s,;]+/).filter(Boolean);
  const doing = useDeed((answer) => {
    took(answer.job || answer, take);
    toast(t(`tables.${deed}.did`, { n: format.count(tables.length) }));
  });
  const submit = (event) => {
    event.preventDefault();
    doing.run(() => post(jobPath(job.name, `tables/${deed}`), { tables }));
  };
  return html`<${Dialog} title=${t(`tables.${deed}`)} busy=${doing.busy}><form onSubmit=${submit}>
    <p class="subject">${job.name}</p>
    <p>${t(`tables.${deed}.what`)}</p>
    ${names ? html`<ul class="names" tabindex="0" aria-label=${t("tab.tables")}>${names.map((name) => html`<li><code>${name}</code></li>`)}</ul>`
      : html`<label>${t("tables.names")}<textarea rows="5" required spellcheck=${false} value=${typed} onInput=${(e) => setTyped(e.target.value)}></textarea></label>`}
    <${Refusal} error=${doing.error} />
    <${Deed} busy=${doing.busy} label=${t(`tables.${deed}`)} danger=${deed === "drop"} disabled=${tables.length === 0} />
  </form><//>`;
}
