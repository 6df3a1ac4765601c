//! A snapshot as a file: copied away by a user, restored from its path alone. The bytes are those of
//! every store ([`crate::format`]).

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use model::{Checkpoint, StoreError};
use tokio::task::spawn_blocking;

use crate::format::{self, Place};

/// Far above any snapshot: 2,000 tables take some 30 KiB, 2,000 different ones some MiB. What is
/// larger is some other file, and not worth reading whole to find out.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What an error about a file calls its job, which is known only once it is read.
const UNKNOWN_JOB: &str = "?";

/// Reads a snapshot from a file.
///
/// # Errors
/// [`StoreError::Missing`] where there is no file; [`StoreError::Damaged`] and [`StoreError::Newer`]
/// as [`format::decode`].
pub async fn read(path: &Path) -> Result<Checkpoint, StoreError> {
    let at = path.to_owned();
    on_its_own_thread(path, "read a snapshot", move || {
        let (store, id) = names(&at);
        let place = Place { store: &store, job: UNKNOWN_JOB, id: &id };
        let failed = |error: std::io::Error| {
            if error.kind() != std::io::ErrorKind::NotFound {
                return io(&at, "read a snapshot", error);
            }
            let (store, job) = (store.clone(), UNKNOWN_JOB.to_owned());
            StoreError::Missing { store, job, id: id.clone() }
        };
        let size = std::fs::metadata(&at).map_err(failed)?.len();
        if size > FILE_BYTES_MAX {
            let what = format!("it has {size} bytes, more than any snapshot");
            let job = UNKNOWN_JOB.to_owned();
            return Err(StoreError::Damaged { store: store.clone(), job, id: id.clone(), what });
        }
        format::decode(&std::fs::read(&at).map_err(failed)?, place)
    })
    .await
}

/// Writes a snapshot to a file, whole and durable or not at all.
///
/// # Errors
/// [`StoreError::Io`] where the disk refuses, or a file of that name exists; where rows of prepared
/// XA transactions belong to the snapshot, for the file would not hold them.
pub async fn write(path: &Path, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    if let Some(held) = checkpoint.source.xa.prepared.iter().find(|p| p.rows.is_some()) {
        let why = format!("XA transaction {} is prepared, and its rows rest beside it", held.xid);
        return Err(io(path, "write a snapshot", why));
    }
    let (at, checkpoint) = (path.to_owned(), checkpoint.clone());
    on_its_own_thread(path, "write a snapshot", move || {
        let failed = |error| io(&at, "write a snapshot", error);
        let bytes = format::encode(&checkpoint)
            .map_err(|error| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
        let partial = partial(&at);
        let written = write_whole(&partial, &at, &bytes);
        if written.is_err() {
            // Best effort: the error that matters is the first.
            drop(std::fs::remove_file(&partial));
        }
        written.map_err(failed)
    })
    .await
}

/// Beside the file, for a rename is atomic only within a file system.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

fn write_whole(partial: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A hard link, unlike a rename, refuses to replace what is there.
    std::fs::hard_link(partial, path)?;
    std::fs::remove_file(partial)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

async fn on_its_own_thread<T: Send + 'static>(
    path: &Path,
    what: &'static str,
    f: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(f).await.map_err(|error| io(path, what, error))?
}

fn io(
    path: &Path,
    what: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    let store = path.display().to_string();
    StoreError::Io { store, what: what.to_owned(), source: source.into() }
}

/// Folder and file name, as errors tell them.
fn names(path: &Path) -> (String, String) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or(path.as_os_str());
    (
        folder.unwrap_or(Path::new(".")).display().to_string(),
        format!("`{}`", name.to_string_lossy()),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::BarrierKind;
    use model::checkpoint::{HeldId, HeldRows, PreparedXa, XaState};
    use model::conformance::samples;

    use super::*;

    #[tokio::test]
    async fn a_file_reads_back_as_it_was_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("emp_sync-7.snapshot");
        let checkpoint = samples::checkpoint("emp_sync", 7, BarrierKind::Savepoint);
        write(&path, &checkpoint).await.unwrap();
        assert_eq!(read(&path).await.unwrap(), checkpoint);
        let other = samples::checkpoint("emp_sync", 8, BarrierKind::Savepoint);
        assert!(matches!(write(&path, &other).await, Err(StoreError::Io { .. })));
        assert_eq!(read(&path).await.unwrap(), checkpoint);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no partial file stays");
    }

    #[tokio::test]
    async fn a_snapshot_whose_held_rows_would_stay_behind_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("emp_sync-7.snapshot");
        let mut checkpoint = samples::checkpoint("emp_sync", 7, BarrierKind::Savepoint);
        let mut with = |rows| {
            let next = HeldId { run: 2, number: 0 };
            let prepared = vec![PreparedXa { xid: "X'67',X'',1".into(), rows }];
            Arc::make_mut(&mut checkpoint.source).xa = XaState { prepared, next };
            checkpoint.clone()
        };
        let rows = Some(HeldRows { id: HeldId::default(), records: 1, bytes: 1 });
        assert!(matches!(write(&path, &with(rows)).await, Err(StoreError::Io { .. })));
        write(&path, &with(None)).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_snapshot_is_told_by_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        assert!(matches!(read(&path).await, Err(StoreError::Missing { .. })));
        std::fs::write(&path, "hello").unwrap();
        let text = read(&path).await.unwrap_err().to_string();
        assert!(
            text.contains("`notes.txt`") && text.contains("not a Seachange snapshot"),
            "{text}"
        );
        assert!(matches!(read(dir.path()).await, Err(StoreError::Io { .. })), "a directory");
    }
}
