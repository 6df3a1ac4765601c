//! The table of results.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- results -->\n";
const END: &str = "<!-- end of results -->\n";

pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) limit: String,
    pub(crate) ratio: String,
    pub(crate) aim: String,
}

/// A ratio for people.
pub(crate) fn times(ratio: f64) -> String {
    format!("{ratio:.2}")
}

pub(crate) fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes / (1 << 20))
}

pub(crate) fn markdown(heading: &str, lines: &[Line]) -> String {
    let mut text = format!(
        "{heading}\n\n| What | Seachange | Against | Ratio | Aim |\n|---|---|---|---|---|\n"
    );
    for Line { what, ours, limit, ratio, aim } in lines {
        text += &format!("| {what} | {ours} | {limit} | **{ratio}** | {aim} |\n");
    }
    text
}

/// Puts the table into a page, in place of the one before.
pub(crate) fn write(page: &Path, table: &str) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("no {}", page.display()))?;
    let (before, rest) = text.split_once(BEGIN).context("the page has no place for results")?;
    let (_, after) = rest.split_once(END).context("the place for results has no end")?;
    Ok(fs::write(page, format!("{before}{BEGIN}{table}{END}{after}"))?)
}
