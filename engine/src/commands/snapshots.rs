//! `seachange snapshots`: what exists, read from the store itself.

use anyhow::bail;
use comfy_table::{Table, presets};
use model::checkpoint::Listed;
use model::{Checkpoint, Clock};
use serde_json::{Value, json};
use state::StateUrl;

use super::run::SystemClock;
use super::snapshot_bytes::{Verified, verify};
use super::words::{Progress, age, count, fits, grouped, position, terminal_width, time_text};
use super::{exit, named, remote, show, state_url};
use crate::cli::SnapshotsArgs;
use crate::error::chain;

/// Jobs that a message names.
const NAMES_TOLD_MAX: usize = 10;

/// A line of the list.
struct Entry {
    job: String,
    listed: Listed,
    verified: Option<Verified>,
}

impl Entry {
    /// Why it cannot be restored, if so.
    fn wrong(&self) -> Option<String> {
        let unread = self.listed.content.as_ref().err().map(|error| chain(error));
        unread.or_else(|| self.verified.as_ref()?.damage.clone())
    }
}

pub async fn run(args: &SnapshotsArgs) -> anyhow::Result<u8> {
    if let (Some(server), Some(job)) = (&args.server, &args.job) {
        return remote::snapshots(server, job, args).await;
    }
    let (url, jobs, wanted) = match &args.job {
        Some(text) => {
            let named = named(text, &args.state)?;
            (named.state, vec![named.job.clone()], Some(named.job))
        }
        None => {
            let url = state_url(&args.state, None)?;
            let jobs = state::jobs(&url).await?;
            (url, jobs, None)
        }
    };
    let mut all = Vec::new();
    for job in jobs {
        all.extend(entries(&url, &job, args).await?);
    }
    if all.is_empty()
        && let Some(job) = wanted
    {
        is_there(&url, &job).await?;
    }
    if args.json {
        let now = SystemClock.now_ms();
        let rows: Vec<Value> = all.iter().map(|entry| entry_json(entry, now)).collect();
        show(format!("{:#}", Value::from(rows)))?;
    } else if all.is_empty() {
        show(format!("no snapshots in {url}"))?;
    } else {
        show(text(&all, SystemClock.now_ms(), terminal_width()))?;
    }
    let is_damaged = |entry: &Entry| entry.verified.as_ref().is_some_and(|v| v.damage.is_some());
    Ok(if all.iter().any(is_damaged) { exit::FAILED } else { exit::DONE })
}

/// A job that has lost its snapshots is there; one that nobody has run is not.
async fn is_there(url: &StateUrl, job: &str) -> anyhow::Result<()> {
    let known = state::jobs(url).await?;
    if known.iter().any(|name| name == job) {
        return Ok(());
    }
    match known.is_empty() {
        true => bail!("there is no job `{job}` in {url}, nor any other"),
        false => bail!("there is no job `{job}` in {url}; there are: {}", listed(&known)),
    }
}

/// The first of many.
fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMES_TOLD_MAX).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_TOLD_MAX {
        text.push_str(&format!(" and {} more", names.len() - NAMES_TOLD_MAX));
    }
    text
}

/// Newest first.
async fn entries(url: &StateUrl, job: &str, args: &SnapshotsArgs) -> anyhow::Result<Vec<Entry>> {
    let store = state::open_read_only(url, job)?;
    let mut listed = store.list().await?;
    listed.sort_by_key(|l| std::cmp::Reverse(l.id));
    let mut entries = Vec::new();
    for listed in listed {
        let verified = match args.verify {
            true => match verify(&*store, url, (job, &args.state.work_dir), &listed).await? {
                Some(verified) => Some(verified),
                // Pruned by now.
                None => continue,
            },
            false => None,
        };
        entries.push(Entry { job: job.to_owned(), listed, verified });
    }
    Ok(entries)
}

pub fn to_json(job: &str, listed: &Listed) -> Value {
    match &listed.content {
        Ok(c) => {
            let progress = Progress::of(c);
            json!({
                "job": job, "id": c.id.0, "kind": c.kind.to_string(), "trigger": c.trigger,
                "completed_at_ms": c.completed_at_ms, "completed_at": time_text(c.completed_at_ms),
                "duration_ms": c.duration_ms, "note": c.note, "size_bytes": listed.size,
                "position": c.source.position, "tables": progress.tables(),
                "tables_live": progress.live, "tables_in_progress": progress.in_progress,
                "tables_waiting": progress.waiting, "tables_quarantined": progress.apart,
                "rows_read": c.source.counters.rows_read, "server": c.source.server,
                "restorable": true, "reason": null,
            })
        }
        Err(error) => json!({
            "job": job, "id": listed.id.0, "kind": null, "size_bytes": listed.size,
            "restorable": false, "reason": chain(error),
        }),
    }
}

/// The same with its age, and with what a look at its bytes has shown.
fn entry_json(entry: &Entry, now_ms: i64) -> Value {
    let mut value = to_json(&entry.job, &entry.listed);
    let Some(object) = value.as_object_mut() else { return value };
    if let Ok(c) = &entry.listed.content {
        let age_ms = now_ms.saturating_sub(c.completed_at_ms);
        object.insert("age_ms".to_owned(), json!(age_ms));
    }
    if let Some(verified) = &entry.verified {
        let reason = entry.wrong();
        object.insert("restorable".to_owned(), json!(reason.is_none()));
        object.insert("reason".to_owned(), json!(reason));
        object.insert("verified".to_owned(), verified.to_json());
    }
    value
}

/// A table where the terminal is wide enough, else a list.
fn text(all: &[Entry], now_ms: i64, width: Option<usize>) -> String {
    let table = table(all, now_ms);
    let mut out = if fits(&table, width) {
        table.to_string()
    } else {
        let entries: Vec<String> = all.iter().map(|entry| lines(entry, now_ms)).collect();
        entries.join("\n")
    };
    for entry in all {
        if let Some(verified) = &entry.verified {
            out.push_str(&format!("\n{} {}: {}", entry.job, entry.listed.id, verified.text()));
        }
    }
    out
}

fn table(all: &[Entry], now_ms: i64) -> Table {
    let mut out = Table::new();
    out.load_preset(presets::NOTHING);
    out.set_header([
        "job",
        "id",
        "kind",
        "completed",
        "age",
        "trigger",
        "took",
        "bytes",
        "tables",
        "rows",
        "position",
        "server",
        "restorable",
        "note",
    ]);
    for entry in all {
        let listed = &entry.listed;
        let restorable = entry.wrong().map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"));
        match &listed.content {
            Ok(c) => out.add_row([
                entry.job.clone(),
                c.id.to_string(),
                c.kind.to_string(),
                time_text(c.completed_at_ms),
                age(c.completed_at_ms, now_ms),
                c.trigger.clone(),
                format!("{} ms", c.duration_ms),
                listed.size.to_string(),
                Progress::of(c).text(),
                c.source.counters.rows_read.to_string(),
                position(&c.source.position),
                server(c),
                restorable,
                c.note.clone(),
            ]),
            Err(_) => {
                let mut row = vec![String::new(); 14];
                for (slot, text) in row.iter_mut().zip([&entry.job, &listed.id.to_string()]) {
                    slot.clone_from(text);
                }
                row.splice(7..8, [listed.size.to_string()]);
                row.splice(12..13, [restorable]);
                out.add_row(row)
            }
        };
    }
    out
}

/// Its version and id.
fn server(c: &Checkpoint) -> String {
    let server = &c.source.server;
    format!("{} id {}", server.version, server.server_id)
}

/// The same for a narrow terminal.
fn lines(entry: &Entry, now_ms: i64) -> String {
    let (listed, job) = (&entry.listed, &entry.job);
    let size = count(listed.size, "byte");
    let mut out = match &listed.content {
        Ok(c) => {
            let done = time_text(c.completed_at_ms);
            let ago = age(c.completed_at_ms, now_ms);
            let rows = grouped(c.source.counters.rows_read);
            let mut out = format!("{} {} of {job}, {ago} ago\n", c.kind, c.id);
            out.push_str(&format!(
                "  completed {done} in {} ms, {}, {size}\n",
                c.duration_ms, c.trigger
            ));
            out.push_str(&format!("  tables    {}, {rows} rows read\n", Progress::of(c).text()));
            out.push_str(&format!("  position  {}\n", position(&c.source.position)));
            out.push_str(&format!("  server    {}\n", server(c)));
            if !c.note.is_empty() {
                out.push_str(&format!("  note      {}\n", c.note));
            }
            out
        }
        Err(_) => format!("snapshot {} of {job}, {size}\n", listed.id),
    };
    if let Some(why) = entry.wrong() {
        out.push_str(&format!("  cannot be restored: {why}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use model::conformance::samples;
    use model::{BarrierKind, CheckpointId, StoreError};

    use super::*;

    fn entry(id: u64, content: Result<Checkpoint, StoreError>) -> Entry {
        let listed = Listed { id: CheckpointId(id), size: 4711, content };
        Entry { job: "retail/emp".to_owned(), listed, verified: None }
    }

    fn two() -> Vec<Entry> {
        let torn = StoreError::Damaged {
            store: "rocksdb://s".into(),
            job: "retail/emp".into(),
            id: "2".into(),
            what: "its checksum does not match".into(),
        };
        let mut noted = samples::checkpoint("retail/emp", 1, BarrierKind::Savepoint);
        noted.note = "before the upgrade".to_owned();
        vec![entry(2, Err(torn)), entry(1, Ok(noted))]
    }

    #[test]
    fn a_wide_terminal_gets_a_line_for_each_snapshot() {
        let text = text(&two(), 61_000, None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for word in
            ["savepoint", "1m", "1/1 done", "binlog.000001:100", "before the upgrade", "yes"]
        {
            assert!(lines[2].contains(word), "{word}: {text}");
        }
        assert!(lines[1].contains("no: snapshot 2 of job `retail/emp`"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_gets_a_list_with_the_same() {
        let text = text(&two(), 61_000, Some(80));
        for word in
            ["savepoint 1 of retail/emp, 1m ago", "tables    1/1 done", "cannot be restored"]
        {
            assert!(text.contains(word), "{word}: {text}");
        }
        let usual = text.lines().filter(|line| !line.contains("cannot be restored"));
        assert!(usual.clone().count() > 6);
        assert!(usual.map(str::len).all(|len| len <= 80), "{text}");
    }

    #[test]
    fn json_says_why_a_snapshot_cannot_be_restored() {
        let [torn, fine] = [0, 1].map(|n| entry_json(&two()[n], 61_000));
        assert_eq!(torn["restorable"], false);
        assert!(torn["reason"].as_str().unwrap().contains("checksum"), "{torn}");
        assert_eq!((&fine["restorable"], &fine["reason"]), (&json!(true), &Value::Null));
        assert_eq!(
            (&fine["age_ms"], &fine["note"]),
            (&json!(60_000), &json!("before the upgrade"))
        );
    }
}
