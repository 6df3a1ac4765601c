// A job's first tab: charts of the last minutes, and how far it is.

import { html, useEffect, useState } from "./base.js";
import { get, jobPath } from "./api.js";
import { Ago, Bar, Facts, Trouble } from "./bits.js";
import { Chart } from "./charts.js";
import * as format from "./format.js";
import { t } from "./i18n.js";
import { listen } from "./live.js";
import { jobLink } from "./route.js";

const SAMPLES_MAX = 1800;
const BYTE_STEPS = Array.from({ length: 50 }, (_, n) => 2 ** n);

function useSamples(name) {
  const [samples, setSamples] = useState(null);
  useEffect(() => {
    const add = (more) => setSamples((old) => {
      const last = old?.length ? old[old.length - 1].at_ms : 0;
      return [...(old || []), ...more.filter((one) => one.at_ms > last)].slice(-SAMPLES_MAX);
    });
    const load = () => get(jobPath(name, "samples")).then((found) => add(found.samples), () => setSamples((old) => old || []));
    load();
    return listen((kind, value) => {
      if (kind === "sample") add([value]);
      if (kind === "again") load();
    });
  }, [name]);
  return samples;
}

export function JobOverview({ job }) {
  const samples = useSamples(job.name);
  return html`
    ${job.state === "snapshotting" && html`<${Reading} job=${job} samples=${samples} />`}
    ${samples?.length ? html`<${Charts} samples=${samples} />` : html`<p class="empty">${samples ? t("chart.none") : t("loading")}</p>`}
    <${Standing} job=${job} />
    ${job.notes.length > 0 && html`<section><h2>${t("job.notes")}</h2>
      <ul class="notes">${job.notes.map((note) => html`<li>${note}</li>`)}</ul></section>`}`;
}

function Reading({ job, samples }) {
  const { rows_read: read, rows_left_estimate: left, snapshot_seconds_left: seconds } = job.progress;
  const last = samples?.length ? samples[samples.length - 1].snapshot_share : null;
  const share = Math.min(1, last ?? (read + left > 0 ? read / (read + left) : 0));
  return html`<div class="reading" id="reading">
    <p><b>${t("snapshot.progress")}</b> ${format.percent(share)}
      <span>${t("snapshot.rows", { read: format.short(read), left: format.short(left) })}</span>
      <span>${seconds === undefined || seconds === null ? t("snapshot.unknown") : t("snapshot.left", { time: format.duration(seconds) })}</span>
      <span>${t("snapshot.tables", { live: format.count(job.tables_live), all: format.count(job.tables) })}</span></p>
    <${Bar} share=${share} label=${t("snapshot.progress")} />
  </div>`;
}

function Charts({ samples }) {
  const times = samples.map((one) => one.at_ms / 1000);
  const of = (field) => samples.map((one) => one[field] ?? null);
  const perSecond = (value) => `${format.rate(value)}/${t("unit.s")}`;
  const reads = samples.some((one) => one.read_per_second > 0);
  const copies = samples.some((one) => one.snapshot_share !== undefined && one.snapshot_share !== null);
  return html`<div class=${copies ? "charts four" : "charts"}>
    <${Chart} title=${t("chart.rows")} times=${times} write=${perSecond} lines=${[
      { name: t("chart.streamed"), color: "accent", values: of("streamed_per_second") },
      ...(reads ? [{ name: t("chart.read"), color: "second", values: of("read_per_second") }] : []),
    ]} />
    <${Chart} title=${t("chart.lag")} times=${times} write=${format.duration} lines=${[
      { name: t("job.lag"), color: "warn", values: of("lag_seconds") },
    ]} />
    <${Chart} title=${t("chart.bytes")} times=${times} incrs=${BYTE_STEPS} write=${(value) => `${format.bytes(value)}/${t("unit.s")}`} lines=${[
      { name: t("chart.handed"), color: "accent", values: of("bytes_per_second") },
    ]} />
    ${copies && html`<${Chart} title=${t("snapshot.progress")} times=${times} max=${1}
      write=${(value) => (value === null || value === undefined ? "–" : format.percent(value))} lines=${[
      { name: t("chart.share"), color: "second", values: of("snapshot_share") },
    ]} />`}
  </div>`;
}

function Standing({ job }) {
  const { progress, checkpoints } = job;
  const has = (value) => value !== null && value !== undefined;
  return html`<${Facts} facts=${[
    [t("job.now"), has(job.rows_per_second) ? `${format.rate(job.rows_per_second)}/${t("unit.s")}` : null],
    [t("job.lag"), format.duration(job.lag_seconds)],
    [t("job.lag-bytes"), has(progress.lag_bytes) ? format.bytes(progress.lag_bytes) : null],
    [t("job.lag-transactions"), has(progress.lag_transactions) ? format.count(progress.lag_transactions) : null],
    [t("job.read"), format.count(progress.rows_read)],
    [t("job.streamed"), format.count(progress.rows_streamed)],
    [t("job.bytes"), format.bytes(progress.bytes)],
    [t("job.tables"), html`<a href=${jobLink(job.name, "tables")}>${t("job.tables-live", { live: format.count(job.tables_live), all: format.count(job.tables) })}</a>`],
    [t("job.snapshot"), html`<a href=${jobLink(job.name, "snapshots")}><${Ago} ms=${job.last_snapshot_ms} /></a>`],
    [t("job.retention"), has(progress.retention_seconds_left) ? format.duration(progress.retention_seconds_left) : null],
    [t("job.restarts"), format.count(job.restarts)],
    [t("job.began"), html`<${Ago} ms=${job.started_at_ms} />`],
    [t("job.strategy"), t(`strategy.${job.strategy}`)],
    [t("job.wanted"), t(`wanted.${job.wanted}`)],
    [t("job.created"), format.time(job.created_at_ms)],
    has(checkpoints.restored) && [t("snapshots.restored"), `#${checkpoints.restored}`],
  ]} />
  ${progress.position && html`<p class="position"><b>${t("job.position")}</b> <code>${progress.position}</code></p>`}`;
}
