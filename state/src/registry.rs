//! Small records of a daemon by their keys: which jobs it has, their scripts, what happened. One
//! RocksDB, in a directory of its own beside the states of the jobs. What a write holds is there whole
//! or not at all, and durable when it returns.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::StoreError;
use rocksdb::{DB, Direction, IteratorMode, ReadOptions, WriteBatch};
use tokio::task::spawn_blocking;

use crate::rocks::{has_room, is_locked, registry_options, synced};

/// Bytes of one record; a script may have 1 MiB, and more once it is sealed.
const RECORD_BYTES_MAX: usize = 4 << 20;

/// The records. Clones are of the same database.
#[derive(Debug, Clone)]
pub struct Registry {
    opened: Arc<Opened>,
}

#[derive(Debug)]
struct Opened {
    db: DB,
    dir: PathBuf,
}

/// What one write does, all of it or nothing.
#[derive(Debug, Default, Clone)]
pub struct Writes {
    steps: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Writes {
    #[must_use]
    pub fn put(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.steps.push((key.into(), Some(value.into())));
        self
    }

    #[must_use]
    pub fn remove(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.steps.push((key.into(), None));
        self
    }
}

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

impl Registry {
    /// Opens, or makes, the registry in `dir`.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] while another process has it open; [`StoreError::Io`] where it does not
    /// open.
    pub async fn open(dir: &Path) -> Result<Self, StoreError> {
        let dir = dir.to_owned();
        let at = dir.clone();
        let opened = spawn_blocking(move || open(at)).await;
        let opened = opened.map_err(|error| io(&dir, "open the registry", error))??;
        Ok(Self { opened: Arc::new(opened) })
    }

    /// # Errors
    /// [`StoreError::Io`] where the disk refuses.
    pub async fn get(&self, key: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.into();
        self.blocking(move |opened| opened.db.get(key).map_err(|e| opened.io("read a record", e)))
            .await
    }

    /// Up to `limit` records whose keys begin with `prefix`, in the order of their keys, from the
    /// first whose key is not below `from`.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses.
    pub async fn ascending(
        &self,
        prefix: impl Into<Vec<u8>>,
        from: impl Into<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (prefix, from) = (prefix.into(), from.into());
        self.blocking(move |opened| opened.records(&prefix, &from, Direction::Forward, limit)).await
    }

    /// The same in the opposite order: from the last whose key is below `below`.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses.
    pub async fn descending(
        &self,
        prefix: impl Into<Vec<u8>>,
        below: impl Into<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (prefix, below) = (prefix.into(), below.into());
        self.blocking(move |opened| opened.records(&prefix, &below, Direction::Reverse, limit))
            .await
    }

    /// # Errors
    /// [`StoreError::Io`] where the disk refuses, or a record is too large.
    pub async fn write(&self, writes: Writes) -> Result<(), StoreError> {
        self.blocking(move |opened| opened.write(&writes)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Opened) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let opened = Arc::clone(&self.opened);
        let done = spawn_blocking(move || f(&opened)).await;
        done.map_err(|error| self.opened.io("reach the registry", error))?
    }
}

fn open(dir: PathBuf) -> Result<Opened, StoreError> {
    let make = format!("make `{}`", dir.display());
    std::fs::create_dir_all(&dir).map_err(|error| io(&dir, &make, error))?;
    match DB::open(&registry_options(), &dir) {
        Ok(db) => Ok(Opened { db, dir }),
        Err(error) if is_locked(&error) => Err(StoreError::Fenced {
            store: name(&dir),
            job: "(all)".to_owned(),
            what: "another daemon has these jobs; stop it, or give this one another directory"
                .to_owned(),
        }),
        Err(error) => Err(io(&dir, "open the registry", error)),
    }
}

fn name(dir: &Path) -> String {
    format!("rocksdb://{}", dir.display())
}

fn io(
    dir: &Path,
    what: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Io { store: name(dir), what: what.to_owned(), source: source.into() }
}

impl Opened {
    fn io(
        &self,
        what: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        io(&self.dir, what, source)
    }

    fn records(
        &self,
        prefix: &[u8],
        edge: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        let mode = IteratorMode::From(edge, direction);
        for record in self.db.iterator_opt(mode, ReadOptions::default()) {
            let (key, value) = record.map_err(|error| self.io("read records", error))?;
            // Downwards the walk begins at the edge itself, which is not part of it.
            if matches!(direction, Direction::Reverse) && &*key >= edge {
                continue;
            }
            if !key.starts_with(prefix) || records.len() == limit {
                break;
            }
            records.push((key.into_vec(), value.into_vec()));
        }
        Ok(records)
    }

    fn write(&self, writes: &Writes) -> Result<(), StoreError> {
        let what = "write a record";
        let mut batch = WriteBatch::default();
        for (key, value) in &writes.steps {
            match value {
                Some(value) if value.len() > RECORD_BYTES_MAX => {
                    return Err(self.io(what, format!("it has over {RECORD_BYTES_MAX} bytes")));
                }
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        has_room(&self.dir, batch.size_in_bytes()).map_err(|error| self.io(what, error))?;
        self.db.write_opt(batch, &synced()).map_err(|error| self.io(what, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(records: &[Record]) -> Vec<String> {
        records.iter().map(|(key, _)| String::from_utf8(key.clone()).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_write_is_there_as_a_whole_after_the_registry_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::open(dir.path()).await.unwrap();
        let writes = Writes::default().put("a", "1").put("b", "2");
        registry.write(writes).await.unwrap();
        registry.write(Writes::default().remove("a").put("c", "3")).await.unwrap();
        drop(registry);
        let registry = Registry::open(dir.path()).await.unwrap();
        assert_eq!(registry.get("a").await.unwrap(), None);
        assert_eq!(registry.get("b").await.unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(registry.get("c").await.unwrap().as_deref(), Some(&b"3"[..]));
    }

    #[tokio::test]
    async fn records_are_listed_within_their_prefix_in_either_direction() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::open(dir.path()).await.unwrap();
        let mut writes = Writes::default().put("e", "").put("f", "").put("h/1", "");
        for number in 1..=5 {
            writes = writes.put(format!("g/{number}"), "");
        }
        registry.write(writes).await.unwrap();
        let up = registry.ascending("g/", "g/", 3).await.unwrap();
        assert_eq!(keys(&up), ["g/1", "g/2", "g/3"]);
        let up = registry.ascending("g/", "g/4", 9).await.unwrap();
        assert_eq!(keys(&up), ["g/4", "g/5"]);
        let down = registry.descending("g/", "g/\u{ff}", 2).await.unwrap();
        assert_eq!(keys(&down), ["g/5", "g/4"]);
        let down = registry.descending("g/", "g/3", 9).await.unwrap();
        assert_eq!(keys(&down), ["g/2", "g/1"]);
        assert_eq!(keys(&registry.descending("g/", "g/1", 9).await.unwrap()), [""; 0]);
    }

    #[tokio::test]
    async fn a_second_daemon_is_told_that_another_has_these_jobs() {
        let dir = tempfile::tempdir().unwrap();
        let _registry = Registry::open(dir.path()).await.unwrap();
        let error = Registry::open(dir.path()).await.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { .. }), "{error:?}");
        assert!(error.to_string().contains("another daemon has these jobs"), "{error}");
    }
}
