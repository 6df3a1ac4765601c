//! A job as a user runs it: a script, the `seachange` binary, a state directory.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::object_server::{CREDENTIALS, ObjectServer};
use crate::process::{Guarded, tail};
use crate::server::{Server, keep};

/// Writes the text of a job script.
#[derive(Debug, Clone)]
pub struct Script {
    name: String,
    sets: Vec<(String, String)>,
    options: Vec<(String, String)>,
}

impl Script {
    /// A job over the tables of `db` whose names match the regular expression `tables`: initial
    /// snapshot, then the stream; a checkpoint every half second.
    pub fn new(name: &str, server: &Server, db: &str, tables: &str) -> Self {
        let script = Self { name: name.to_owned(), sets: Vec::new(), options: Vec::new() };
        script
            .set("pipeline.name", name)
            .option("connector", "mysql-cdc")
            .option("hostname", "127.0.0.1")
            .option("port", &server.port.to_string())
            .option("username", "repl")
            .option("password", "secret")
            .option("checkpoint", "500")
            .option("scan.startup.mode", "initial")
            .option("parallelism", "1")
            .option("database-name", db)
            .option("table-name", &format!("{db}\\.{tables}"))
            .option("source.server-time-zone", "UTC")
    }

    /// Of the job.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A `SET` in front; replaces an earlier one.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        put(&mut self.sets, key, value);
        self
    }

    /// An option of the `WITH` list; replaces an earlier one.
    #[must_use]
    pub fn option(mut self, key: &str, value: &str) -> Self {
        put(&mut self.options, key, value);
        self
    }

    #[must_use]
    pub fn print(self) -> Self {
        self.option("sink.connector", "print")
    }

    #[must_use]
    pub fn blackhole(self) -> Self {
        self.option("sink.connector", "blackhole")
    }

    /// The file sink, writing below `directory`.
    #[must_use]
    pub fn file(self, directory: &Path) -> Self {
        self.option("sink.connector", "file")
            .option("sink.path", &directory.to_string_lossy())
            .option("sink.format", "debezium-json")
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.sets {
            text += &format!("SET {key} = {value};\n");
        }
        let options: Vec<String> =
            self.options.iter().map(|(key, value)| format!("  '{key}' = '{value}'")).collect();
        text + &format!("EXECUTE CDCSOURCE {} WITH (\n{}\n);\n", self.name, options.join(",\n"))
    }
}

fn put(list: &mut Vec<(String, String)>, key: &str, value: &str) {
    list.retain(|(known, _)| known != key);
    list.push((key.to_owned(), value.to_owned()));
}

/// Path of the binary: `SEACHANGE_BIN`, else where cargo has put it.
///
/// # Errors
/// It is not there.
pub fn binary() -> Result<PathBuf> {
    binary_in("SEACHANGE_BIN", "seachange", "cargo build -p engine")
}

/// Path of a binary: what `variable` says, else where cargo has put it.
pub(crate) fn binary_in(variable: &str, name: &str, build: &str) -> Result<PathBuf> {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => {
            let test = std::env::current_exe()?;
            let profile =
                test.parent().and_then(Path::parent).context("a test without a folder")?;
            profile.join(name)
        }
    };
    ensure!(path.exists(), "no {}: build it first ({build})", path.display());
    Ok(path)
}

/// Lines that a running process has printed so far, each with when it came.
type Lines = Arc<Mutex<Vec<(Instant, String)>>>;

struct Running {
    process: Guarded,
    reader: JoinHandle<()>,
}

/// One job and its directory, over any number of runs.
pub struct Job {
    name: String,
    /// Of the script, within `dir`.
    file: String,
    dir: Option<TempDir>,
    running: Option<Running>,
    lines: Lines,
    runs: u32,
    /// What `--state` says, where it is not the directory beside the script.
    state_url: Option<String>,
    fault: Option<String>,
    /// Newest snapshot from before a start that reads tables anew: it says nothing of this run.
    before: u64,
    /// Variables of every process of the job.
    environment: Vec<(String, String)>,
}

impl Job {
    /// A job without a script yet: its directory is needed to write one (`file` sink).
    pub fn new(name: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("seachange-job-").tempdir()?;
        let lines = Lines::default();
        Ok(Self {
            name: name.to_owned(),
            file: format!("{name}.sql"),
            dir: Some(dir),
            running: None,
            lines,
            runs: 0,
            state_url: None,
            fault: None,
            before: 0,
            environment: Vec::new(),
        })
    }

    /// A pipeline in YAML instead of a script, from `examples/` or not.
    pub fn pipeline(name: &str) -> Result<Self> {
        let mut job = Self::new(name)?;
        job.file = format!("{name}.yaml");
        Ok(job)
    }

    /// A variable of every process of the job.
    pub fn env(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub fn dir(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new("."), TempDir::path)
    }

    /// Where the file sink writes, by convention of these tests.
    pub fn out(&self) -> PathBuf {
        self.dir().join("out")
    }

    pub fn state(&self) -> PathBuf {
        self.dir().join("state")
    }

    /// What `--state` says.
    pub fn state_url(&self) -> String {
        self.state_url.clone().unwrap_or_else(|| self.state().to_string_lossy().into_owned())
    }

    /// Keeps state somewhere else, from the next start on.
    pub fn keep_state_at(&mut self, url: &str) {
        self.state_url = Some(url.to_owned());
    }

    /// The same, on a server that speaks S3.
    pub fn keep_state_on(&mut self, server: &ObjectServer, prefix: &str) {
        self.keep_state_at(&server.url(prefix));
        let credentials = CREDENTIALS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.environment.extend(credentials);
    }

    /// Another process of the same job, with a directory of its own; its script is this one's, and so
    /// are its state and its sinks.
    pub fn beside(&self) -> Result<Self> {
        let mut job = Self::new(&self.name)?;
        job.file.clone_from(&self.file);
        job.state_url = Some(self.state_url());
        job.environment = self.environment.clone();
        fs::copy(self.path(), job.path())?;
        Ok(job)
    }

    /// Ends the runs from here on at a fault point (the crate `model`, `fault.rs`), given as `name:passage`.
    pub fn arm(&mut self, fault: Option<String>) {
        self.fault = fault;
    }

    /// Of the script; a job that does not say otherwise is named after it.
    pub fn path(&self) -> PathBuf {
        self.dir().join(&self.file)
    }

    /// Writes, or replaces, the script.
    pub fn script(&self, script: &Script) -> Result<()> {
        self.script_text(&script.text())
    }

    /// Takes the script of this name from `examples/`.
    pub fn example(&self) -> Result<()> {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let example = examples.join(&self.file);
        fs::copy(&example, self.path()).with_context(|| format!("no {}", example.display()))?;
        Ok(())
    }

    pub fn script_text(&self, text: &str) -> Result<()> {
        Ok(fs::write(self.path(), text)?)
    }

    fn log(&self) -> PathBuf {
        self.dir().join(format!("run-{}.log", self.runs))
    }

    /// `seachange run`, with `arguments` at the end.
    pub fn start(&mut self, arguments: &[&str]) -> Result<()> {
        ensure!(self.running.is_none(), "job {} still runs", self.name);
        self.runs += 1;
        self.lines = Lines::default();
        let anew = arguments.iter().any(|word| ["--from", "--resnapshot"].contains(word));
        let before = if anew { self.snapshots().unwrap_or_default() } else { Vec::new() };
        self.before = before.first().map_or(0, id_of);
        let mut command = Command::new(binary()?);
        command.arg("run").arg(self.path()).arg("--state").arg(self.state_url());
        command.envs(self.environment.iter().cloned());
        command.envs(self.fault.iter().map(|fault| ("SEACHANGE_FAULT", fault)));
        command.args(arguments).current_dir(self.dir());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(self.log())?);
        let mut process = Guarded::spawn(&mut command)?;
        let stdout = process.child_mut().stdout.take().context("no stdout")?;
        let lines = Arc::clone(&self.lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let came = Instant::now();
                lines.lock().unwrap_or_else(PoisonError::into_inner).push((came, line));
            }
        });
        self.running = Some(Running { process, reader });
        Ok(())
    }

    /// What this run (the last one, when stopped) has printed on stdout.
    pub fn stdout(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|(_, line)| line.clone()).collect()
    }

    /// The same, each line with when it came.
    pub fn arrivals(&self) -> Vec<(Instant, String)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn stdout_lines(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What this run (the last one, when stopped) has logged.
    pub fn stderr(&self) -> String {
        fs::read(self.log()).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    pub fn log_tail(&self) -> String {
        tail(&self.log(), 30)
    }

    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.process.id())
    }

    /// Peak resident memory of the running process, in bytes.
    pub fn peak_memory(&self) -> Option<u64> {
        self.running.as_ref()?.process.peak_memory()
    }

    /// Whether it has ended on its own, and how.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        match &mut self.running {
            Some(running) => running.process.exit_code(),
            None => Ok(None),
        }
    }

    /// Sends a signal by its name, for instance `USR1`.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.running.as_ref().context("the job does not run")?.process.signal(name)
    }

    /// SIGTERM: a savepoint, then exit 0.
    pub async fn sigterm(&mut self) -> Result<()> {
        let running = self.running.as_ref().context("the job does not run")?;
        running.process.signal("TERM")?;
        let code = self.wait_exit(Duration::from_secs(60)).await?;
        ensure!(code == 0, "SIGTERM should end in exit code 0, not {code}:\n{}", self.log_tail());
        Ok(())
    }

    pub async fn wait_exit(&mut self, limit: Duration) -> Result<i32> {
        let mut running = self.running.take().context("the job does not run")?;
        let code = match running.process.wait(limit).await {
            Ok(code) => code,
            Err(error) => {
                running.process.kill9()?;
                return Err(error.context(format!("job {}:\n{}", self.name, self.log_tail())));
            }
        };
        let _ = running.reader.join();
        Ok(code)
    }

    /// Killed as by `kill -9`, with no chance to say a word.
    pub fn kill9(&mut self) -> Result<()> {
        let mut running = self.running.take().context("the job does not run")?;
        if let Some(code) = running.process.exit_code()? {
            bail!("job {} had ended by itself with {code}:\n{}", self.name, self.log_tail());
        }
        running.process.kill9()?;
        let _ = running.reader.join();
        Ok(())
    }

    /// Waits until `done` says yes while the job runs.
    ///
    /// # Errors
    /// The job ended by itself, or `limit` passed; both with the end of its log.
    pub async fn wait_for<F>(&mut self, what: &str, limit: Duration, mut done: F) -> Result<()>
    where
        F: FnMut(&Self) -> bool,
    {
        let begun = Instant::now();
        loop {
            if done(self) {
                return Ok(());
            }
            if let Some(code) = self.ended()? {
                bail!("job {} ended with {code} before: {what}\n{}", self.name, self.log_tail());
            }
            if begun.elapsed() > limit {
                bail!("job {}: waited {limit:?} for: {what}\n{}", self.name, self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a checkpoint has been completed that was not begun before this call.
    pub async fn next_checkpoint(&mut self) -> Result<u64> {
        // The first that completes may have been under way already; the second was not.
        let newest = |job: &Self| -> Result<u64> { Ok(job.snapshots()?.first().map_or(0, id_of)) };
        let before = newest(self)?;
        let begun = Instant::now();
        loop {
            let now = newest(self)?;
            if now >= before + 2 {
                return Ok(now);
            }
            if self.ended()?.is_some() || begun.elapsed() > Duration::from_secs(60) {
                bail!("job {}: no new checkpoint after {now}\n{}", self.name, self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the snapshot of every table is done, as the newest checkpoint tells.
    pub async fn live(&mut self, limit: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let newest = self.snapshots().ok().and_then(|list| list.into_iter().next());
            let newest = newest.filter(|snapshot| id_of(snapshot) > self.before);
            let number = |name: &str| newest.as_ref()?.get(name)?.as_u64();
            let (tables, live) = (number("tables"), number("tables_live"));
            if tables.is_some_and(|tables| tables > 0) && tables == live {
                return Ok(());
            }
            if self.ended()?.is_some() || begun.elapsed() > limit {
                let tail = self.log_tail();
                bail!("job {}: {live:?} of {tables:?} tables live\n{tail}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The checkpoints and savepoints, newest first, as `seachange snapshots --json` lists them.
    pub fn snapshots(&self) -> Result<Vec<Value>> {
        let state = self.state_url();
        let (code, out, err) =
            self.command(&["snapshots", &self.name, "--state", &state, "--json"])?;
        // It has just begun, and has taken none.
        if code == 1 && err.contains("there is no job `") {
            return Ok(Vec::new());
        }
        ensure!(code == 0, "seachange snapshots ended with {code}: {err}");
        let list: Value = serde_json::from_str(&out).with_context(|| format!("JSON: `{out}`"))?;
        list.as_array().cloned().with_context(|| format!("no JSON array: `{out}`"))
    }

    /// Any other command, in the job's directory and with its environment: exit code, stdout, stderr.
    pub fn command(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        run_to_end(self.dir(), arguments, &self.environment)
    }

    /// `seachange inspect ID --json`.
    pub fn inspect(&self, id: u64) -> Result<Value> {
        let (state, id) = (self.state_url(), id.to_string());
        let arguments = ["inspect", &id, "--state", &state, "--job", &self.name, "--json"];
        let (code, out, err) = self.command(&arguments)?;
        ensure!(code == 0, "seachange inspect ended with {code}: {err}");
        serde_json::from_str(&out).with_context(|| format!("JSON: `{out}`"))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        drop(self.running.take());
        keep(self.dir.take());
    }
}

/// The id of a line of `seachange snapshots --json`; 0 if it has none.
pub fn id_of(snapshot: &Value) -> u64 {
    snapshot.get("id").and_then(Value::as_u64).unwrap_or(0)
}

/// Runs `seachange` to its end: exit code, stdout, stderr.
pub fn seachange(dir: &Path, arguments: &[&str]) -> Result<(i32, String, String)> {
    run_to_end(dir, arguments, &[])
}

fn run_to_end(
    dir: &Path,
    arguments: &[&str],
    environment: &[(String, String)],
) -> Result<(i32, String, String)> {
    let output = Command::new(binary()?)
        .args(arguments)
        .envs(environment.iter().cloned())
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .context("cannot run seachange")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}
