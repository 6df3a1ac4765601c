// Checkpoints and savepoints: overview, history with restore, summary, configuration.

import { html, useEffect, useRef, useState } from "./base.js";
import { get, jobPath, Once } from "./api.js";
import { Refusal, took, useDeed } from "./actions.js";
import { Ago, Chips, Deed, Dialog, Facts, Grid, Trouble, useLoaded } from "./bits.js";
import * as format from "./format.js";
import { t } from "./i18n.js";
import { jobLink } from "./route.js";
import { isOperator, openDialog, toast, useStore } from "./store.js";
import { isActive } from "./tree.js";

const VIEWS = ["overview", "history", "summary", "configuration"];
const ROWS_SHOWN = 100;

export function Snapshots({ job, below, take }) {
  const { value, error, again } = useLoaded(() => get(jobPath(job.name, "snapshots")), [job.name]);
  useEffect(() => {
    if (value) again();
  }, [job.last_snapshot_ms, job.state, job.checkpoints.completed]);
  const view = VIEWS.includes(below) ? below : "history";
  return html`
    <nav class="tabs small" aria-label=${t("snapshots.views")}>
      ${VIEWS.map((one) => html`<a key=${one} href=${jobLink(job.name, "snapshots", one)} aria-current=${one === view ? "page" : undefined}>${t(`snapshots.${one}`)}</a>`)}
    </nav>
    <${Trouble} error=${error} />
    ${!value ? !error && html`<p class="empty">${t("loading")}</p>`
      : view === "overview" ? html`<${Now} job=${job} all=${value} />`
      : view === "history" ? html`<${History} job=${job} all=${value.snapshots} take=${take} />`
      : view === "summary" ? html`<${Summary} summary=${value.summary} />`
      : html`<${Configured} of=${value.configuration} />`}`;
}

function Now({ job, all }) {
  const now = job.checkpoints;
  const newest = (kind) => all.snapshots.find((one) => one.kind === kind);
  const told = (one) => one && html`#${one.id}, <${Ago} ms=${one.completed_at_ms} />, ${format.bytes(one.size_bytes)}`;
  return html`<${Facts} facts=${[
    [t("snapshots.completed"), format.count(now.completed)],
    [t("snapshots.failed"), format.count(now.failed)],
    [t("snapshots.progress"), now.in_progress ? t("yes") : t("no")],
    [t("snapshots.last-checkpoint"), told(newest("checkpoint"))],
    [t("snapshots.last-savepoint"), told(newest("savepoint"))],
    [t("snapshots.restored"), now.restored === null || now.restored === undefined ? t("snapshots.afresh")
      : `#${now.restored}${now.restored_kind ? `, ${t(`snapshot.${now.restored_kind}`)}` : ""}`],
  ]} />
  ${now.last_failure && html`<div class="trouble" role="note"><strong>${t("snapshots.failure")}</strong>
    <p><${Ago} ms=${now.last_failure.at_ms} />: ${now.last_failure.reason}</p></div>`}
  ${job.savepoint_error && html`<div class="trouble" role="note"><strong>${t("job.savepoint-error")}</strong><p>${job.savepoint_error}</p></div>`}`;
}

function History({ job, all, take }) {
  const operator = useStore(isOperator);
  const [kinds, setKinds] = useState(new Set());
  const [shown, setShown] = useState(ROWS_SHOWN);
  const rows = all.filter((one) => kinds.size === 0 || kinds.has(one.kind));
  const of = (kind) => all.filter((one) => one.kind === kind).length;
  const restore = (one) => openDialog(() => html`<${Restore} job=${job} snapshot=${one} take=${take} />`);
  return html`
    <${Chips} label=${t("snapshots.kinds")} wanted=${kinds} onChange=${setKinds}
      choices=${["checkpoint", "savepoint"].map((kind) => ({ value: kind, text: t(`snapshot.${kind}`), count: of(kind) }))} />
    <${Grid} label=${t("snapshots.history")} empty=${t("snapshots.none")}
      heads=${[{ text: t("snapshots.id"), right: true }, ...(operator ? [{ text: t("snapshots.act") }] : []), { text: t("snapshots.kind") }, { text: t("snapshots.at") },
        { text: t("snapshots.duration"), right: true }, { text: t("snapshots.size"), right: true },
        { text: t("snapshots.position") }]}
      rows=${rows.slice(0, shown).map((one) => ({ key: one.id, kind: one.restorable ? "" : "off", cells: [
        `#${one.id}`,
        ...(operator ? [one.restorable
          ? html`<button type="button" class="small nobreak" onClick=${() => restore(one)} aria-label=${t("restore.label", { id: one.id })}>${t("restore.do")}</button>`
          : html`<span class="dim">${one.reason || t("snapshots.unreadable")}</span>`] : []),
        html`<span class="badge k-${one.kind}">${one.kind ? t(`snapshot.${one.kind}`) : "?"}</span>${one.trigger && html` <span class="dim">${one.trigger}</span>`}${
          one.note && html`<div class="note">${one.note}</div>`}`,
        html`<span class="nobreak">${format.time(one.completed_at_ms)}</span>`,
        format.millis(one.duration_ms), format.bytes(one.size_bytes),
        html`<code class="position">${one.position || "–"}</code>${typeof one.tables === "number" && html`<div class="note">${t("snapshots.tables", { live: format.count(one.tables_live), all: format.count(one.tables) })}</div>`}`,
      ] }))} />
    ${rows.length > shown && html`<button type="button" onClick=${() => setShown(shown + ROWS_SHOWN)}>${t("more", { n: format.count(rows.length - shown) })}</button>`}`;
}

function Restore({ job, snapshot, take }) {
  const once = useRef(new Once());
  const deed = useDeed((answer) => {
    took(answer, take);
    toast(t("restore.done", { id: snapshot.id }));
  });
  const submit = (event) => {
    event.preventDefault();
    deed.run(() => once.current.post(jobPath(job.name, "restore"), { snapshot: String(snapshot.id) }));
  };
  return html`<${Dialog} title=${t("restore.title", { id: snapshot.id })} busy=${deed.busy}><form onSubmit=${submit}>
    <p class="subject">${job.name}</p>
    <p>${t(isActive(job.state) ? "restore.what-active" : "restore.what")}</p>
    <p>${t("restore.strategy", { strategy: t(`strategy.${job.strategy}`) })}</p>
    <${Facts} facts=${[
      [t("snapshots.kind"), snapshot.kind && t(`snapshot.${snapshot.kind}`)],
      [t("snapshots.at"), format.time(snapshot.completed_at_ms)],
      [t("snapshots.position"), html`<code>${snapshot.position || "–"}</code>`],
    ]} />
    <${Refusal} error=${deed.error} />
    <${Deed} busy=${deed.busy} label=${t("restore.do")} danger=${isActive(job.state)} />
  </form><//>`;
}

function Summary({ summary }) {
  const spread = (head, of, write) => ({ key: head, cells: [head, write(of?.min), write(of?.mean), write(of?.max)] });
  return html`<${Facts} facts=${[
    [t("snapshots.checkpoints"), format.count(summary.checkpoints)],
    [t("snapshots.savepoints"), format.count(summary.savepoints)],
    [t("snapshots.broken"), format.count(summary.unreadable)],
  ]} />
  <${Grid} label=${t("snapshots.summary")} empty=""
    heads=${[{ text: t("spread.of") }, { text: t("spread.min"), right: true }, { text: t("spread.mean"), right: true }, { text: t("spread.max"), right: true }]}
    rows=${[spread(t("snapshots.duration"), summary.duration_ms, format.millis), spread(t("snapshots.size"), summary.size_bytes, format.bytes)]} />`;
}

function Configured({ of }) {
  return html`<${Facts} facts=${[
    [t("configured.mode"), of.mode],
    [t("configured.interval"), of.interval_ms ? format.millis(of.interval_ms) : t("configured.off")],
    [t("configured.backlog"), of.interval_during_backlog_ms ? format.millis(of.interval_during_backlog_ms) : t("configured.off")],
    [t("configured.timeout"), format.millis(of.timeout_ms)],
    [t("configured.pause"), format.millis(of.min_pause_ms)],
    [t("configured.tolerable"), format.count(of.tolerable_failures)],
    [t("configured.retained"), format.count(of.retained)],
    [t("configured.retention"), of.retention],
    [t("configured.state"), html`<code>${of.state}</code>`],
    [t("configured.dir"), of.savepoint_dir && html`<code>${of.savepoint_dir}</code>`],
  ]} />`;
}
