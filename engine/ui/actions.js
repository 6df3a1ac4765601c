// What one can do to a job: each button says what it will do before it does it.

import { html, useRef, useState } from "./base.js";
import { del, jobPath, Once, post } from "./api.js";
import { Deed, Dialog, Trouble } from "./bits.js";
import * as format from "./format.js";
import { t } from "./i18n.js";
import { go } from "./route.js";
import { closeDialog, forgetJob, isOperator, mergeJobs, openDialog, toast, useStore } from "./store.js";
import { isActive, isRunning } from "./tree.js";

const FLOWS = new Set(["snapshotting", "streaming"]);

/** Each with when it is to be had; else `needs` says why not. */
const ACTIONS = [
  { id: "start", when: (s) => !isActive(s), needs: "needs.ended", primary: true },
  { id: "resume", when: (s) => s === "paused", needs: "needs.paused", primary: true },
  { id: "savepoint", when: (s) => FLOWS.has(s), needs: "needs.flows" },
  { id: "pause", when: (s) => FLOWS.has(s), needs: "needs.flows" },
  { id: "smart", when: (s) => isRunning(s) && s !== "stopping", needs: "needs.flows" },
  { id: "stop-savepoint", when: (s) => FLOWS.has(s), needs: "needs.flows" },
  { id: "cancel", when: (s) => isActive(s), needs: "needs.active", danger: true },
  { id: "delete", when: (s) => !isActive(s), needs: "needs.ended", danger: true },
];

export function Actions({ job, take, again }) {
  const operator = useStore(isOperator);
  if (!operator) return html`<p class="viewer">${t("role.viewer.why")}</p>`;
  // Of start and resume, pause: the one that can be had.
  const shown = ACTIONS.filter(({ id, when }) =>
    when(job.state) || !["start", "resume", isActive(job.state) ? "delete" : "cancel"].includes(id));
  return html`<div class="actions" role="group" aria-label=${t("job.actions")}>
    ${shown.map(({ id, when, needs, primary, danger }) => {
      const can = when(job.state);
      return html`<button type="button" key=${id} id=${`do-${id}`} class=${primary ? "primary" : danger ? "danger" : ""}
        aria-disabled=${!can} title=${can ? t(`do.${id}.what`) : t(needs)}
        onClick=${() => (can ? openDialog(() => html`<${Act} id=${id} job=${job} take=${take} again=${again} />`) : toast(t(needs), "note"))}>
        ${t(`do.${id}`)}</button>`;
    })}
  </div>`;
}

function Act(props) {
  if (props.id === "start") return html`<${Start} ...${props} />`;
  if (props.id === "delete") return html`<${Delete} ...${props} />`;
  return html`<${Plain} ...${props} />`;
}

/** Does one thing at a time, keeps its refusal, closes the dialog when it is done. */
export function useDeed(done) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const run = async (deed) => {
    setBusy(true);
    setError(null);
    try {
      const answer = await deed();
      closeDialog();
      done?.(answer);
    } catch (refused) {
      setError(refused);
      setBusy(false);
    }
  };
  return { busy, error, run };
}

/** A savepoint that failed is told by what it means: the job runs on. */
export function Refusal({ error }) {
  if (!error) return null;
  return html`<${Trouble} error=${error} title=${error.savepointFailed ? t("refused.runs-on") : undefined} />`;
}

const REQUESTS = {
  savepoint: (name, note, once) => once.post(jobPath(name, "savepoints"), { note }),
  pause: (name, note) => post(jobPath(name, "pause"), { note }),
  resume: (name) => post(jobPath(name, "resume")),
  smart: (name, note) => post(jobPath(name, "stop"), { kind: "smart", note }),
  "stop-savepoint": (name, note) => post(jobPath(name, "stop"), { kind: "savepoint", note }),
  cancel: (name) => post(jobPath(name, "stop"), { kind: "cancel" }),
};
const NOTED = new Set(["savepoint", "pause", "smart", "stop-savepoint"]);

function Plain({ id, job, take, again }) {
  const [note, setNote] = useState("");
  const once = useRef(new Once());
  const deed = useDeed((answer) => {
    const savepoint = id === "savepoint" ? answer : answer.savepoint;
    const now = answer.job || (answer.state && answer);
    if (now) took(now, take);
    else again();
    toast(savepoint ? t(`did.${id}.savepoint`, { id: savepoint.id, size: format.bytes(savepoint.size_bytes) }) : t(`did.${id}`));
  });
  const submit = (event) => {
    event.preventDefault();
    deed.run(() => REQUESTS[id](job.name, note, once.current));
  };
  return html`<${Dialog} title=${t(`do.${id}`)} busy=${deed.busy}><form onSubmit=${submit}>
    <p class="subject">${job.name}</p>
    <p>${t(`do.${id}.what`)}</p>
    ${NOTED.has(id) && html`<label>${t("note")}<input type="text" maxlength="1000" value=${note} onInput=${(e) => setNote(e.target.value)} /></label>`}
    <${Refusal} error=${deed.error} />
    <${Deed} busy=${deed.busy} label=${t(`do.${id}`)} danger=${id === "cancel"} />
  </form><//>`;
}

/** What a request gave back is shown at once. */
export function took(job, take) {
  take?.(job);
  mergeJobs([job]);
}

const WAYS = ["latest", "earliest", "none", "custom"];

function Start({ job, take }) {
  const [way, setWay] = useState(job.strategy);
  const [custom, setCustom] = useState("");
  const [fallback, setFallback] = useState(false);
  const deed = useDeed((answer) => {
    took(answer, take);
    toast(t("did.start"));
  });
  const submit = (event) => {
    event.preventDefault();
    const from = way === "custom" ? { custom: custom.trim() } : way;
    deed.run(() => post(jobPath(job.name, "start"), { from, allow_fallback: fallback }));
  };
  return html`<${Dialog} title=${t("do.start")} busy=${deed.busy}><form onSubmit=${submit}>
    <p class="subject">${job.name}</p>
    <p>${t("do.start.what")}</p>
    <fieldset><legend>${t("start.from")}</legend>
      ${WAYS.map((one) => html`<label class="check" key=${one}>
        <input type="radio" name="from" value=${one} checked=${way === one} onChange=${() => setWay(one)} />
        <span><b>${t(`strategy.${one}`)}</b>${one === job.strategy && html` <em>${t("start.usual")}</em>`}<br />${t(`strategy.${one}.what`)}</span></label>`)}
    </fieldset>
    ${way === "custom" && html`<label>${t("start.custom")}<input type="text" required value=${custom} onInput=${(e) => setCustom(e.target.value)} /></label>`}
    ${way === "latest" && html`<label class="check"><input type="checkbox" checked=${fallback} onChange=${(e) => setFallback(e.target.checked)} /><span>${t("start.fallback")}</span></label>`}
    <${Refusal} error=${deed.error} />
    <${Deed} busy=${deed.busy} label=${t("do.start")} />
  </form><//>`;
}

function Delete({ job }) {
  const [snapshots, setSnapshots] = useState(false);
  const [typed, setTyped] = useState("");
  const deed = useDeed(() => {
    forgetJob(job.name);
    go("#/");
    toast(t("did.delete", { name: job.name }));
  });
  const submit = (event) => {
    event.preventDefault();
    deed.run(() => del(jobPath(job.name), snapshots ? { snapshots: true } : undefined));
  };
  const last = job.name.slice(job.name.lastIndexOf("/") + 1);
  return html`<${Dialog} title=${t("do.delete")} busy=${deed.busy}><form onSubmit=${submit}>
    <p class="subject">${job.name}</p>
    <p>${t("do.delete.what")}</p>
    <label class="check"><input type="checkbox" checked=${snapshots} onChange=${(e) => setSnapshots(e.target.checked)} /><span>${t("delete.snapshots")}</span></label>
    ${snapshots && html`<label>${t("delete.type", { name: last })}<input type="text" autocomplete="off" value=${typed} onInput=${(e) => setTyped(e.target.value)} /></label>`}
    <${Refusal} error=${deed.error} />
    <${Deed} busy=${deed.busy} label=${t("do.delete")} danger disabled=${snapshots && typed !== last} />
  </form><//>`;
}
