//! Charts for `docs/performance.md`: lines over a few places, from zero, each with its figures as a table.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::machine::Machine;
use crate::table::{escaped, replace};

/// Pictures lie in this folder, beside the page.
const FOLDER: &str = "performance";
const COLOURS: [&str; 6] = ["#2f6fab", "#d9822b", "#3a9a5b", "#8757a8", "#b03a48", "#6b7280"];

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 46.0;
/// Of one letter, about.
const LETTER: f64 = 7.0;

/// A quantity at several places, by series.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    /// Of its file, and of its region in the page.
    pub(crate) name: &'static str,
    /// With the unit.
    pub(crate) title: String,
    /// What the places are.
    pub(crate) along: &'static str,
    pub(crate) places: Vec<String>,
    pub(crate) series: Vec<Series>,
    /// What no value is to be above.
    pub(crate) limit: Option<f64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// One for each place.
    pub(crate) values: Vec<f64>,
}

impl Chart {
    /// Writes the picture, and puts it with its figures into its region of the page.
    pub(crate) fn write(&self, page: &Path, machine: &Machine) -> Result<()> {
        let folder = page.with_file_name(FOLDER);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{}.svg", self.name)), self.svg()?)?;
        let Self { name, title, .. } = self;
        let Machine { date, commit, .. } = machine;
        let picture = format!("![{title}]({FOLDER}/{name}.svg)\n\n");
        let when = format!("\n{date}, commit {commit}.\n");
        replace(page, name, &(picture + &self.markdown() + &when))
    }

    pub(crate) fn told(&self) -> String {
        format!("along {}:\n{}", self.along, self.markdown())
    }

    fn markdown(&self) -> String {
        let mut text = format!("| {} | {} |\n", self.title, self.places.join(" | "));
        text += &format!("|---{}|\n", "|---".repeat(self.places.len()));
        for Series { name, values } in &self.series {
            let values: Vec<String> = values.iter().copied().map(figure).collect();
            text += &format!("| {name} | {} |\n", values.join(" | "));
        }
        text
    }

    fn svg(&self) -> Result<String> {
        let values = self.series.iter().flat_map(|series| &series.values);
        let step = step(values.copied().chain(self.limit).fold(0.0, f64::max));
        let top = step.1 * f64::from(step.0);
        let count = self.places.len().max(2) - 1;
        let x = |place: usize| {
            LEFT + 30.0 + (WIDTH - LEFT - RIGHT - 60.0) * place as f64 / count as f64
        };
        let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
             fill=\"#fff\"/>\n<text x=\"8\" y=\"18\" font-weight=\"bold\">{}</text>\n",
            escaped(&self.title.replace('`', ""))
        );
        for line in 0..=step.0 {
            let value = step.1 * f64::from(line);
            let (right, at) = (WIDTH - RIGHT, y(value));
            writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>")?;
            text(&mut svg, (LEFT - 6.0, at + 4.0), "end", &figure(value))?;
        }
        for (place, name) in self.places.iter().enumerate() {
            text(&mut svg, (x(place), HEIGHT - BOTTOM + 18.0), "middle", name)?;
        }
        text(&mut svg, (WIDTH / 2.0, HEIGHT - 8.0), "middle", self.along)?;
        if let Some(limit) = self.limit {
            let (right, at) = (WIDTH - RIGHT, y(limit));
            writeln!(
                svg,
                "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#c33\" stroke-dasharray=\"5\"/>"
            )?;
        }
        let mut legend = LEFT;
        for (Series { name, values }, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let points = values.iter().enumerate().map(|(at, value)| (x(at), y(*value)));
            let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                points.join(" ")
            )?;
            for (x, y) in points.iter().filter_map(|point| point.split_once(',')) {
                writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3.5\" fill=\"{colour}\"/>")?;
            }
            writeln!(
                svg,
                "<rect x=\"{legend:.0}\" y=\"34\" width=\"12\" height=\"12\" fill=\"{colour}\"/>"
            )?;
            text(&mut svg, (legend + 17.0, 44.0), "start", name)?;
            legend += 34.0 + LETTER * name.chars().count() as f64;
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) -> Result<()> {
    let text = escaped(&text.replace('`', ""));
    Ok(writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>")?)
}

/// How many steps, and how long each, from zero to past `most`.
fn step(most: f64) -> (u32, f64) {
    let most = if most > 0.0 { most } else { 1.0 };
    let power = 10_f64.powf(most.log10().floor());
    let steps = [0.1, 0.2, 0.25, 0.5, 1.0, 2.0].map(|of| of * power);
    let fits = |step: &f64| most / step <= 6.0;
    let step = steps.into_iter().find(fits).unwrap_or(power);
    let mut count = 1;
    while step * f64::from(count) < most {
        count += 1;
    }
    (count, step)
}

/// With as many digits as say something.
fn figure(value: f64) -> String {
    match value.abs() {
        nothing if nothing <= 0.0 => "0".to_owned(),
        small if small < 1.0 => format!("{value:.3}"),
        some if some < 10.0 => format!("{value:.2}"),
        more if more < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
