// A new job: its script pasted or picked, checked, named, and started.

import { html, useMemo, useRef, useState } from "./base.js";
import { Once, post } from "./api.js";
import { Refusal, took } from "./actions.js";
import { Dialog } from "./bits.js";
import { Editor, toldOf } from "./editor.js";
import { t } from "./i18n.js";
import { go, jobLink } from "./route.js";
import { closeDialog, toast, useStore } from "./store.js";
import { foldersOf } from "./tree.js";

const STRATEGIES = ["latest", "earliest", "none"];

export function Submit() {
  const jobs = useStore((all) => all.jobs);
  const [script, setScript] = useState("");
  const [file, setFile] = useState(null);
  const [name, setName] = useState("");
  const [note, setNote] = useState("");
  const [start, setStart] = useState(true);
  const [lenient, setLenient] = useState(false);
  const [strategy, setStrategy] = useState("latest");
  const [told, setTold] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const once = useRef(new Once());
  const folders = useMemo(() => [...new Set(jobs.flatMap((job) => foldersOf(job.name)))].sort(), [jobs]);
  const write = (text) => {
    setScript(text);
    setTold(null);
  };
  const pick = async (picked) => {
    if (!picked) return;
    write(await picked.text());
    setFile(picked.name);
  };
  const given = () => ({ script, lenient, ...(file ? { file } : {}) });
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
  const check = () => run(async () => setTold(await post("validate", given())));
  const submit = (event) => {
    event.preventDefault();
    run(async () => {
      const wish = { ...given(), start, strategy, note, ...(name.trim() ? { name: name.trim() } : {}) };
      const answer = await once.current.post("jobs", wish);
      const job = answer.job || answer;
      took(job);
      closeDialog();
      toast(t(start ? "submit.started" : "submit.kept", { name: job.name }));
      go(jobLink(job.name));
    });
  };
  return html`<${Dialog} title=${t("submit.title")} wide busy=${busy}><form onSubmit=${submit} class="submit"
      onDragOver=${(e) => e.preventDefault()} onDrop=${(e) => (e.preventDefault(), pick(e.dataTransfer.files[0]))}>
    <p>${t("submit.what")}</p>
    <label class="file">${t("submit.file")} <input type="file" accept=".sql,.yaml,.yml,.txt" onChange=${(e) => pick(e.target.files[0])} /></label>
    <${Editor} value=${script} onInput=${write} told=${told} />
    <div class="fields">
      <label>${t("submit.name")}<input type="text" id="submit-name" list="folders" maxlength="500" placeholder="retail/orders/emp_sync" value=${name} onInput=${(e) => setName(e.target.value)} />
        <small>${t("submit.name.why")}</small></label>
      <datalist id="folders">${folders.map((folder) => html`<option value=${`${folder}/`} />`)}</datalist>
      <label>${t("job.strategy")}<select value=${strategy} onChange=${(e) => setStrategy(e.target.value)}>
        ${STRATEGIES.map((one) => html`<option value=${one}>${t(`strategy.${one}`)}</option>`)}</select>
        <small>${t(`strategy.${strategy}.what`)}</small></label>
      <label>${t("note")}<input type="text" maxlength="1000" value=${note} onInput=${(e) => setNote(e.target.value)} /></label>
    </div>
    <label class="check"><input type="checkbox" id="submit-start" checked=${start} onChange=${(e) => setStart(e.target.checked)} /><span>${t("submit.start")}</span></label>
    <label class="check"><input type="checkbox" checked=${lenient} onChange=${(e) => (setLenient(e.target.checked), setTold(null))} /><span>${t("submit.lenient")}</span></label>
    <${Refusal} error=${error} />
    <footer>
      <button type="button" disabled=${busy} onClick=${closeDialog}>${t("back")}</button>
      <button type="button" id="check" disabled=${busy || !script.trim()} onClick=${check}>${t("script.check")}</button>
      <button type="submit" class="primary" disabled=${busy || !script.trim()}>${busy ? t("busy") : t(start ? "submit.do-start" : "submit.do")}</button>
    </footer>
  </form><//>`;
}
