// Small parts that every page uses.

import { html, useEffect, useRef, useState } from "./base.js";
import { t } from "./i18n.js";
import * as format from "./format.js";
import { closeDialog, dismiss, useStore } from "./store.js";

const SHAPES = {
  failed: "✕", restarting: "↻", starting: "◔", snapshotting: "◑", streaming: "●", pausing: "◫",
  paused: "❚❚", stopping: "◪", stopped: "■", created: "○", finished: "✓",
  waiting: "○", live: "●", quarantined: "⚠",
};

/** A state's mark: a shape and a colour, so that neither is needed to tell it. */
export function Mark({ state }) {
  return html`<span class="mark s-${state}" aria-hidden="true">${SHAPES[state] || "·"}</span>`;
}

export function State({ state, kind = "state" }) {
  return html`<span class="state s-${state}"><${Mark} state=${state} />${t(`${kind}.${state}`)}</span>`;
}

/** A time, told as how long ago, the whole of it on hover. */
export function Ago({ ms }) {
  const [, again] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => again((n) => n + 1), 15000);
    return () => clearInterval(timer);
  }, []);
  if (ms === null || ms === undefined) return "–";
  return html`<time dateTime=${new Date(ms).toISOString()} title=${format.time(ms)}>${format.ago(ms)}</time>`;
}

/** A refusal, with all that it says. */
export function Trouble({ error, title }) {
  if (!error) return null;
  const words = title || (error.status === 0 ? t("error.unreachable") : error.title) || t("error.title");
  return html`<div class="trouble" role="alert">
    <strong>${words}</strong>
    <p>${error.message}</p>
    ${error.unsure && html`<p>${t("error.unsure")}</p>`}
    ${error.errors?.length > 0 && html`<${Findings} findings=${error.errors} />`}
  </div>`;
}

/** What a script's reader said. `pick(finding)` puts the cursor there. */
export function Findings({ findings, pick, kind = "error" }) {
  return html`<ol class="findings ${kind}">
    ${findings.map(
      (one) => html`<li>
        ${one.line !== undefined &&
        (pick
          ? html`<button type="button" class="link" onClick=${() => pick(one)}>${place(one)}</button>`
          : html`<span class="place">${place(one)}</span>`)}
        <span>${one.message}</span>
        ${one.excerpt && html`<pre tabindex="0">${one.excerpt}</pre>`}
      </li>`,
    )}
  </ol>`;
}

const place = (one) =>
  one.column === undefined ? t("place.line", one) : t("place.column", one);

/** A modal dialog: the browser keeps the focus inside, and afterwards it is where it was. */
export function Dialog({ title, wide, busy, children, onClose = closeDialog }) {
  const ref = useRef();
  useEffect(() => {
    const before = document.activeElement;
    ref.current.showModal();
    // What was clicked may be gone, with the state that it was for.
    return () => setTimeout(() => (before.isConnected ? before : document.getElementById("main"))?.focus());
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    if (!busy) onClose();
  };
  return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-labelledby="dialog-title" aria-busy=${!!busy}
    onCancel=${cancel}>
    <header>
      <h2 id="dialog-title">${title}</h2>
      <button type="button" class="icon" aria-label=${t("close")} disabled=${busy} onClick=${onClose}>✕</button>
    </header>
    ${children}
  </dialog>`;
}

/** Everything but a dialog's ways out: the way back, and the deed. */
export function Deed({ busy, label, danger, disabled, back = closeDialog }) {
  return html`<footer>
    <button type="button" disabled=${busy} onClick=${back}>${t("back")}</button>
    <button type="submit" class=${danger ? "danger" : "primary"} disabled=${busy || disabled}>
      ${busy ? t("busy") : label}
    </button>
  </footer>`;
}

/** A table that turns into cards on a phone: each cell bears its column's head. */
export function Grid({ label, heads, rows, empty }) {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`<div class="grid" role="region" aria-label=${label} tabindex="0"><table>
    <thead><tr>${heads.map((head) => html`<th scope="col" class=${head.right ? "right" : ""}>${head.text}</th>`)}</tr></thead>
    <tbody>${rows.map(
      (row) => html`<tr key=${row.key} class=${row.kind || ""}>
        ${row.cells.map(
          (cell, at) => html`<td class=${heads[at].right ? "right" : ""} data-head=${heads[at].text}>${cell}</td>`,
        )}
      </tr>`,
    )}</tbody>
  </table></div>`;
}

/** Pairs of a word and its value. */
export function Facts({ facts }) {
  return html`<dl class="facts">
    ${facts.filter(Boolean).map(([word, value]) => html`<div><dt>${word}</dt><dd>${value ?? "–"}</dd></div>`)}
  </dl>`;
}

/** Buttons of which any number may be pressed; `wanted` is a set. */
export function Chips({ label, choices, wanted, onChange }) {
  const flip = (value) => {
    const next = new Set(wanted);
    if (!next.delete(value)) next.add(value);
    onChange(next);
  };
  return html`<div class="chips" role="group" aria-label=${label}>
    ${choices.map(
      ({ value, text, count, state }) => html`<button type="button" class="chip" key=${value}
        aria-pressed=${wanted.has(value)} onClick=${() => flip(value)}>
        ${state && html`<${Mark} state=${state} />`}${text}
        ${count !== undefined && html` <span class="count">${format.count(count)}</span>`}
      </button>`,
    )}
  </div>`;
}

export function Toasts() {
  const toasts = useStore((all) => all.toasts);
  const said = useStore((all) => all.said);
  return html`<div class="toasts" role="status" aria-live="polite">
      ${toasts.map(
        (one) => html`<div class="toast ${one.kind}" key=${one.id}>
          <span>${one.text}</span>
          <button type="button" class="icon" aria-label=${t("close")} onClick=${() => dismiss(one.id)}>✕</button>
        </div>`,
      )}
    </div>
    <div class="unseen" role="status" aria-live="polite" id="said">${said}</div>`;
}

/** A share of 0 to 1 as a bar. */
export function Bar({ share, label }) {
  return html`<progress max="1" value=${share} aria-label=${label}>${format.percent(share)}</progress>`;
}

/** Loads something and keeps it; `again()` loads it anew. */
export function useLoaded(load, inputs) {
  const [found, setFound] = useState({ value: null, error: null });
  const run = useRef(0);
  const again = () => {
    run.current += 1;
    const mine = run.current;
    return load().then(
      (value) => mine === run.current && setFound({ value, error: null }),
      (error) => mine === run.current && setFound((old) => ({ value: old.value, error })),
    );
  };
  useEffect(() => {
    setFound({ value: null, error: null });
    again();
    return () => {
      run.current += 1;
    };
  }, inputs);
  return { ...found, again };
}
