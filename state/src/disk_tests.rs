//! Local stores on a real disk that is full, or read-only. Where mounting is not allowed they say so.

use std::path::Path;
use std::process::{Command, Stdio};

use model::checkpoint::Fence;
use model::conformance::samples;
use model::{BarrierKind, Checkpoint, CheckpointStore, StoreError};
use tempfile::TempDir;

use super::*;

const JOB: &str = "emp_sync";

/// A file system in memory, unmounted with its owner.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=64m", "seachange"], dir.path());
        if !mounted {
            println!("NOT RUN: a disk cannot be mounted here");
            return None;
        }
        Some(Self(dir))
    }

    fn remount(&self, mode: &str) {
        assert!(run("mount", &["-o", &format!("remount,{mode}")], self.0.path()), "remount {mode}");
    }

    fn fill(&self) {
        let filler = std::fs::File::create(self.0.path().join("filler")).unwrap();
        let mut filler = std::io::BufWriter::new(filler);
        while std::io::Write::write_all(&mut filler, &[7; 4096]).is_ok() {}
        // What is still in its buffer has no room.
        drop(filler.into_parts());
    }

    fn free(&self) {
        std::fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], self.0.path());
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    let quiet = || Stdio::null();
    let command =
        Command::new(program).args(arguments).arg(path).stdout(quiet()).stderr(quiet()).status();
    command.is_ok_and(|status| status.success())
}

fn sample(id: u64) -> Checkpoint {
    let mut checkpoint = samples::checkpoint(JOB, id, BarrierKind::Checkpoint);
    // Bytes that do not pack, so that the disk has to take them.
    let mut state = id;
    let noise = (0..200_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_le_bytes()[7]
    });
    checkpoint.sinks.insert("noise".into(), noise.collect());
    checkpoint
}

async fn look(store: &dyn CheckpointStore, acknowledged: &[u64]) {
    let listed = store.list().await.unwrap();
    for entry in &listed {
        assert_eq!(*entry.content.as_ref().unwrap(), sample(entry.id.0), "what is listed restores");
    }
    for id in acknowledged {
        assert!(listed.iter().any(|entry| entry.id.0 == *id), "{id} was acknowledged");
    }
}

/// Puts until one is refused, a few at most; true if one was.
async fn is_refused(
    store: &dyn CheckpointStore,
    fence: Fence,
    next: &mut u64,
    kept: &mut Vec<u64>,
) -> bool {
    for _ in 0..5 {
        *next += 1;
        match store.put(fence, &sample(*next)).await {
            Ok(()) => kept.push(*next),
            Err(StoreError::Io { .. }) => return true,
            Err(other) => panic!("{other}"),
        }
    }
    false
}

async fn survives(scheme: &str) {
    let Some(disk) = SmallDisk::mount() else { return };
    let url: StateUrl = format!("{scheme}{}/state", disk.0.path().display()).parse().unwrap();
    let work = TempDir::new().unwrap();
    let options = JobOptions { work_dir: work.path().to_owned(), ..JobOptions::default() };
    let state = open_job(&url, JOB, &options).await.unwrap();
    let store = &*state.checkpoints;
    let fence = store.acquire().await.unwrap();
    let (mut next, mut kept) = (0, Vec::new());
    assert!(!is_refused(store, fence, &mut next, &mut kept).await);
    for fault in ["full", "read-only"] {
        let ended = |disk: &SmallDisk| match fault {
            "full" => disk.free(),
            _ => disk.remount("rw"),
        };
        match fault {
            "full" => disk.fill(),
            // RocksDB has its files open for writing, and the system remounts no such disk.
            _ if scheme.starts_with("rocksdb") => continue,
            _ => disk.remount("ro"),
        }
        assert!(is_refused(store, fence, &mut next, &mut kept).await, "a disk that is {fault}");
        let reader = open_read_only(&url, JOB).unwrap();
        look(&*reader, &kept).await;
        ended(&disk);
        look(store, &kept).await;
        let before = kept.len();
        let again = !is_refused(store, fence, &mut next, &mut kept).await;
        assert!(again && kept.len() > before, "it works again after a disk that was {fault}");
        look(store, &kept).await;
    }
}

#[tokio::test]
async fn a_directory_survives_a_disk_that_is_full_or_read_only() {
    survives("file://").await;
}

#[tokio::test]
async fn a_database_survives_a_disk_that_is_full() {
    survives("rocksdb://").await;
}
