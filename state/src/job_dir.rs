//! Job names as directories: `retail/orders/emp_sync` rests in `DIR/retail/orders/emp_sync.job/`.
//!
//! A name comes from a user and must not lead out of DIR, nor two names to one directory. Each part
//! of the path is escaped on its own:
//!
//! * letters and digits of any script, `_` and `-` stay; so does `.`, except at the start of a part
//!   (no `.`, `..` or hidden directory) and where a part ends in `.job` (that is how the directory of
//!   a job is told from a folder of jobs);
//! * every other byte of the UTF-8 text becomes `%` and two upper-case hexadecimal digits.
//!
//! Empty parts (`a//b`, `/a`, `a/`) are refused, and so are names too long for a file system.

use std::path::{Path, PathBuf};

/// Ends the directory of a job.
pub const SUFFIX: &str = ".job";

/// A name of a file or directory has at most 255 bytes on every usual file system; some room is
/// left for the suffix.
const PART_BYTES_MAX: usize = 240;
const DEPTH_MAX: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no job name: {why}")]
pub struct BadJobName {
    pub name: String,
    pub why: &'static str,
}

/// The directory of a job, relative to the state's.
///
/// # Errors
/// A name with an empty part, or too long.
pub fn directory(job: &str) -> Result<PathBuf, BadJobName> {
    let bad = |why| BadJobName { name: job.to_owned(), why };
    let parts: Vec<&str> = job.split('/').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(bad("a part of the path is empty"));
    }
    if parts.len() > DEPTH_MAX {
        return Err(bad("its path has more than 32 parts"));
    }
    let mut escaped: Vec<String> = parts.iter().map(|part| escape(part)).collect();
    if escaped.iter().any(|part| part.len() > PART_BYTES_MAX) {
        return Err(bad("a part of the path is too long"));
    }
    if let Some(last) = escaped.last_mut() {
        last.push_str(SUFFIX);
    }
    Ok(escaped.iter().collect())
}

/// The job of a directory relative to the state's; `None` where [`directory`] never makes it.
pub fn name(directory: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in directory {
        parts.push(part.to_str()?.to_owned());
    }
    let last = parts.last_mut()?;
    *last = last.strip_suffix(SUFFIX)?.to_owned();
    let unescaped: Option<Vec<String>> = parts.iter().map(|part| unescape(part)).collect();
    let job = unescaped?.join("/");
    (self::directory(&job).ok()? == directory).then_some(job)
}

pub(crate) fn escape(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    let suffix_at = part
        .len()
        .checked_sub(SUFFIX.len())
        // Also `.JOB`: some file systems do not tell the two apart.
        .filter(|&at| part.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(SUFFIX)));
    for (at, c) in part.char_indices() {
        let dot = c == '.' && at > 0 && Some(at) != suffix_at;
        if dot || c.is_alphanumeric() || matches!(c, '_' | '-') {
            out.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescape(part: &str) -> Option<String> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    fn check(job: &str, expect: &str) {
        let directory = directory(job).unwrap();
        assert_eq!(directory, Path::new(expect), "{job}");
        assert_eq!(name(&directory).as_deref(), Some(job), "{job}");
    }

    #[test]
    fn a_usual_name_stays_readable() {
        check("emp_sync", "emp_sync.job");
        check("retail/orders/emp_sync", "retail/orders/emp_sync.job");
        check("订单/v1.2-测试", "订单/v1.2-测试.job");
    }

    #[test]
    fn a_name_never_leaves_the_directory() {
        check("../../etc/passwd", "%2E./%2E./etc/passwd.job");
        check(".", "%2E.job");
        check("a b\\c:d\0", "a%20b%5Cc%3Ad%00.job");
        check("%2E", "%252E.job");
    }

    #[test]
    fn a_job_is_never_a_folder_inside_another_job() {
        check("a.job/b", "a%2Ejob/b.job");
        check("a.job", "a%2Ejob.job");
        check("a.JOB", "a%2EJOB.job");
        check(".job", "%2Ejob.job");
    }

    #[test]
    fn names_with_empty_or_endless_parts_are_refused() {
        let long = "x".repeat(300);
        let deep = vec!["x"; 40].join("/");
        for bad in ["", "/", "a//b", "/a", "a/", long.as_str(), deep.as_str()] {
            assert!(directory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_directory_of_another_making_is_no_job() {
        for foreign in ["emp_sync", ".job", "a b.job", "%2e.job", "%zz.job", "a/../b.job", "/a.job"]
        {
            assert_eq!(name(Path::new(foreign)), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn every_name_has_a_directory_of_its_own_inside(job in "[a.%/\\\\J jobé\u{0}]{1,12}") {
            if let Ok(directory) = directory(&job) {
                prop_assert!(directory.components().all(|c| matches!(c, Component::Normal(_))));
                prop_assert_eq!(name(&directory), Some(job));
            }
        }
    }
}
