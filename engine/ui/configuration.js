// The script of a job: its versions, what changed between two, and the next one.

import { html, useMemo, useState } from "./base.js";
import { get, jobPath, post, put } from "./api.js";
import { Refusal, took, useDeed } from "./actions.js";
import { Deed, Dialog, Facts, Trouble, useLoaded } from "./bits.js";
import { Editor, toldOf } from "./editor.js";
import * as format from "./format.js";
import { t } from "./i18n.js";
import { isOperator, openDialog, toast, useStore } from "./store.js";
import { isActive } from "./tree.js";
import { diffLines } from "./vendor/diff-line.js";

export function Configuration({ job, take }) {
  const operator = useStore(isOperator);
  const { value, error } = useLoaded(() => get(jobPath(job.name, "versions")), [job.name, job.version]);
  const [picked, setPicked] = useState(null);
  const [beside, setBeside] = useState("");
  const [editing, setEditing] = useState(null);
  const versions = value?.versions || [];
  const number = picked ?? job.version;
  const shown = useLoaded(() => get(jobPath(job.name, `versions/${number}`)), [job.name, number]);
  if (editing !== null) {
    return html`<${Edit} job=${job} from=${editing} take=${take} done=${() => (setEditing(null), setPicked(null))} />`;
  }
  const told = versions.find((one) => one.number === number);
  const choices = versions.map((one) => html`<option value=${one.number}>${nameOf(one)}</option>`);
  return html`
    <div class="bar">
      <label>${t("config.version")} <select id="version" value=${number} onChange=${(e) => setPicked(Number(e.target.value))}>${choices}</select></label>
      <label>${t("config.beside")} <select id="beside" value=${beside} onChange=${(e) => setBeside(e.target.value)}>
        <option value="">${t("config.alone")}</option>${choices}</select></label>
      ${operator && shown.value && html`<button type="button" id="edit" class="primary" onClick=${() => setEditing(shown.value)}>${t(number === job.version ? "config.edit" : "config.edit-old")}</button>`}
      ${operator && html`<button type="button" onClick=${() => openDialog(() => html`<${Strategy} job=${job} take=${take} />`)}>${t("config.strategy", { strategy: t(`strategy.${job.strategy}`) })}</button>`}
    </div>
    <${Trouble} error=${error || shown.error} />
    ${told && html`<${Facts} facts=${[
      [t("config.written"), format.time(told.at_ms)],
      told.by && [t("config.by"), told.by],
      told.note && [t("note"), told.note],
      shown.value?.file && [t("config.file"), shown.value.file],
      shown.value?.lenient && [t("config.lenient"), t("yes")],
    ]} />`}
    ${!shown.value ? !shown.error && html`<p class="empty">${t("loading")}</p>`
      : beside ? html`<${Diff} job=${job} older=${Number(beside)} newer=${number} />`
      : html`<pre class="script" tabindex="0" aria-label=${t("script")}>${shown.value.script}</pre>`}`;
}

const nameOf = (one) => `${one.number} · ${format.time(one.at_ms)}${one.note ? ` · ${one.note.slice(0, 40)}` : ""}`;

function Diff({ job, older, newer }) {
  const { value, error } = useLoaded(
    () => Promise.all([older, newer].sort((a, b) => a - b).map((number) => get(jobPath(job.name, `versions/${number}`)))),
    [job.name, older, newer],
  );
  const parts = useMemo(() => (value ? diffLines(value[0].script, value[1].script) : []), [value]);
  if (error) return html`<${Trouble} error=${error} />`;
  if (!value) return html`<p class="empty">${t("loading")}</p>`;
  const changed = parts.some((part) => part.added || part.removed);
  return html`<p class="dim" role="status">${changed
      ? t("config.changes", { older: value[0].number, newer: value[1].number, added: lines(parts, "added"), removed: lines(parts, "removed") })
      : t("config.same")}</p>
    <pre class="script diff" tabindex="0" aria-label=${t("config.diff")}>${parts.flatMap((part) =>
      part.value.replace(/\n$/, "").split("\n").map((line) => part.added ? html`<ins>${`+ ${line}\n`}</ins>`
        : part.removed ? html`<del>${`- ${line}\n`}</del>` : html`<span>${`  ${line}\n`}</span>`))}</pre>`;
}

const lines = (parts, kind) =>
  parts.reduce((sum, part) => sum + (part[kind] ? part.value.replace(/\n$/, "").split("\n").length : 0), 0);

function Edit({ job, from, take, done }) {
  const [script, setScript] = useState(from.script);
  const [note, setNote] = useState("");
  const [told, setTold] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  // The version that was there when the editing began: who was faster must not be overwritten.
  const [after] = useState(job.version);
  const run = async (deed) => {
    setBusy(true);
    setError(null);
    try {
      await deed();
    } catch (refused) {
      setTold(toldOf(refused) || null);
      setError(toldOf(refused) ? null : refused);
    }
    setBusy(false);
  };
  const check = () => run(async () => setTold(await post("validate", {
    script, lenient: from.lenient, job: job.name, ...(from.file ? { file: from.file } : {}),
  })));
  const save = (apply) => run(async () => {
    const answer = await put(jobPath(job.name), { script, after, apply, note });
    took(answer.job, take);
    toast(t(!answer.changed ? "config.unchanged" : answer.applied ? "config.applied" : "config.saved", { n: answer.job.version }));
    done();
  });
  const active = isActive(job.state);
  return html`<form class="edit" onSubmit=${(e) => (e.preventDefault(), check())}>
    <p>${t("config.hidden")}</p>
    <${Editor} value=${script} onInput=${(text) => (setScript(text), setTold(null))} told=${told} rows=${22} />
    <label>${t("note")}<input type="text" maxlength="1000" value=${note} onInput=${(e) => setNote(e.target.value)} /></label>
    ${error?.kind.endsWith("/problems/outdated") ? html`<${Trouble} error=${error} title=${t("config.outdated")} />` : html`<${Refusal} error=${error} />`}
    <footer>
      <button type="button" disabled=${busy} onClick=${done}>${t("back")}</button>
      <button type="submit" id="check" disabled=${busy}>${t("script.check")}</button>
      <button type="button" id="save" disabled=${busy} title=${t("config.save.what")} onClick=${() => save(false)}>${t("config.save")}</button>
      ${active && html`<button type="button" id="apply" class="primary" disabled=${busy} title=${t("config.apply.what")} onClick=${() => save(true)}>${busy ? t("busy") : t("config.apply")}</button>`}
    </footer>
    <p class="dim">${t(active ? "config.apply.what" : "config.save.what")}</p>
  </form>`;
}

function Strategy({ job, take }) {
  const [strategy, setStrategy] = useState(job.strategy);
  const deed = useDeed((answer) => {
    took(answer.job, take);
    toast(t("config.strategy.did", { strategy: t(`strategy.${strategy}`) }));
  });
  return html`<${Dialog} title=${t("job.strategy")} busy=${deed.busy}>
    <form onSubmit=${(e) => (e.preventDefault(), deed.run(() => put(jobPath(job.name), { strategy })))}>
    <p class="subject">${job.name}</p>
    <p>${t("config.strategy.what")}</p>
    <fieldset><legend>${t("start.from")}</legend>${["latest", "earliest", "none"].map((one) => html`<label class="check" key=${one}>
      <input type="radio" name="strategy" value=${one} checked=${strategy === one} onChange=${() => setStrategy(one)} />
      <span><b>${t(`strategy.${one}`)}</b><br />${t(`strategy.${one}.what`)}</span></label>`)}</fieldset>
    <${Refusal} error=${deed.error} />
    <${Deed} busy=${deed.busy} label=${t("config.strategy.do")} />
  </form><//>`;
}
