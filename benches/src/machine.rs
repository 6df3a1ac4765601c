//! What the figures were measured on.

use std::fs;
use std::process::Command;

/// The load averages as the system shows them.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Date, machine and load, as the paragraph above the table.
pub(crate) fn heading(load_before: &str, runs: usize) -> String {
    let date = output("date", &["-u", "+%Y-%m-%d"]);
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mysql = output(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers.sh"),
        &["version", "mysql9"],
    );
    let commit = output("git", &["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short", "HEAD"]);
    format!(
        "{date}, commit {commit}, {cpus} CPUs ({}), {} GiB, MySQL {mysql} on loopback without TLS; \
         medians of {runs} runs; load average before: {load_before}, after: {}.",
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal")
            .split_whitespace()
            .next()
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or_default()
            .div_ceil(1 << 20),
        load()
    )
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
