//! A child process that cannot outlive the test, not even one that is killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The child, and beside it a shell that holds the read end of a pipe whose write end is ours. When
/// this process ends, however it ends, the pipe closes and the shell kills the child.
pub(crate) struct Guarded {
    child: Child,
    watchdog: Child,
    exit: Option<i32>,
}

impl Guarded {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let watchdog = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$1\"", "watchdog"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the watchdog")?;
        Ok(Self { child, watchdog, exit: None })
    }

    pub(crate) fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit code once the process has ended; a death by signal is 128 and the signal.
    pub(crate) fn exit_code(&mut self) -> Result<Option<i32>> {
        use std::os::unix::process::ExitStatusExt;
        if self.exit.is_none()
            && let Some(status) = self.child.try_wait()?
        {
            let signal = status.signal().map(|signal| 128 + signal);
            self.exit = status.code().or(signal);
            self.dismiss_watchdog();
        }
        Ok(self.exit)
    }

    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let pid = self.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &pid])
            .status()?;
        if !sent.success() {
            bail!("cannot send {name} to process {pid}");
        }
        Ok(())
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill9(&mut self) -> Result<()> {
        if self.exit_code()?.is_none() {
            self.child.kill()?;
            self.child.wait()?;
            self.exit_code()?;
        }
        Ok(())
    }

    pub(crate) async fn wait(&mut self, limit: Duration) -> Result<i32> {
        let begun = Instant::now();
        loop {
            if let Some(code) = self.exit_code()? {
                return Ok(code);
            }
            if begun.elapsed() > limit {
                bail!("process {} has not ended within {limit:?}", self.id());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Peak resident memory in bytes (`VmHWM`), while it runs.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    fn dismiss_watchdog(&mut self) {
        // Already gone is as good.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.dismiss_watchdog();
    }
}

/// The last `lines` of a file, indented; for messages.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let Ok(bytes) = std::fs::read(path) else {
        return format!("  (no {})\n", path.display());
    };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    all.iter().skip(from).map(|line| format!("  {line}\n")).collect()
}
