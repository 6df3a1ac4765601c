//! Reading every byte of a snapshot again.

use std::path::Path;

use model::checkpoint::{HeldRows, Listed};
use model::{CheckpointStore, StoreError};
use serde_json::{Value, json};
use state::format::{self, Place};
use state::{HeldStore, StateUrl};

use super::words::{count, grouped};
use crate::error::chain;

/// The job that runs meanwhile may replace files while they are read.
const TRIES: u32 = 3;

/// What was read of a snapshot, and what was wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Verified {
    /// Bytes of the snapshot itself.
    pub(super) bytes: u64,
    pub(super) sections: u64,
    /// Prepared XA transactions whose rows it names, those rows' records, and their bytes.
    pub(super) xa: u64,
    pub(super) records: u64,
    pub(super) held_bytes: u64,
    pub(super) damage: Option<String>,
    /// It is whole, and of a later format than this version reads.
    pub(super) newer: Option<String>,
}

impl Verified {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "bytes": self.bytes, "sections": self.sections, "xa_transactions": self.xa,
            "xa_records": self.records, "xa_bytes": self.held_bytes, "damage": self.damage,
            "newer": self.newer,
        })
    }

    pub(super) fn text(&self) -> String {
        if let Some(damage) = &self.damage {
            return format!("DAMAGED: {damage}");
        }
        if let Some(newer) = &self.newer {
            return format!("whole, and not read further: {newer}");
        }
        let (bytes, sections) = (count(self.bytes, "byte"), count(self.sections, "section"));
        let mut text = format!("verified, {bytes} in {sections}");
        if self.xa > 0 {
            let (xa, records) = (count(self.xa, "XA transaction"), count(self.records, "record"));
            let held = grouped(self.held_bytes);
            text.push_str(&format!(", and rows of {xa}: {records}, {held} bytes"));
        }
        text
    }
}

/// Verifies one snapshot of the list and the rows that it names; `None` where it is gone by now.
///
/// # Errors
/// The store cannot be read at all.
pub(super) async fn verify(
    store: &dyn CheckpointStore,
    url: &StateUrl,
    (job, work_dir): (&str, &Path),
    listed: &Listed,
) -> Result<Option<Verified>, StoreError> {
    let mut verified = Verified { bytes: listed.size, ..Verified::default() };
    let bytes = match store.bytes(listed.id).await {
        Ok(bytes) => bytes,
        // Of one that is damaged its place in the store may be a guess.
        Err(StoreError::Missing { .. }) if listed.content.is_ok() => return Ok(None),
        Err(StoreError::Io { store, what, source }) => {
            return Err(StoreError::Io { store, what, source });
        }
        Err(error) => {
            let error = listed.content.as_ref().err().unwrap_or(&error);
            verified.damage = Some(chain(error));
            return Ok(Some(verified));
        }
    };
    let (place, id) = (url.to_string(), listed.id.to_string());
    let at = Place { store: &place, job, id: &id };
    let read = format::decode(&bytes, at).and_then(|c| Ok((c, format::outline(&bytes, at)?)));
    let (checkpoint, outline) = match read {
        Ok(read) => read,
        Err(newer @ StoreError::Newer { .. }) => {
            verified.newer = Some(newer.to_string());
            return Ok(Some(verified));
        }
        Err(error) => {
            verified.damage = Some(chain(&error));
            return Ok(Some(verified));
        }
    };
    verified.bytes = bytes.len() as u64;
    verified.sections = outline.sections.len() as u64;
    for prepared in &checkpoint.source.xa.prepared {
        let Some(rows) = prepared.rows else { continue };
        verified.xa += 1;
        match held(url, (job, work_dir), rows).await {
            Ok(()) => {
                verified.records += rows.records;
                verified.held_bytes += rows.bytes;
            }
            Err(what) => {
                verified.damage = Some(format!("XA transaction {}: {what}", prepared.xid));
            }
        }
    }
    Ok(Some(verified))
}

/// Reads all rows of a transaction, opening the state anew where that fails.
async fn held(
    url: &StateUrl,
    (job, work_dir): (&str, &Path),
    rows: HeldRows,
) -> Result<(), String> {
    let mut tries = 0;
    loop {
        tries += 1;
        let read = async {
            let store = state::held_read_only(url, job, work_dir).await.map_err(|e| chain(&e))?;
            read_all(&store.ok_or("there is no state of the job")?, rows).await
        };
        match read.await {
            Err(_) if tries < TRIES => {}
            read => return read,
        }
    }
}

/// Every record: each block of the store has a checksum of its own.
async fn read_all(store: &HeldStore, rows: HeldRows) -> Result<(), String> {
    let mut drain = store.drain(rows);
    let mut bytes = 0;
    loop {
        let batch = drain.next().await.map_err(|error| chain(&error))?;
        if batch.is_empty() {
            break;
        }
        bytes += batch.iter().map(|record| record.len() as u64).sum::<u64>();
    }
    if bytes == rows.bytes {
        return Ok(());
    }
    Err(format!("its rows have {bytes} bytes where {} were written", rows.bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::BarrierKind;
    use model::checkpoint::{HeldId, PreparedXa, XaState};
    use model::conformance::samples;
    use state::JobOptions;

    use super::*;

    const JOB: &str = "retail/emp";

    /// A snapshot that names two records of five bytes, of which `there` are stored.
    async fn verified(there: usize) -> Verified {
        let dir = tempfile::tempdir().unwrap();
        let url = StateUrl::RocksDb(dir.path().to_owned());
        let rows = HeldRows { id: HeldId { run: 1, number: 0 }, records: 2, bytes: 10 };
        let mut checkpoint = samples::checkpoint(JOB, 7, BarrierKind::Checkpoint);
        let prepared = vec![PreparedXa { xid: "X'67',X'',1".into(), rows: Some(rows) }];
        Arc::make_mut(&mut checkpoint.source).xa =
            XaState { prepared, next: HeldId { run: 1, number: 1 } };
        let job = state::open_job(&url, JOB, &JobOptions::default()).await.unwrap();
        let records = [b"first".to_vec(), b"later".to_vec()];
        job.held.append(rows.id, 0, records[..there].to_vec()).await.unwrap();
        let fence = job.checkpoints.acquire().await.unwrap();
        job.checkpoints.put(fence, &checkpoint).await.unwrap();
        let store = state::open_read_only(&url, JOB).unwrap();
        let listed = store.list().await.unwrap();
        verify(&*store, &url, (JOB, dir.path()), &listed[0]).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn the_rows_that_a_snapshot_names_are_read_with_it() {
        let fine = verified(2).await;
        assert_eq!((fine.xa, fine.records, fine.held_bytes), (1, 2, 10));
        assert_eq!(fine.damage, None);
        assert!(fine.text().starts_with("verified"), "{}", fine.text());
        let lost = verified(1).await;
        assert!(lost.damage.as_ref().unwrap().contains("X'67'"), "{lost:?}");
        assert!(lost.text().contains("DAMAGED"), "{lost:?}");
    }
}
