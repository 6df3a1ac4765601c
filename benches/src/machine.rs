//! What the figures were measured on.

use std::fs;
use std::process::Command;

/// The load averages as the system shows them.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    memory_gib: u64,
    /// Its version.
    pub(crate) mysql: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let here = env!("CARGO_MANIFEST_DIR");
        let servers = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers.sh");
        let memory = field("/proc/meminfo", "MemTotal");
        let kib = memory.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok());
        Self {
            date: output("date", &["-u", "+%Y-%m-%d"]),
            commit: output("git", &["-C", here, "rev-parse", "--short", "HEAD"]),
            cpu: field("/proc/cpuinfo", "model name"),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_gib: kib.unwrap_or_default().div_ceil(1 << 20),
            mysql: output(servers, &["version", "mysql9"]),
        }
    }

    /// As the paragraph above the table.
    pub(crate) fn heading(&self, load_before: &str, runs: usize) -> String {
        let Self { date, commit, cpu, cpus, memory_gib, mysql } = self;
        format!(
            "{date}, commit {commit}, {cpus} CPUs ({cpu}), {memory_gib} GiB, MySQL {mysql} on loopback \
             without TLS; medians of {runs} runs; load average before: {load_before}, after: {}.",
            load()
        )
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}

/// The value of the first line `name : value` of a file of the system.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, v)| v.trim()).to_owned()
}
