//! The daemon's commands, as a user types them: the walkthrough by them alone, and each at least once.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::daemon::at;
use tests::walk::{self, Hands};
use tests::{Daemon, Kind, Server, eventually, for_each_server};

const JOB: &str = "retail/emp_1";
const PATIENCE: Duration = Duration::from_secs(60);

struct Cli<'d>(&'d Daemon);

impl Cli<'_> {
    fn text(&self, arguments: &[&str]) -> Result<String> {
        self.0.cli(arguments)?.done().with_context(|| format!("seachange {arguments:?}"))
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [arguments, &["--json"]].concat();
        self.0.cli(&arguments)?.json().with_context(|| format!("seachange {arguments:?}"))
    }
}

impl Hands for Cli<'_> {
    fn submit(&self, script: &str) -> Result<()> {
        fs::write(self.0.dir().join("emp_1.sql"), script)?;
        let out = self.text(&["submit", "emp_1.sql", "--name", JOB, "--start", "--wait=60s"])?;
        ensure!(out.starts_with("streaming  retail/emp_1: "), "{out}");
        Ok(())
    }

    fn stop(&self) -> Result<u64> {
        let out = self.json(&["stop", JOB])?;
        at(&out, "/savepoint/id").as_u64().with_context(|| format!("no savepoint: {out}"))
    }

    fn cancel(&self) -> Result<()> {
        let out = self.text(&["stop", JOB, "--kind", "cancel"])?;
        ensure!(
            out.starts_with("stopped  retail/emp_1: ") && !out.contains("\nsavepoint "),
            "{out}"
        );
        Ok(())
    }

    fn start(&self) -> Result<()> {
        self.text(&["start", JOB, "--wait=60s"]).map(drop)
    }

    fn savepoint(&self) -> Result<u64> {
        let out = self.json(&["savepoint", JOB, "--note", "by hand"])?;
        at(&out, "/id").as_u64().with_context(|| format!("no id: {out}"))
    }

    fn restore(&self, snapshot: u64) -> Result<()> {
        self.text(&["restore", JOB, &snapshot.to_string(), "--wait=60s"]).map(drop)
    }

    fn snapshots(&self) -> Result<Vec<Value>> {
        let out = self.json(&["snapshots", JOB, "--server", &self.0.url()])?;
        at(&out, "/snapshots").as_array().cloned().with_context(|| format!("no list: {out}"))
    }

    fn output(&self) -> Result<Vec<String>> {
        Ok(self
            .text(&["output", JOB])?
            .lines()
            .map(str::to_owned)
            .filter(|l| !l.is_empty())
            .collect())
    }

    fn state(&self) -> Result<String> {
        Ok(at(&self.json(&["show", JOB])?, "/state").as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_led_through_savepoint_cancel_and_restore_by_commands_alone() -> Result<()> {
    for_each_server(&[], async |server| {
        let mut daemon = Daemon::begin().await?;
        walk::through(server, &daemon, &Cli(&daemon)).await?;
        daemon.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_tells_people_and_programs_what_came_of_it() -> Result<()> {
    let kind = Kind::selected()?.first().copied().context("SERVERS names none")?;
    let mut server = Server::start(kind, &[]).await?;
    let daemon = Daemon::begin().await?;
    let told = all(&mut server, &daemon).await;
    told.with_context(|| format!("the daemon's log:\n{}", daemon.log_tail()))
}

async fn all(server: &mut Server, daemon: &Daemon) -> Result<()> {
    let cli = Cli(daemon);
    ensure!(cli.text(&["jobs"])?.starts_with("no jobs"));
    walk::tables(server).await?;
    let script = walk::script(server)?;
    cli.submit(&script)?;
    looks(&cli)?;
    changes(&cli, daemon, &script).await?;
    refusals(&cli, daemon)?;
    Ok(())
}

/// What only shows.
fn looks(cli: &Cli<'_>) -> Result<()> {
    for (arguments, words) in [
        (&["jobs"][..], &["state", JOB, "streaming", "2/2", "1 job"][..]),
        (&["jobs", "--search", "EMP", "--state", "streaming"], &[JOB]),
        (&["jobs", "--state", "failed"], &["no jobs", "0 jobs; of all: 1 streaming"]),
        (&["jobs", "--tree"], &["retail/  (1 job)\n", "emp_1\n"]),
        (&["show", JOB], &["streaming  retail/emp_1", "2 of 2 live", "to print", "version 1"]),
        (&["tables", JOB], &["live", "emp_1.employees_1", "emp_1.employees_2"]),
        (&["versions", JOB], &["version", "1"]),
        (&["versions", JOB, "1"], &["EXECUTE CDCSOURCE emp_1", "'hostname' = '127.0.0.1'"]),
        (&["events", JOB], &["audit", "state", "streaming"]),
        (&["events", "--kind", "audit"], &[JOB]),
        (&["output", JOB], &[walk::CAI, walk::WANG]),
    ] {
        let out = cli.text(arguments)?;
        for word in words {
            ensure!(out.contains(word), "{arguments:?}: no `{word}` in\n{out}");
        }
    }
    // To programs, what the API says.
    let jobs = cli.json(&["jobs"])?;
    ensure!(at(&jobs, "/total") == 1 && at(&jobs, "/jobs/0/name") == JOB, "{jobs}");
    ensure!(at(&cli.json(&["tables", JOB])?, "/tables/0/state") == "live");
    ensure!(at(&cli.json(&["events", JOB, "--limit", "1"])?, "/events/0/id").is_u64());
    ensure!(at(&cli.json(&["versions", JOB, "1"])?, "/number") == 1);
    Ok(())
}

/// What changes the job.
async fn changes(cli: &Cli<'_>, daemon: &Daemon, script: &str) -> Result<()> {
    ensure!(cli.text(&["start", JOB])?.contains("streaming"), "one that runs is left alone");
    let out = cli.text(&["savepoint", JOB, "--note", "a note"])?;
    ensure!(out.contains("retail/emp_1: savepoint "), "{out}");
    let listed = cli.text(&["snapshots", JOB, "--server", &daemon.url()])?;
    ensure!(listed.contains("savepoint") && listed.contains("a note"), "{listed}");

    let out = cli.text(&["pause", JOB])?;
    ensure!(out.starts_with("paused  retail/emp_1: ") && out.contains("\nsavepoint "), "{out}");
    let out = cli.text(&["resume", JOB, "--wait"])?;
    ensure!(out.starts_with("streaming  "), "{out}");

    let out = cli.text(&["tables", JOB, "resnapshot", "emp_1.employees_1"])?;
    ensure!(out.contains(JOB), "{out}");
    let again = eventually("both rows again", PATIENCE, async || {
        Ok(cli.output()?.iter().filter(|line| *line == walk::WANG).count() == 2)
    });
    again.await.with_context(|| format!("printed {:#?}", cli.output()))?;

    let newer = script.replace("'parallelism' = '1'", "'parallelism' = '2'");
    ensure!(newer != script, "the example has no such line any more");
    fs::write(daemon.dir().join("newer.sql"), &newer)?;
    let refused = daemon.cli(&["submit", "newer.sql", "--name", JOB])?.refused(1)?;
    ensure!(refused.contains(JOB), "{refused}");
    let out = cli.text(&["update", JOB, "newer.sql", "--apply", "--note", "two readers"])?;
    ensure!(out.starts_with("version 2 of retail/emp_1: the job runs by it"), "{out}");
    let diff = cli.text(&["versions", JOB, "--diff", "1", "2"])?;
    ensure!(
        diff.contains("\n-  'parallelism' = '1'") && diff.contains("\n+  'parallelism' = '2'"),
        "{diff}"
    );
    let out = cli.text(&["submit", "emp_1.sql", "--name", JOB, "--apply", "--wait"])?;
    ensure!(out.starts_with("streaming"), "{out}");
    ensure!(at(&cli.json(&["show", JOB])?, "/version") == 3);

    let refused = daemon.cli(&["delete", JOB])?.refused(1)?;
    ensure!(refused.contains("stop it first"), "{refused}");
    cli.stop()?;
    ensure!(cli.text(&["delete", JOB, "--snapshots"])?.contains("its snapshots too"));
    ensure!(at(&cli.json(&["jobs"])?, "/total") == 0);
    Ok(())
}

/// What is refused, and with which exit code.
fn refusals(cli: &Cli<'_>, daemon: &Daemon) -> Result<()> {
    let refused = daemon.cli(&["show", JOB])?.refused(1)?;
    ensure!(refused.contains("there is no job `retail/emp_1`"), "{refused}");

    let text = fs::read_to_string(daemon.dir().join("emp_1.sql"))?;
    fs::write(daemon.dir().join("wrong.sql"), text.replace("'hostname'", "'hostnam'"))?;
    let submitted = daemon.cli(&["submit", "wrong.sql"])?.refused(2)?;
    // As `run` shows it, to the letter.
    let run = daemon.cli(&["run", "wrong.sql", "--state", "elsewhere"])?.refused(2)?;
    ensure!(submitted == run, "submit says:\n{submitted}\nrun says:\n{run}");
    ensure!(submitted.starts_with("wrong.sql:"), "{submitted}");

    let elsewhere = daemon.cli(&["jobs", "--server", "http://127.0.0.1:9"])?.refused(1)?;
    ensure!(
        elsewhere.contains("http://127.0.0.1:9") && elsewhere.contains("seachange serve"),
        "{elsewhere}"
    );
    ensure!(daemon.cli(&["stop", JOB, "--kind", "hard"])?.code == 2);

    // A source that is not there: what was waited for does not come.
    fs::write(
        daemon.dir().join("gone.sql"),
        text.replace("'hostname' = '127.0.0.1'", "'hostname' = '127.0.0.2'"),
    )?;
    cli.text(&["submit", "gone.sql", "--name", "gone"])?;
    let waited = daemon.cli(&["start", "gone", "--wait=1s"])?.refused(1)?;
    ensure!(waited.contains("job `gone` is "), "{waited}");
    cli.text(&["stop", "gone", "--kind", "cancel"])?;
    Ok(())
}
