//! Snapshots copied elsewhere: a directory at any place for objects, whole in itself.
//!
//! `savepoint-<job>-<id>-<8 hex digits>/` holds `snapshot`, the bytes of [`crate::format`], and under
//! `held/` the rows of the prepared XA transactions that it names. The snapshot is written last and
//! never replaced: where it is, the rest is.
//!
//! A reference is the path or URL of the directory, or of the file `snapshot` in it.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use model::checkpoint::{HeldId, HeldRows, PreparedXa, SourceState, XaState};
use model::{Checkpoint, StoreError};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode};

use crate::format::{self, Outline, Place};
use crate::object::{self, ObjectUrl, failed, is_missing};
use crate::parts::Folder;
use crate::{HeldStore, job_dir};

const SNAPSHOT: &str = "snapshot";
const HELD: &str = "held";

/// Far above any snapshot: 2,000 tables take some 30 KiB, 2,000 different ones some MiB. What is
/// larger is something else, and not worth reading whole to find out.
const SNAPSHOT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What an error calls the job of a snapshot, which is known only once it is read.
const UNKNOWN_JOB: &str = "?";

/// No run has this fence: rows that were brought from elsewhere have names of their own.
const BROUGHT: u64 = 0;

/// A snapshot that was read from elsewhere.
#[derive(Debug)]
pub struct Imported {
    pub checkpoint: Checkpoint,
    pub outline: Outline,
    /// Bytes of the snapshot.
    pub size: u64,
    /// The directory.
    url: ObjectUrl,
    store: Arc<dyn ObjectStore>,
    path: Path,
}

/// A reference of its own for a snapshot that is to be written under `to`: a path, or the URL of a
/// place for objects.
///
/// # Errors
/// [`StoreError::Io`] where `to` is no such place.
pub fn reference(to: &str, checkpoint: &Checkpoint) -> Result<String, StoreError> {
    Ok(place(to)?.join(&name(checkpoint)).to_string())
}

/// Copies a snapshot, with the XA rows that it names, to where [`reference`] said, for [`read`] to
/// read it by that. Dropped half way, it leaves what [`remove`] removes.
///
/// # Errors
/// [`StoreError::Io`] where the place does not take it; nothing stays then, as far as the place still
/// lets us clean up.
pub async fn write(
    reference: &str,
    checkpoint: &Checkpoint,
    held: &HeldStore,
) -> Result<(), StoreError> {
    let url = place(reference)?;
    let (store, path) = object::open(&url)?;
    let bytes =
        format::encode(checkpoint).map_err(|error| failed(&url, "write a savepoint", error))?;
    let written = write_all(&url, &*store, &path, checkpoint, bytes, held).await;
    if written.is_err() {
        // Best effort: the error that matters is the first.
        drop(remove_all(&url, &*store, &path).await);
    }
    written
}

/// Reads a snapshot by its reference.
///
/// # Errors
/// [`StoreError::Missing`] where there is none; [`StoreError::Damaged`] and [`StoreError::Newer`] as
/// [`format::decode`].
pub async fn read(reference: &str) -> Result<Imported, StoreError> {
    let (url, file, bytes) = find(&place(reference)?).await?;
    let (store, path) = object::open(&url)?;
    let (shown, id) = (url.to_string(), format!("`{file}`"));
    let place = Place { store: &shown, job: UNKNOWN_JOB, id: &id };
    let bytes = object::bare_snapshot(&bytes);
    let (checkpoint, size) = (format::decode(bytes, place)?, bytes.len() as u64);
    Ok(Imported { checkpoint, outline: format::outline(bytes, place)?, size, url, store, path })
}

/// Removes a savepoint: everything in its directory. What is not there is no error.
///
/// # Errors
/// [`StoreError::Io`] where the reference is that of no savepoint's directory, or the place refuses.
pub async fn remove(reference: &str) -> Result<(), StoreError> {
    let mut url = place(reference)?;
    if url.name() == SNAPSHOT {
        url = url.parent();
    }
    // Never a directory of another's making, whatever is asked.
    if !url.name().starts_with("savepoint-") {
        let why = "only a directory named `savepoint-…` is removed";
        return Err(failed(&url, "remove a savepoint", why));
    }
    let (store, path) = object::open(&url)?;
    remove_all(&url, &*store, &path).await?;
    if let Some(directory) = url.directory() {
        // Empty by now, or not there; what else may lie in them is not ours.
        drop(tokio::fs::remove_dir(directory.join(HELD)).await);
        drop(tokio::fs::remove_dir(directory).await);
    }
    Ok(())
}

impl Imported {
    /// Reads the rows of prepared XA transactions again, every byte of them.
    ///
    /// # Errors
    /// [`StoreError::Io`] where rows are missing or damaged.
    pub async fn verify(&self) -> Result<(), StoreError> {
        for rows in self.checkpoint.source.xa.prepared.iter().filter_map(|xa| xa.rows) {
            let path = folder(&self.path, rows);
            Folder { store: &*self.store, path, url: &self.url }.verify(rows).await?;
        }
        Ok(())
    }

    /// Brings the rows of prepared XA transactions into a job's own state, and gives the checkpoint
    /// that names them there: in another job, or another state, the old names may be taken.
    ///
    /// # Errors
    /// [`StoreError::Io`] where rows are missing or damaged, or the disk refuses.
    pub async fn bring(&self, held: &HeldStore) -> Result<Checkpoint, StoreError> {
        let mut next = HeldId { run: BROUGHT, number: rand::random::<u64>() >> 1 };
        let mut prepared = Vec::new();
        for xa in &self.checkpoint.source.xa.prepared {
            let mut rows = xa.rows;
            if let Some(there) = xa.rows {
                let here = HeldRows { id: next, ..there };
                next.number += 1;
                let path = folder(&self.path, there);
                let folder = Folder { store: &*self.store, path, url: &self.url };
                folder.read(here, held).await?;
                rows = Some(here);
            }
            prepared.push(PreparedXa { xid: xa.xid.clone(), rows });
        }
        let xa = XaState { prepared, next };
        let source = SourceState { xa, ..SourceState::clone(&self.checkpoint.source) };
        Ok(Checkpoint { source: Arc::new(source), ..self.checkpoint.clone() })
    }
}

fn place(text: &str) -> Result<ObjectUrl, StoreError> {
    text.parse().map_err(|error: crate::StateUrlError| StoreError::Io {
        // It may hold a secret, and be refused for that.
        store: "a place for savepoints".to_owned(),
        what: "find a savepoint's place".to_owned(),
        source: Box::new(error),
    })
}

/// A name that no other savepoint has, also of a job of the same last part or an earlier life.
fn name(checkpoint: &Checkpoint) -> String {
    let job = checkpoint.job.rsplit('/').next().unwrap_or_default();
    let (id, random) = (checkpoint.id, rand::random::<u32>());
    format!("savepoint-{}-{id}-{random:08x}", job_dir::escape(job))
}

fn folder(path: &Path, rows: HeldRows) -> Path {
    path.clone().join(HELD).join(format!("{}-{}", rows.id.run, rows.id.number))
}

async fn write_all(
    url: &ObjectUrl,
    store: &dyn ObjectStore,
    path: &Path,
    checkpoint: &Checkpoint,
    bytes: Vec<u8>,
    held: &HeldStore,
) -> Result<(), StoreError> {
    for rows in checkpoint.source.xa.prepared.iter().filter_map(|xa| xa.rows) {
        Folder { store, path: folder(path, rows), url }.write(rows, held.drain(rows)).await?;
    }
    let at = path.clone().join(SNAPSHOT);
    let wrong = |error| failed(url, "write a savepoint", error);
    // A new name: what a repeated request would replace is our own.
    store.put_opts(&at, bytes.clone().into(), PutMode::Overwrite.into()).await.map_err(wrong)?;
    let back = store.get(&at).await.map_err(wrong)?.bytes().await.map_err(wrong)?;
    if *back != *bytes {
        return Err(failed(url, "write a savepoint", "what was written reads back otherwise"));
    }
    Ok(())
}

async fn remove_all(
    url: &ObjectUrl,
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<(), StoreError> {
    let wrong = |error| failed(url, "remove a savepoint", error);
    // The snapshot goes first: without it the rest is no savepoint.
    let mut found = vec![path.clone().join(SNAPSHOT)];
    let mut listed = store.list(Some(path));
    while let Some(object) = listed.try_next().await.map_err(wrong)? {
        if object.location.filename() != Some(SNAPSHOT) {
            found.push(object.location);
        }
    }
    for path in found {
        match store.delete(&path).await {
            Err(error) if !is_missing(&error) => return Err(wrong(error)),
            _ => {}
        }
    }
    Ok(())
}

/// The directory of a reference, the name of its snapshot there, and the bytes of that.
async fn find(url: &ObjectUrl) -> Result<(ObjectUrl, String, Vec<u8>), StoreError> {
    let is_directory = url.directory().map(|directory| directory.is_dir());
    // In a store of objects a directory cannot be read as one: either is tried.
    let file = (is_directory != Some(true)).then(|| (url.parent(), url.clone()));
    let inside = (is_directory != Some(false)).then(|| (url.clone(), url.join(SNAPSHOT)));
    for (directory, file) in file.into_iter().chain(inside) {
        let (store, path) = object::open(&file)?;
        let wrong = |error| failed(&file.parent(), "read a savepoint", error);
        let got = match store.get(&path).await {
            Err(error) if is_missing(&error) => continue,
            got => got.map_err(wrong)?,
        };
        if got.meta.size > SNAPSHOT_BYTES_MAX {
            return Err(StoreError::Damaged {
                store: file.parent().to_string(),
                job: UNKNOWN_JOB.to_owned(),
                id: format!("`{}`", file.name()),
                what: format!("it has {} bytes, more than any snapshot", got.meta.size),
            });
        }
        let bytes = got.bytes().await.map_err(wrong)?;
        return Ok((directory, file.name().to_owned(), bytes.into()));
    }
    Err(StoreError::Missing {
        store: url.parent().to_string(),
        job: UNKNOWN_JOB.to_owned(),
        id: format!("`{}`", url.name()),
    })
}

#[cfg(test)]
mod tests {
    use model::BarrierKind;
    use model::conformance::samples;
    use tempfile::TempDir;

    use super::*;
    use crate::{RocksStore, SPOOL_BATCH_BYTES_MAX};

    const JOB: &str = "retail/emp sync";

    fn sample(id: u64) -> Checkpoint {
        samples::checkpoint(JOB, id, BarrierKind::Savepoint)
    }

    async fn held(dir: &TempDir) -> HeldStore {
        RocksStore::open(dir.path(), JOB).await.unwrap().held()
    }

    async fn write(to: &str, what: &Checkpoint, held: &HeldStore) -> Result<String, StoreError> {
        let reference = reference(to, what)?;
        super::write(&reference, what, held).await.map(|()| reference)
    }

    fn text(dir: &TempDir) -> &str {
        dir.path().to_str().unwrap()
    }

    #[tokio::test]
    async fn a_savepoint_reads_back_by_directory_and_by_file_as_path_and_as_url() {
        let (dir, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let held = held(&state).await;
        for to in [text(&dir).to_owned(), format!("file://{}/deeper/", text(&dir))] {
            let reference = write(&to, &sample(7), &held).await.unwrap();
            assert!(reference.starts_with(to.trim_end_matches('/')), "{reference}");
            assert!(reference.contains("/savepoint-emp%20sync-7-"), "{reference}");
            let path = reference.trim_start_matches("file://").to_owned();
            for by in [&reference, &path, &format!("{path}/"), &format!("file://{path}")] {
                assert_eq!(read(by).await.unwrap().checkpoint, sample(7), "{by}");
                let file = format!("{by}/snapshot");
                assert_eq!(read(&file).await.unwrap().checkpoint, sample(7), "{file}");
            }
            remove(&reference).await.unwrap();
            assert!(!std::path::Path::new(&path).exists());
            assert!(matches!(read(&reference).await, Err(StoreError::Missing { .. })));
            remove(&reference).await.expect("removing what is not there");
        }
    }

    #[tokio::test]
    async fn the_rows_of_prepared_xa_transactions_come_along_under_names_of_their_own() {
        let dir = TempDir::new().unwrap();
        let records = vec![b"a".to_vec(), vec![7; SPOOL_BATCH_BYTES_MAX], Vec::new()];
        let bytes = records.iter().map(|record| record.len() as u64).sum();
        let rows = HeldRows { id: HeldId { run: 3, number: 1 }, records: 3, bytes };
        let mut checkpoint = sample(7);
        Arc::make_mut(&mut checkpoint.source).xa = XaState {
            prepared: vec![
                PreparedXa { xid: "X'67',X'',1".into(), rows: Some(rows) },
                PreparedXa { xid: "X'68',X'',1".into(), rows: None },
            ],
            next: HeldId { run: 3, number: 2 },
        };
        let from = TempDir::new().unwrap();
        let source = held(&from).await;
        assert!(write(text(&dir), &checkpoint, &source).await.is_err(), "rows that are not there");
        assert_eq!(
            std::fs::read_dir(dir.path())
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.path().join(SNAPSHOT).exists())
                .count(),
            0
        );
        source.append(rows.id, 0, records.clone()).await.unwrap();
        let reference = write(text(&dir), &checkpoint, &source).await.unwrap();

        let to = TempDir::new().unwrap();
        let target = held(&to).await;
        target.append(rows.id, 0, vec![b"of another transaction".to_vec()]).await.unwrap();
        let imported = read(&reference).await.unwrap();
        imported.verify().await.unwrap();
        let brought = imported.bring(&target).await.unwrap();
        let xa = &brought.source.xa;
        let here = xa.prepared[0].rows.unwrap();
        assert_ne!(here.id, rows.id);
        assert!(here.id < xa.next && xa.next < HeldId { run: 1, number: 0 });
        assert_eq!(target.drain(here).all().await, records);
        assert_eq!(xa.prepared[1], checkpoint.source.xa.prepared[1]);
        assert_eq!(brought.sinks, checkpoint.sinks);

        std::fs::remove_dir_all(format!("{reference}/held")).unwrap();
        let error = read(&reference).await.unwrap().verify().await.unwrap_err();
        assert!(crate_chain(&error).contains("is missing"), "{error:?}");
        let error = read(&reference).await.unwrap().bring(&target).await.unwrap_err();
        assert!(crate_chain(&error).contains("is missing"), "{error:?}");
    }

    fn crate_chain(error: &dyn std::error::Error) -> String {
        error.source().map(ToString::to_string).unwrap_or_default()
    }

    #[tokio::test]
    async fn what_is_no_savepoint_is_told_by_its_path_and_never_removed() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("notes.txt");
        let by = path.to_str().unwrap();
        assert!(matches!(read(by).await, Err(StoreError::Missing { .. })));
        std::fs::write(&path, "hello").unwrap();
        let error = read(by).await.unwrap_err().to_string();
        assert!(error.contains("`notes.txt`"), "{error}");
        assert!(error.contains("not a Seachange snapshot"), "{error}");
        assert!(matches!(read(text(&dir)).await, Err(StoreError::Missing { .. })), "a directory");
        assert!(matches!(remove(by).await, Err(StoreError::Io { .. })));
        assert!(matches!(remove(text(&dir)).await, Err(StoreError::Io { .. })));
        assert!(path.exists());
    }

    #[tokio::test]
    async fn every_flipped_bit_of_a_savepoint_is_seen() {
        let (dir, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let reference = write(text(&dir), &sample(7), &held(&state).await).await.unwrap();
        let file = format!("{reference}/snapshot");
        let bytes = std::fs::read(&file).unwrap();
        for bit in (0..bytes.len() * 8).step_by(5) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&file, &flipped).unwrap();
            assert!(read(&reference).await.is_err(), "bit {bit}");
        }
    }
}
