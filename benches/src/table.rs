//! The results: a table for people, a chart, and a line each for those who compare over time.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::chart::{Chart, Series};
use crate::machine::Machine;
use crate::measure::Run;

/// The region of the page that the table is put into.
const REGION: &str = "results";

/// One side of a comparison.
#[derive(Debug, Clone, Default)]
pub(crate) struct Side {
    /// What it is; empty for ours.
    pub(crate) name: String,
    pub(crate) run: Run,
    /// Rows, changes or row images; 0 where they are not told.
    pub(crate) rows: u64,
    /// Of the binlog or of images; 0 where they are not told.
    pub(crate) bytes: u64,
}

impl Side {
    pub(crate) fn ours(run: Run, rows: u64) -> Self {
        Self { run, rows, ..Self::default() }
    }

    pub(crate) fn named(name: &str, run: Run, rows: u64) -> Self {
        Self { name: name.to_owned(), run, rows, bytes: 0 }
    }

    pub(crate) fn of_bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    fn text(&self) -> String {
        let Run { wall, cpu, peak } = self.run;
        let (rows, mb) = (self.rows as f64, self.bytes as f64 / 1e6);
        let mut text = String::new();
        if !self.name.is_empty() {
            text += &format!("{}: ", self.name);
        }
        text += &format!("{wall:.2} s");
        if self.bytes > 0 {
            text += &format!(", {:.0} MB/s", mb / wall);
        }
        if self.rows > 0 {
            text += &format!(", {:.2} M/s", rows / wall / 1e6);
        }
        if cpu > 0.0 && self.rows > 0 {
            text += &format!(", {cpu:.2} s CPU ({:.2} µs each)", cpu / rows * 1e6);
        }
        if peak > 0 {
            text += &format!(", {} MiB", peak / (1 << 20));
        }
        text
    }
}

/// A comparison of the same work.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) ours: Side,
    pub(crate) against: Side,
    /// At least so many times as fast.
    pub(crate) aim: Option<f64>,
}

impl Line {
    /// Above 1: ours is faster.
    pub(crate) fn ratio(&self) -> f64 {
        self.against.run.wall / self.ours.run.wall
    }

    pub(crate) fn told(&self) -> String {
        let (ours, against) = (self.ours.text(), self.against.text());
        format!("{}: {:.2} ({ours} against {against})", self.what, self.ratio())
    }
}

/// What has no other side: a figure and what it should be.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: String,
    pub(crate) aim: String,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) lines: Vec<Line>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) charts: Vec<Chart>,
}

pub(crate) fn markdown(heading: &str, results: &Results) -> String {
    let mut text = format!("{heading}\n");
    if !results.lines.is_empty() {
        text += "\n| What | Seachange | Against | Ratio | Aim |\n|---|---|---|---|---|\n";
    }
    for line in &results.lines {
        let aim = line.aim.map(|aim| format!("≥ {aim:.2}")).unwrap_or_default();
        let (ours, against) = (line.ours.text(), line.against.text());
        text +=
            &format!("| {} | {ours} | {against} | **{:.2}** | {aim} |\n", line.what, line.ratio());
    }
    if !results.figures.is_empty() {
        text += "\n| What | Measured | Aim |\n|---|---|---|\n";
    }
    for Figure { what, value, aim } in &results.figures {
        text += &format!("| {what} | **{value}** | {aim} |\n");
    }
    text
}

/// Puts the table into a page, in place of the one before.
pub(crate) fn write(page: &Path, table: &str) -> Result<()> {
    replace(page, REGION, table)
}

/// Puts a text between `<!-- NAME -->` and `<!-- end of NAME -->` of a page.
pub(crate) fn replace(page: &Path, region: &str, text: &str) -> Result<()> {
    let (begin, end) = (format!("<!-- {region} -->\n"), format!("<!-- end of {region} -->\n"));
    let held = fs::read_to_string(page).with_context(|| format!("no {}", page.display()))?;
    let missing = || format!("{} has no `{}`", page.display(), begin.trim_end());
    let (before, rest) = held.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("`{region}` has no end"))?;
    Ok(fs::write(page, format!("{before}{begin}{text}{end}{after}"))?)
}

/// Appends a line of JSON for each comparison, figure, and line of a chart.
pub(crate) fn remember(history: &Path, machine: &Machine, results: &Results) -> Result<()> {
    let side = |side: &Side| {
        let Run { wall, cpu, peak } = side.run;
        json!({ "name": side.name, "wall_s": wall, "cpu_s": cpu, "peak_bytes": peak,
                "rows": side.rows, "bytes": side.bytes })
    };
    let mut file = OpenOptions::new().create(true).append(true).open(history)?;
    let common = json!({ "date": machine.date, "commit": machine.commit, "cpu": machine.cpu,
                         "cpus": machine.cpus, "mysql": machine.mysql });
    for line in &results.lines {
        let told = json!({ "machine": common, "what": line.what, "ratio": line.ratio(),
                           "ours": side(&line.ours), "against": side(&line.against) });
        writeln!(file, "{told}")?;
    }
    for Figure { what, value, .. } in &results.figures {
        writeln!(file, "{}", json!({ "machine": common, "what": what, "value": value }))?;
    }
    for Chart { title, places, series, .. } in &results.charts {
        for Series { name, values } in series {
            let told = json!({ "machine": common, "what": title, "of": name, "places": places,
                               "values": values });
            writeln!(file, "{told}")?;
        }
    }
    Ok(())
}

/// The ratios as bars, the aim as a mark on each. A picture of its own: no script, no font of ours.
pub(crate) fn chart(path: &Path, results: &Results) -> Result<()> {
    const LABEL: u32 = 720;
    const BAR: u32 = 360;
    const ROW: u32 = 26;
    const TOP: u32 = 34;
    // Ratios of more than this are cut off, and say so by their number.
    const MOST: f64 = 3.0;
    let x = |ratio: f64| f64::from(LABEL) + ratio.min(MOST) / MOST * f64::from(BAR);
    let rows = u32::try_from(results.lines.len())?;
    let (width, height) = (LABEL + BAR + 70, TOP + rows * ROW + 10);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"#fff\"/>\n<text x=\"8\" y=\"18\" font-weight=\"bold\">how many times as fast as what it \
         is measured against (1 = as fast; | = aim)</text>\n"
    );
    for (line, row) in results.lines.iter().zip(0_u32..) {
        let (y, ratio) = (TOP + row * ROW, line.ratio());
        let what = escaped(&format!("{} / {}", line.what, line.against.name).replace('`', ""));
        let (end, aim) = (x(ratio), line.aim.map(x));
        // Beside the bar, and not under the mark.
        let number = aim.map_or(end, |aim| if aim - end < 40.0 { aim.max(end) } else { end });
        writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{what}</text><rect x=\"{LABEL}\" y=\"{}\" \
             width=\"{:.1}\" height=\"{}\" fill=\"#2f6fab\"/><text x=\"{:.1}\" y=\"{}\">{ratio:.2}</text>",
            LABEL - 8,
            y + 15,
            y + 3,
            end - f64::from(LABEL),
            ROW - 8,
            number + 5.0,
            y + 15
        )?;
        if let Some(at) = aim {
            let (from, to) = (y + 1, y + ROW - 3);
            writeln!(svg, "<path d=\"M{at:.1} {from}V{to}\" stroke=\"#c33\" stroke-width=\"2\"/>")?;
        }
    }
    let (one, bottom) = (x(1.0), height - 6);
    writeln!(svg, "<path d=\"M{one:.1} {TOP}V{bottom}\" stroke=\"#999\" stroke-dasharray=\"3\"/>")?;
    svg.push_str("</svg>\n");
    Ok(fs::write(path, svg)?)
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
