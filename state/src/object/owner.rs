//! Which process holds a job, and whether it is known to be dead.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

const ESRCH: i32 = rustix::io::Errno::SRCH.raw_os_error();

/// A process, as the others are told of it. Names that the system does not give are empty, and prove
/// nothing then.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) host: String,
    /// Of this start of the machine.
    #[serde(default)]
    boot: String,
    /// Numbers of processes mean something within it alone.
    #[serde(default)]
    pid_namespace: String,
    #[serde(default)]
    pid: u32,
    /// When the process started, in clock ticks since the machine did: the number is given again.
    #[serde(default)]
    started: String,
}

impl Owner {
    /// This process.
    pub(super) fn ours() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let pid = std::process::id();
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid_namespace: namespace.display().to_string(),
            pid,
            started: match process(Path::new("/proc"), pid) {
                Process::Is { started, .. } => started,
                Process::None | Process::Unknown => String::new(),
            },
        }
    }

    /// True where the process is proved to run no more: it is of this machine and this start of it,
    /// and there is no such process.
    pub(super) fn is_dead(&self) -> bool {
        self.is_dead_beside(&Self::ours(), Path::new("/proc"))
    }

    fn is_dead_beside(&self, ours: &Self, proc: &Path) -> bool {
        let comparable =
            [&self.boot, &self.pid_namespace, &self.started].iter().all(|n| !n.is_empty());
        if !comparable || self.boot != ours.boot || self.pid_namespace != ours.pid_namespace {
            return false;
        }
        // Where processes of others are hidden from us, so is the first one.
        if !matches!(process(proc, 1), Process::Is { .. }) {
            return false;
        }
        match process(proc, self.pid) {
            Process::None => true,
            Process::Unknown => false,
            Process::Is { state, started } => {
                started != self.started || matches!(state.as_str(), "Z" | "X")
            }
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("an unknown process");
        }
        write!(f, "process {}", self.pid)?;
        if !self.host.is_empty() {
            write!(f, " on {}", self.host)?;
        }
        Ok(())
    }
}

/// What the system says of a process.
enum Process {
    Is {
        state: String,
        started: String,
    },
    None,
    /// It did not say: that proves nothing.
    Unknown,
}

fn process(proc: &Path, pid: u32) -> Process {
    match std::fs::read(proc.join(pid.to_string()).join("stat")) {
        Ok(stat) => {
            let stat = String::from_utf8_lossy(&stat);
            state_and_start(&stat)
                .map_or(Process::Unknown, |(state, started)| Process::Is { state, started })
        }
        // ESRCH: it ended while we read.
        Err(error)
            if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH) =>
        {
            Process::None
        }
        Err(_) => Process::Unknown,
    }
}

/// Fields 3 and 22 of proc_pid_stat(5). The name before them may hold anything, a `)` too.
fn state_and_start(stat: &str) -> Option<(String, String)> {
    let mut words = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    Some((words.next()?.to_owned(), words.nth(18)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pid: u32, started: &str) -> Owner {
        Owner {
            host: "here".into(),
            boot: "b".into(),
            pid_namespace: "n".into(),
            pid,
            started: started.into(),
        }
    }

    #[test]
    fn only_what_is_proved_dead_is_dead() {
        let proc = tempfile::tempdir().unwrap();
        let put = |pid: u32, state: &str| {
            let dir = proc.path().join(pid.to_string());
            std::fs::create_dir(&dir).unwrap();
            let before = "4 ".repeat(18);
            std::fs::write(dir.join("stat"), format!("{pid} (a) b) {state} {before}777 1 2"))
                .unwrap();
        };
        let ours = of(5, "5");
        let dead = |owner: &Owner| owner.is_dead_beside(&ours, proc.path());
        assert!(!dead(&of(8, "777")), "processes of others are hidden");
        put(1, "S");
        put(7, "S");
        put(9, "Z");
        assert!(!dead(&of(7, "777")), "it runs");
        assert!(dead(&of(7, "776")), "another has its number");
        assert!(dead(&of(8, "777")), "there is none");
        assert!(dead(&of(9, "777")), "its parent has not looked yet");
        std::fs::create_dir_all(proc.path().join("11").join("stat")).unwrap();
        assert!(!dead(&of(11, "777")), "what cannot be read proves nothing");
        std::fs::create_dir(proc.path().join("12")).unwrap();
        std::fs::write(proc.path().join("12").join("stat"), "12 (a").unwrap();
        assert!(!dead(&of(12, "777")), "what cannot be understood proves nothing");
        let elsewhere = |change: fn(&mut Owner)| {
            let mut owner = of(8, "777");
            change(&mut owner);
            dead(&owner)
        };
        assert!(!elsewhere(|owner| owner.boot = "another".into()));
        assert!(!elsewhere(|owner| owner.boot.clear()));
        assert!(!elsewhere(|owner| owner.pid_namespace = "another".into()));
        assert!(!dead(&Owner::default()));
    }

    #[test]
    fn this_process_is_not_dead() {
        let ours = Owner::ours();
        assert!(!ours.is_dead());
        assert!(ours.to_string().starts_with(&format!("process {}", std::process::id())));
    }
}
