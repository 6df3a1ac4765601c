//! Why the daemon did not do what it was asked.

use std::path::PathBuf;

use crate::api::{Problem, Told};

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "no daemon answers at {server}: {why}; `seachange serve` starts one, and --server or \
         SEACHANGE_SERVER says where else it is"
    )]
    NotThere { server: String, why: String },
    #[error(
        "the daemon at {server} shows a certificate that is not believed: {why}; --ca names the \
         file of its authority"
    )]
    Distrusted { server: String, why: String },
    /// It may have done what it was asked.
    #[error("the daemon at {server} was asked, and its answer was lost: {why}")]
    Cut { server: String, why: String },
    #[error("{}", text(.0))]
    Refused(Box<Problem>),
    #[error("what answers at {server} is not a daemon of Seachange that this client knows: {what}")]
    Strange { server: String, what: String },
    #[error("cannot read {path}: {why}; {expected}", path = .path.display())]
    File { path: PathBuf, why: String, expected: &'static str },
    #[error("{0} holds no token: one line of visible characters is expected")]
    Token(String),
    #[error("cannot make an HTTP client: {0}")]
    Local(String),
}

impl ClientError {
    /// The refusal's status; none where nothing was answered.
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|problem| problem.status)
    }

    pub fn problem(&self) -> Option<&Problem> {
        if let Self::Refused(problem) = self { Some(problem) } else { None }
    }

    /// What was asked for cannot be, whatever the daemon's state: the caller's to mend.
    pub fn is_usage(&self) -> bool {
        let wrong = |problem: &Problem| problem.kind == SCRIPT || problem.status == BAD_REQUEST;
        matches!(self, Self::File { .. } | Self::Token(_)) || self.problem().is_some_and(wrong)
    }

    /// The daemon may be there again soon.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::NotThere { .. } | Self::Cut { .. })
            || self.problem().is_some_and(is_passing)
    }
}

const SCRIPT: &str = "/problems/script";
const BLANK: &str = "about:blank";
const BAD_REQUEST: u16 = 400;
const TOO_MANY: u16 = 429;
const UNAVAILABLE: [u16; 3] = [502, 503, 504];

/// Refused for the moment, and nothing was done: too many requests, or the daemon is ending. Not a
/// savepoint that failed.
pub(super) fn is_passing(problem: &Problem) -> bool {
    problem.status == TOO_MANY || (problem.kind == BLANK && UNAVAILABLE.contains(&problem.status))
}

/// Of a script that is wrong each error, as `run` shows it; else what the daemon says.
fn text(problem: &Problem) -> String {
    if problem.errors.is_empty() {
        let detail = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
        return detail.clone();
    }
    let lines: Vec<String> = problem.errors.iter().map(|told| place(told, None)).collect();
    lines.join("\n")
}

/// An error of a script with its place and its line, as `run` shows it.
pub(crate) fn place(told: &Told, file: Option<&str>) -> String {
    let mut place: Vec<String> = file.iter().map(ToString::to_string).collect();
    place.extend(told.line.iter().chain(&told.column).map(ToString::to_string));
    place.push(format!(" {}", told.message));
    let mut text = place.join(":").trim_start().to_owned();
    let Some(excerpt) = &told.excerpt else { return text };
    let number = told.line.map(|line| line.to_string()).unwrap_or_default();
    let margin = " ".repeat(number.len());
    let has_margin = excerpt.trim_start().starts_with(&format!("{number} | "));
    for (at, line) in excerpt.lines().enumerate() {
        let number = if at == 0 { &number } else { &margin };
        match has_margin {
            true => text.push_str(&format!("\n{line}")),
            false => text.push_str(&format!("\n  {number} | {line}")),
        }
    }
    text
}
