//! Who holds a locked database: nicety for an error message, best effort.

use std::path::Path;

/// The process that holds RocksDB's lock in `dir`; `None` where the system does not tell (other than
/// Linux, another container, some file systems).
pub(super) fn holder(dir: &Path) -> Option<u32> {
    let (device, inode) = identity(&dir.join("LOCK"))?;
    find(&std::fs::read_to_string("/proc/locks").ok()?, device, inode)
}

#[cfg(target_os = "linux")]
fn identity(file: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(target_os = "linux"))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

/// A line is `1: POSIX  ADVISORY  WRITE 4242 fd:01:131 0 EOF`: number, class, kind, mode, process,
/// major:minor (hexadecimal) and inode, range (proc_locks(5)). A `->` marks one who waits.
fn find(locks: &str, device: u64, inode: u64) -> Option<u32> {
    // makedev(3) of glibc.
    let major = (device >> 8) & 0xfff | (device >> 32) & !0xfff;
    let minor = device & 0xff | (device >> 12) & 0xffff_ff00;
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let holds = words.next()? != "->";
        let process = words.nth(2)?;
        // Of another container it is 0 or less.
        let process = process.parse().ok().filter(|process| *process > 0);
        process.filter(|_| holds && words.next() == Some(file.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_by_device_and_inode() {
        let locks = "1: FLOCK  ADVISORY  WRITE 7 fd:01:131 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 8 fd:02:132 0 EOF\n\
                     2: -> POSIX  ADVISORY  WRITE 9 fd:01:132 0 EOF\n\
                     3: POSIX  ADVISORY  WRITE -1 fd:01:133 0 EOF\n\
                     4: POSIX  ADVISORY  WRITE 4242 fd:01:132 0 EOF\n\
                     nonsense\n\n";
        let device = 0xfd01;
        assert_eq!(find(locks, device, 132), Some(4242));
        assert_eq!(find(locks, 0xfd02, 132), Some(8));
        assert_eq!(find(locks, device, 133), None, "a process of another container");
        assert_eq!(find(locks, device, 134), None);
        assert_eq!(find("", device, 132), None);
    }
}
