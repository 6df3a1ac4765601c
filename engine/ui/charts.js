// A chart over time, drawn by uPlot, in the colours of the page; what it shows stands beside it in words too.

import { html, useEffect, useRef, useState } from "./base.js";
import uPlot from "./vendor/uplot.js";
import * as format from "./format.js";
import { t } from "./i18n.js";
import { useStore } from "./store.js";

const HEIGHT = 170;

/** `lines`: `{name, color, values}` with `color` a CSS variable; `write` makes words of a value, `incrs` are the steps of its axis. */
export function Chart({ title, times, lines, write, max, incrs }) {
  const box = useRef();
  const plot = useRef(null);
  const [at, setAt] = useState(null);
  const theme = useStore((all) => all.theme);
  const language = useStore((all) => all.language);
  const data = [times, ...lines.map((line) => line.values)];
  const latest = useRef();
  latest.current = data;
  const named = lines.map((line) => line.name).join();

  useEffect(() => {
    const place = box.current;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(place, { lines, write, max, incrs, setAt }), latest.current, place);
    };
    draw();
    const size = new ResizeObserver(() => plot.current?.setSize({ width: place.clientWidth, height: HEIGHT }));
    size.observe(place);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => {
      size.disconnect();
      dark.removeEventListener("change", draw);
      plot.current.destroy();
      plot.current = null;
    };
  }, [theme, language, named]);
  useEffect(() => plot.current?.setData(data), [times]);

  const shown = at !== null && at < times.length ? at : times.length - 1;
  const legend = lines.map((line) => [line, write(line.values[shown])]);
  const words = legend.map(([line, value]) => `${line.name}: ${value}`).join(", ");
  return html`<figure class="chart">
    <figcaption><b>${title}</b>
      ${legend.map(([line, value]) => html`<span class="legend"><i class=${`c-${line.color}`}></i>${line.name} <b>${value}</b></span>`)}
      <span class="at">${at !== null && times[shown] ? format.clock(times[shown] * 1000) : ""}</span>
    </figcaption>
    <div class="plot" ref=${box} role="img" aria-label=${t("chart.label", { title, words })}></div>
  </figure>`;
}

function options(box, { lines, write, max, incrs, setAt }) {
  const style = getComputedStyle(box);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = { stroke: color("dim"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width: box.clientWidth || 400,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, max ?? Math.max(high * 1.1, 1)] } },
    axes: [
      { ...axis, size: 26, space: 90, values: (_, splits) => splits.map((at) => format.clock(at * 1000)) },
      { ...axis, size: 66, incrs, values: (_, splits) => splits.map(write) },
    ],
    series: [
      {},
      ...lines.map((line) => ({ stroke: color(line.color), width: 1.75, fill: `${color(line.color)}22`, points: { show: false } })),
    ],
    hooks: { setCursor: [(self) => setAt(self.cursor.idx ?? null)] },
  };
}
