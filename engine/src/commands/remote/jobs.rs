//! `seachange jobs`: which there are, and how they stand.

use std::collections::BTreeMap;

use model::Clock;

use super::client;
use super::present::{Listing, is_colourful, known, painted, seconds};
use crate::api::{Counts, JobState, JobSummary};
use crate::cli::JobsArgs;
use crate::client::JobsAsked;
use crate::commands::run::SystemClock;
use crate::commands::show;
use crate::commands::words::{age, count};

/// The most that a daemon lists at a time.
const PAGE_JOBS_MAX: usize = 5000;

pub(super) async fn list(args: &JobsArgs) -> anyhow::Result<()> {
    let client = client(&args.ask)?;
    let limit = args.limit.unwrap_or(usize::MAX);
    let mut asked = JobsAsked {
        search: args.search.clone(),
        states: args.state.clone(),
        folder: args.folder.clone(),
        limit: Some(limit.min(PAGE_JOBS_MAX)),
        after: args.after.clone(),
    };
    let mut page = client.jobs(&asked).await?;
    if args.ask.json {
        return Ok(show(&page.json)?);
    }
    let (total, counts) = (page.value.total, std::mem::take(&mut page.value.counts));
    let mut jobs = page.value.jobs;
    while let Some(next) = page.value.next.filter(|_| jobs.len() < limit) {
        asked.after = Some(next);
        asked.limit = Some((limit - jobs.len()).min(PAGE_JOBS_MAX));
        page = client.jobs(&asked).await?;
        jobs.append(&mut page.value.jobs);
    }
    if args.tree {
        show(painted(&tree(&jobs), is_colourful()))?;
    } else {
        listing(&jobs, SystemClock.now_ms()).show()?;
    }
    match counts.0.is_empty() {
        true => Ok(()),
        false => Ok(show(format!("\n{}", closing(jobs.len() as u64, total, &counts)))?),
    }
}

fn listing(jobs: &[JobSummary], now_ms: i64) -> Listing<10> {
    let header = [
        "state", "job", "since", "tables", "rows/s", "lag", "snapshot", "restarts", "source",
        "reason",
    ];
    let rows = jobs.iter().map(|job| {
        [
            job.state.name().to_owned(),
            job.name.clone(),
            age(job.since_ms, now_ms),
            tables(job),
            known(job.rows_per_second.map(|rows| format!("{rows:.0}"))),
            job.lag_seconds.map_or_else(String::new, seconds),
            known(job.last_snapshot_ms.map(|at| format!("{} ago", age(at, now_ms)))),
            if job.restarts == 0 { String::new() } else { job.restarts.to_string() },
            known(job.source.as_ref()),
            remarkable(job),
        ]
    });
    Listing { header, rows: rows.collect(), nothing: "no jobs" }
}

fn tables(job: &JobSummary) -> String {
    let mut text = format!("{}/{}", job.tables_live, job.tables);
    if job.tables_quarantined > 0 {
        text.push_str(&format!(", {} in quarantine", job.tables_quarantined));
    }
    text
}

/// The reason of a state that nobody asked for, and what a job waits for.
fn remarkable(job: &JobSummary) -> String {
    match job.state {
        // A line each; `show` tells all of it.
        JobState::Failed | JobState::Restarting => {
            job.reason.lines().next().unwrap_or_default().to_owned()
        }
        JobState::Created
        | JobState::Starting
        | JobState::Snapshotting
        | JobState::Streaming
        | JobState::Pausing
        | JobState::Paused
        | JobState::Stopping
        | JobState::Stopped
        | JobState::Finished => job.waits_for.clone().unwrap_or_default(),
    }
}

/// A folder of the tree, or its root.
#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    jobs: BTreeMap<&'a str, &'a JobSummary>,
}

impl<'a> Folder<'a> {
    fn put(&mut self, path: &'a str, job: &'a JobSummary) {
        match path.split_once('/') {
            Some((folder, rest)) => self.folders.entry(folder).or_default().put(rest, job),
            None => drop(self.jobs.insert(path, job)),
        }
    }

    fn len(&self) -> u64 {
        self.jobs.len() as u64 + self.folders.values().map(Self::len).sum::<u64>()
    }

    fn write(&self, depth: usize, out: &mut Vec<String>) {
        let margin = "  ".repeat(depth);
        for (name, folder) in &self.folders {
            out.push(format!("{:<13}{margin}{name}/  ({})", "", count(folder.len(), "job")));
            folder.write(depth + 1, out);
        }
        for (name, job) in &self.jobs {
            let mut line = format!("{:<12} {margin}{name}", job.state.name());
            let why = remarkable(job);
            if !why.is_empty() {
                line.push_str(&format!("  {why}"));
            }
            out.push(line);
        }
    }
}

fn tree(jobs: &[JobSummary]) -> String {
    let mut root = Folder::default();
    for job in jobs {
        root.put(&job.name, job);
    }
    let mut lines = Vec::new();
    root.write(0, &mut lines);
    if lines.is_empty() { "no jobs".to_owned() } else { lines.join("\n") }
}

/// `2 of 7 jobs; of all: 1 failed, 6 streaming`
fn closing(shown: u64, total: u64, counts: &Counts) -> String {
    let shown = match shown == total {
        true => count(total, "job"),
        false => format!("{shown} of {}", count(total, "job")),
    };
    let states: Vec<String> =
        counts.0.iter().map(|(state, jobs)| format!("{jobs} {}", state.name())).collect();
    match states.is_empty() {
        true => shown,
        false => format!("{shown}; of all: {}", states.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, state: JobState) -> JobSummary {
        JobSummary {
            name: name.to_owned(),
            state,
            reason: "the source is gone".to_owned(),
            waits_for: None,
            since_ms: 1_000,
            version: 1,
            source: Some("db:3306".to_owned()),
            sinks: vec!["print".to_owned()],
            tables: 3,
            tables_live: 2,
            tables_quarantined: 1,
            rows_per_second: None,
            lag_seconds: Some(0.25),
            last_snapshot_ms: None,
            restarts: 0,
        }
    }

    fn some() -> Vec<JobSummary> {
        vec![
            job("retail/orders/emp", JobState::Streaming),
            job("retail/emp", JobState::Failed),
            job("top", JobState::Created),
        ]
    }

    #[test]
    fn a_tree_has_each_job_in_its_folder() {
        let expected = "             retail/  (2 jobs)\n             \
                        \u{20} orders/  (1 job)\nstreaming        emp\nfailed         emp  the \
                        source is gone\ncreated      top";
        assert_eq!(tree(&some()), expected);
        assert_eq!(tree(&[]), "no jobs");
    }

    #[test]
    fn a_failed_job_tells_why_and_a_narrow_terminal_gets_a_list() {
        let wide = listing(&some(), 61_000).text(None);
        let lines: Vec<&str> = wide.lines().collect();
        assert_eq!(lines.len(), 4, "{wide}");
        assert!(lines[1].contains("2/3, 1 in quarantine") && lines[1].contains("0.2 s"), "{wide}");
        assert!(!lines[1].contains("gone") && lines[2].ends_with("the source is gone"), "{wide}");
        assert!(!wide.contains("restarts"), "an empty column is left out: {wide}");
        let narrow = listing(&some(), 61_000).text(Some(60));
        assert!(narrow.contains("failed retail/emp\n  since"), "{narrow}");
        assert!(narrow.lines().all(|line| line.len() <= 60), "{narrow}");
    }

    #[test]
    fn what_a_job_waits_for_is_listed_whatever_its_state() {
        let mut job = job("top", JobState::Streaming);
        job.waits_for = Some("waits for the source".to_owned());
        assert_eq!(tree(std::slice::from_ref(&job)), "streaming    top  waits for the source");
        let wide = listing(&[job], 61_000).text(None);
        assert!(wide.trim_end().ends_with("waits for the source"), "{wide}");
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let counts = Counts([(JobState::Failed, 1), (JobState::Streaming, 6)].into());
        assert_eq!(closing(2, 7, &counts), "2 of 7 jobs; of all: 6 streaming, 1 failed");
        assert_eq!(closing(1, 1, &Counts::default()), "1 job");
    }
}
