//! Answers, for people: tables that become lists where the terminal is narrow, states in colour,
//! numbers in words.

use std::io::IsTerminal;

use comfy_table::{Table, presets};

use crate::api::{JobState, Snapshot};
use crate::commands::show;
use crate::commands::words::{count, fits, terminal_width, time_text};

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Rows of the same columns. The first is a state or a kind, the second a name.
pub(super) struct Listing<const N: usize> {
    pub(super) header: [&'static str; N],
    pub(super) rows: Vec<[String; N]>,
    /// Where there is no row.
    pub(super) nothing: &'static str,
}

impl<const N: usize> Listing<N> {
    pub(super) fn show(&self) -> std::io::Result<()> {
        show(painted(&self.text(terminal_width()), is_colourful()))
    }

    /// A table where the terminal is wide enough, else a list. Columns that are empty all through are
    /// left out.
    pub(super) fn text(&self, width: Option<usize>) -> String {
        if self.rows.is_empty() {
            return self.nothing.to_owned();
        }
        let used = self.used();
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(of(&self.header, &used));
        for row in &self.rows {
            table.add_row(of(row, &used));
        }
        if fits(&table, width) {
            return table
                .lines()
                .map(|line| line.trim_end().to_owned() + "\n")
                .collect::<String>()
                .trim_end()
                .to_owned();
        }
        let entries: Vec<String> = self.rows.iter().map(|row| self.entry(row)).collect();
        entries.join("\n")
    }

    fn used(&self) -> [bool; N] {
        std::array::from_fn(|column| {
            self.rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()))
        })
    }

    /// One row, below each other.
    fn entry(&self, row: &[String; N]) -> String {
        let mut cells = self.header.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        let title: Vec<&str> = cells.by_ref().take(2).map(|(_, cell)| cell.as_str()).collect();
        let mut out = title.join(" ");
        for (name, cell) in cells {
            out.push_str(&format!("\n  {name:<12} {cell}"));
        }
        out
    }
}

fn of<T: ToString, const N: usize>(cells: &[T; N], used: &[bool; N]) -> Vec<String> {
    let used = cells.iter().zip(used).filter(|(_, used)| **used);
    used.map(|(cell, _)| cell.to_string()).collect()
}

/// Colours are for a terminal whose user has not said otherwise.
pub(super) fn is_colourful() -> bool {
    std::env::var_os("NO_COLOR").is_none() && std::io::stdout().is_terminal()
}

/// The state that a line begins with, in its colour.
pub(super) fn painted(text: &str, colourful: bool) -> String {
    if !colourful {
        return text.to_owned();
    }
    let lines: Vec<String> = text.lines().map(painted_line).collect();
    lines.join("\n")
}

fn painted_line(line: &str) -> String {
    let text = line.trim_start();
    let word = text.split([' ', ':', ',']).next().unwrap_or_default();
    let state = JobState::ALL.into_iter().find(|state| state.name() == word);
    let colour = match (state, word) {
        (Some(state), _) => of_state(state),
        (None, "live") => GREEN,
        (None, "quarantined") => RED,
        (None, _) => return line.to_owned(),
    };
    let (margin, rest) = (line.len() - text.len(), text.get(word.len()..).unwrap_or_default());
    format!("{}{colour}{word}{PLAIN}{rest}", " ".repeat(margin))
}

fn of_state(state: JobState) -> &'static str {
    match state {
        JobState::Streaming | JobState::Finished => GREEN,
        JobState::Failed => RED,
        JobState::Starting
        | JobState::Snapshotting
        | JobState::Pausing
        | JobState::Stopping
        | JobState::Restarting => YELLOW,
        JobState::Created | JobState::Paused | JobState::Stopped => DIM,
    }
}

/// A time that may be unknown.
pub(super) fn time(ms: Option<i64>) -> String {
    ms.map_or_else(String::new, time_text)
}

/// A number that may be unknown.
pub(super) fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Seconds, to the tenth below a minute.
pub(super) fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "-".to_owned();
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = std::time::Duration::try_from_secs_f64(seconds.round()).unwrap_or_default();
    let text = humantime::format_duration(whole).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// A snapshot that was taken, in a few words.
pub(super) fn taken(snapshot: &Snapshot) -> String {
    let mut text = format!("savepoint {}, {}", snapshot.id, count(snapshot.size_bytes, "byte"));
    if let Some(position) = &snapshot.position {
        text.push_str(&format!(", at {position}"));
    }
    text
}
