// Where a script is written: lines are numbered, and a finding is one click from its place.

import { html, useRef } from "./base.js";
import { t } from "./i18n.js";
import { Findings } from "./bits.js";

export function Editor({ id = "script", value, onInput, told, rows = 16, label }) {
  const area = useRef();
  const gutter = useRef();
  const lines = value.split("\n").length;
  const wrong = new Set((told?.errors || []).map((one) => one.line));
  const pick = ({ line, column }) => {
    const before = value.split("\n").slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    const at = before + (column ? column - 1 : 0);
    area.current.focus();
    area.current.setSelectionRange(at, at);
    area.current.scrollTop = Math.max(0, (line - 4) * lineHeight(area.current));
  };
  // A tab is what it is elsewhere on the page: the way to the next control.
  return html`<div class="editor">
      <div class="gutter" ref=${gutter} aria-hidden="true">${Array.from({ length: lines }, (_, n) =>
        html`<span class=${wrong.has(n + 1) ? "wrong" : ""}>${n + 1}</span>`)}</div>
      <textarea id=${id} ref=${area} rows=${rows} wrap="off" spellcheck=${false} autocapitalize="off" autocomplete="off" aria-label=${label || t("script")}
        aria-invalid=${wrong.size > 0} value=${value} onInput=${(e) => onInput(e.target.value)}
        onScroll=${(e) => (gutter.current.scrollTop = e.target.scrollTop)}></textarea>
    </div>
    ${told && html`<div class="told" role="status">
      <p class=${told.valid ? "good" : "bad"}>${told.valid ? t("script.valid") : t("script.wrong", { n: told.errors.length })}
        ${told.valid && told.name && html` <span>${t("script.name", { name: told.name })}</span>`}
        ${told.valid && told.source && html` <span>${told.source} → ${told.sinks.join(", ")}</span>`}</p>
      ${told.errors.length > 0 && html`<${Findings} findings=${told.errors} pick=${pick} />`}
      ${told.notes?.length > 0 && html`<p>${t("script.notes")}</p><${Findings} findings=${told.notes} pick=${pick} kind="hint" />`}
    </div>`}`;
}

const lineHeight = (area) => parseFloat(getComputedStyle(area).lineHeight) || 18;

/** What a refusal says of a script, in the shape of a validation. */
export const toldOf = (error) => error?.errors?.length > 0 && { valid: false, errors: error.errors, notes: [] };
