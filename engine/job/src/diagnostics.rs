//! What a reader of scripts has to tell, with its place: errors that stop the job, notes that are
//! logged once.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::Mode;

mod excerpt;

pub use excerpt::Excerpt;
pub(crate) use excerpt::Lines;

/// Errors and notes of one script that are told, each; the rest is counted.
const TOLD_MAX: usize = 200;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the script. Line and column count from 1, the column in characters.
    Script { file: String, line: usize, column: usize },
    /// On the command line, in the override of this key.
    Override { key: String },
    /// In the script as a whole: something is missing.
    Whole { file: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Override { key } => write!(f, "--set {key}"),
            Self::Whole { file } => f.write_str(file),
        }
    }
}

/// One thing that is wrong with a script: what, why and the correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptError {
    pub place: Place,
    pub message: String,
    /// The line it stands in, with secrets hidden.
    pub excerpt: Option<Excerpt>,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        let (Place::Script { line, .. }, Some(excerpt)) = (&self.place, &self.excerpt) else {
            return Ok(());
        };
        let margin = " ".repeat(line.to_string().len());
        write!(f, "\n  {line} | {}\n  {margin} | {}", excerpt.line, excerpt.marks())
    }
}

/// Everything that is wrong with a script, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptErrors {
    pub file: String,
    /// Never empty.
    pub errors: Vec<ScriptError>,
}

impl fmt::Display for ScriptErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ScriptErrors {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// A key that does nothing here.
    NoCounterpart,
    /// A default worth knowing.
    Default,
    /// Something dropped as Dinky drops it; only with [`Mode::Lenient`].
    Leniency,
}

/// Something to log once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    pub kind: NoteKind,
    pub place: Place,
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// A place while reading: bytes of the script, or the key of an override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    Script(Range<usize>),
    Override(String),
    Whole,
}

impl From<Range<usize>> for At {
    fn from(range: Range<usize>) -> Self {
        Self::Script(range)
    }
}

/// In which of its two forms a job is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Dialect {
    /// As a script for Dinky.
    #[default]
    Script,
    /// As a pipeline for Flink CDC.
    Pipeline,
}

/// Collects what there is to tell.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) mode: Mode,
    pub(crate) dialect: Dialect,
    /// Part of the script could not be read, so what seems to be missing may stand there.
    cut_short: bool,
    errors: Vec<(At, String)>,
    notes: Vec<(NoteKind, At, String)>,
}

impl Report {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            dialect: Dialect::default(),
            cut_short: false,
            errors: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Wrong in either mode.
    pub(crate) fn error(&mut self, at: impl Into<At>, message: impl Into<String>) {
        self.errors.push((at.into(), message.into()));
    }

    /// Wrong in either mode, and what follows could not be read.
    pub(crate) fn unreadable(&mut self, at: impl Into<At>, message: impl Into<String>) {
        self.cut_short();
        self.error(at, message);
    }

    /// What follows could not be read. Dinky's reading, which leniency follows, ends by its own
    /// rules: there, what is missing is missing.
    pub(crate) fn cut_short(&mut self) {
        self.cut_short |= self.mode == Mode::Strict;
    }

    /// Something is missing, unless it may stand in what could not be read.
    pub(crate) fn missing(&mut self, message: impl Into<String>) {
        if !self.cut_short {
            self.error(At::Whole, message);
        }
    }

    /// What Dinky lets pass: wrong when strict, else a note that also tells what Dinky does. In a
    /// pipeline it is wrong, and nothing is said of Dinky.
    pub(crate) fn dropped(
        &mut self,
        at: impl Into<At>,
        what: impl fmt::Display,
        dinky: &str,
        fix: impl fmt::Display,
    ) {
        let fix = fix.to_string();
        match self.mode {
            Mode::Strict if self.dialect == Dialect::Pipeline => {
                let end = if fix.is_empty() { String::new() } else { format!(": {fix}") };
                self.error(at, format!("{what}{end}"));
            }
            Mode::Strict if fix.is_empty() => self.error(at, format!("{what}; Dinky {dinky}")),
            Mode::Strict => self.error(at, format!("{what}; Dinky {dinky}: {fix}")),
            Mode::Lenient => self.note(NoteKind::Leniency, at, format!("{what}; as Dinky {dinky}")),
        }
    }

    pub(crate) fn note(&mut self, kind: NoteKind, at: impl Into<At>, text: impl Into<String>) {
        self.notes.push((kind, at.into(), text.into()));
    }

    /// More errors would only be counted, so their corrections need not be looked for.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() > TOLD_MAX
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// Gives every place its line and column. Errors and notes come in the order of the script.
    pub(crate) fn finish(&mut self, lines: &Lines<'_>) -> (ScriptErrors, Vec<Note>) {
        self.one_error_a_place();
        self.notes.sort_by_key(|(_, at, _)| order(at));
        self.notes.dedup();
        let untold =
            (self.errors.len().saturating_sub(TOLD_MAX), self.notes.len().saturating_sub(TOLD_MAX));
        self.errors.truncate(TOLD_MAX);
        self.notes.truncate(TOLD_MAX);
        if untold.0 > 0 {
            self.errors.push((At::Whole, format!("and {} more errors", untold.0)));
        }
        if untold.1 > 0 {
            let text = format!("and {} more notes", untold.1);
            self.notes.push((NoteKind::Leniency, At::Whole, text));
        }
        let errors = self.errors.drain(..).map(|(at, message)| ScriptError {
            place: lines.place(&at),
            message,
            excerpt: lines.excerpt(&at),
        });
        let errors = ScriptErrors { file: lines.file().to_owned(), errors: errors.collect() };
        let note = |(kind, at, text)| Note { kind, place: lines.place(&at), text };
        (errors, self.notes.drain(..).map(note).collect())
    }

    /// Puts the errors in the order of the script. Of two that overlap the earlier found stays:
    /// the later one, about a value for instance, follows from it.
    fn one_error_a_place(&mut self) {
        let mut sorted: Vec<_> = self.errors.drain(..).enumerate().collect();
        sorted.sort_by_key(|(_, (at, _))| order(at));
        let mut kept: Vec<(usize, (At, String))> = Vec::new();
        for (found, error) in sorted {
            match kept.last_mut() {
                Some((first, last)) if overlap(&last.0, &error.0) => {
                    if found < *first {
                        (*first, *last) = (found, error);
                    }
                }
                _ => kept.push((found, error)),
            }
        }
        self.errors = kept.into_iter().map(|(_, error)| error).collect();
    }
}

/// Of the script, and then what is not in it.
fn order(at: &At) -> (u8, usize) {
    match at {
        At::Script(range) => (0, range.start),
        At::Override(_) => (1, 0),
        At::Whole => (2, 0),
    }
}

fn overlap(one: &At, other: &At) -> bool {
    match (one, other) {
        (At::Script(one), At::Script(other)) => one.start < other.end && other.start < one.end,
        _ => false,
    }
}
