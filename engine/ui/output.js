// The tail of what `print` writes, as it comes.

import { html, useEffect, useLayoutEffect, useRef, useState } from "./base.js";
import { get, jobPath } from "./api.js";
import { Trouble } from "./bits.js";
import * as format from "./format.js";
import { t } from "./i18n.js";
import { listen } from "./live.js";

const LINES_MAX = 2000;
const ASKED = 500;

export function OutputTab({ job }) {
  const [shown, setShown] = useState({ lines: null, dropped: 0, error: null });
  const [held, setHeld] = useState(false);
  const box = useRef();
  useEffect(() => {
    const add = (lines, dropped) => setShown((old) => {
      const kept = old.lines || [];
      const last = kept.length ? kept[kept.length - 1].number : 0;
      return { lines: [...kept, ...lines.filter((one) => one.number > last)].slice(-LINES_MAX), dropped: dropped ?? old.dropped, error: null };
    });
    const load = (fresh) =>
      get(jobPath(job.name, "output"), { limit: ASKED }).then(
        (found) => {
          // After a restart of the daemon, lines are counted from 1 again.
          if (fresh) setShown({ lines: found.lines, dropped: found.dropped, error: null });
          else add(found.lines, found.dropped);
        },
        (error) => setShown((old) => ({ ...old, error })),
      );
    load(false);
    return listen((kind, value) => {
      if (kind === "output") add(value);
      if (kind === "again") load(true);
    });
  }, [job.name]);
  useLayoutEffect(() => {
    if (!held && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [shown, held]);
  const scrolled = (event) => {
    const { scrollTop, scrollHeight, clientHeight } = event.target;
    // Whoever scrolls up wants to read: what comes then must not move the lines away.
    if (scrollHeight - scrollTop - clientHeight > 40) setHeld(true);
  };

  if (!shown.lines) return shown.error ? html`<${Trouble} error=${shown.error} />` : html`<p class="empty">${t("loading")}</p>`;
  const first = shown.lines[0]?.number ?? 1;
  return html`
    <div class="bar">
      <button type="button" aria-pressed=${held} onClick=${() => setHeld(!held)}>${t(held ? "output.follow" : "output.hold")}</button>
      <span class="dim" role="status">${t("output.lines", { n: format.count(shown.lines.length) })}${first > 1 ? ` · ${t("output.earlier", { n: format.count(first - 1) })}` : ""}</span>
    </div>
    <${Trouble} error=${shown.error} />
    ${shown.lines.length === 0
      ? html`<p class="empty">${job.sinks.includes("print") ? t("output.none") : t("output.no-print")}</p>`
      : html`<div class="output" id="output" role="log" aria-live="off" aria-label=${t("tab.output")} tabindex="0" ref=${box} onScroll=${scrolled}>
        ${shown.lines.map((one) => html`<div key=${one.number} class=${kindOf(one.text)}><span class="number" aria-hidden="true">${one.number}</span><span class="line">${one.text}</span></div>`)}
      </div>`}`;
}

function kindOf(text) {
  const kind = text.match(/> ([+-][IUD])\[/)?.[1];
  return { "+I": "insert", "+U": "update", "-U": "before", "-D": "delete" }[kind] || "";
}
