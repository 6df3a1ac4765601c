//! What the process itself takes, as the kernel tells it; absent where it does not.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What the process takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    pub resident_bytes: Option<u64>,
    pub cpu_seconds: Option<f64>,
    pub open_fds: Option<u64>,
    pub max_fds: Option<u64>,
}

impl Process {
    /// Of this one, now. Reads `/proc`, which does not block.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fds = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        Self {
            resident_bytes: resident(&stat, page_size() as u64),
            cpu_seconds: cpu(&stat, clock_ticks_per_second()),
            // But for the one that counts.
            open_fds: fds.and_then(|fds| u64::try_from(fds.saturating_sub(1)).ok()),
            max_fds: getrlimit(Resource::Nofile).current,
        }
    }
}

/// A field of `/proc/self/stat`, by its number in proc(5). The second may hold blanks and brackets.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn resident(stat: &str, page: u64) -> Option<u64> {
    Some(field(stat, 24)? * page)
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn cpu(stat: &str, ticks_per_second: u64) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) as f64 / ticks_per_second.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_shifts_no_field() {
        let mut fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        fields[14 - 3] = "150".to_owned();
        fields[15 - 3] = "50".to_owned();
        let stat = format!("7 (a ) b) {}", fields.join(" "));
        assert_eq!(cpu(&stat, 100), Some(2.0));
        assert_eq!(resident(&stat, 4096), Some(24 * 4096));
        assert_eq!(resident("", 4096), None);
    }

    #[test]
    fn this_process_takes_something() {
        let now = Process::now();
        assert!(now.resident_bytes > Some(100_000), "{now:?}");
        assert!(now.open_fds > Some(2) && now.open_fds <= now.max_fds, "{now:?}");
    }
}
