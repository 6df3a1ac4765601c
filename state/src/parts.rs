//! Rows of prepared XA transactions as objects: parts of bounded size, each checked as a whole.
//!
//! A part is `SEAHELD1`, the number of its first record and how many there are (u64 each), for each
//! record its length (u32) and its bytes, and a CRC-32 of all before it; numbers are little endian.
//! The parts of one transaction lie in a folder of its own, named by the first record of each.

use std::collections::{BTreeMap, HashSet};

use futures_util::TryStreamExt as _;
use model::StoreError;
use model::checkpoint::{HeldId, HeldRows};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode};
use tokio::sync::{Mutex, MutexGuard};

use crate::object::{Log, ObjectUrl, failed, is_missing};
use crate::{HeldDrain, HeldStore};

const MAGIC: &[u8; 8] = b"SEAHELD1";

/// Where a transaction's parts are, and how an error names it.
pub(crate) struct Folder<'a> {
    pub(crate) store: &'a dyn ObjectStore,
    pub(crate) path: Path,
    pub(crate) url: &'a ObjectUrl,
}

impl Folder<'_> {
    fn part(&self, first: u64) -> Path {
        self.path.clone().join(format!("{first:020}"))
    }

    /// Writes all records of `rows`; those that are there already are written again, the same.
    pub(crate) async fn write(
        &self,
        rows: HeldRows,
        mut from: HeldDrain,
    ) -> Result<(), StoreError> {
        let mut first = 0;
        while first < rows.records {
            first = self.write_part(first, &mut from).await?;
        }
        Ok(())
    }

    /// Writes the records that come next, from number `first` on; the number of those after them.
    async fn write_part(&self, first: u64, from: &mut HeldDrain) -> Result<u64, StoreError> {
        let records = from.next().await?;
        let bytes = encode(first, &records);
        let path = self.part(first);
        let put = self.store.put_opts(&path, bytes.into(), PutMode::Overwrite.into());
        put.await.map_err(|error| failed(self.url, "write held rows", error))?;
        Ok(first + records.len() as u64)
    }

    async fn remove(&self) -> Result<(), StoreError> {
        let wrong = |error| failed(self.url, "remove held rows", error);
        // First what says that the parts are all there.
        let mut found = vec![self.path.clone().join(WHOLE)];
        let listed = self.store.list(Some(&self.path)).map_ok(|object| object.location);
        found.extend(listed.try_collect::<Vec<Path>>().await.map_err(wrong)?);
        for path in found {
            match self.store.delete(&path).await {
                Err(error) if !is_missing(&error) => return Err(wrong(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads all records of `rows` into `to`, under the id `rows` has there.
    pub(crate) async fn read(&self, rows: HeldRows, to: &HeldStore) -> Result<(), StoreError> {
        let mut first = 0;
        while first < rows.records {
            let records = self.records(rows, first).await?;
            let count = records.len() as u64;
            to.append(rows.id, first, records).await?;
            first += count;
        }
        Ok(())
    }

    /// Reads all records of `rows`, and keeps none.
    pub(crate) async fn verify(&self, rows: HeldRows) -> Result<(), StoreError> {
        let (mut first, mut bytes) = (0, 0);
        while first < rows.records {
            let records = self.records(rows, first).await?;
            first += records.len() as u64;
            bytes += records.iter().map(|record| record.len() as u64).sum::<u64>();
        }
        if bytes == rows.bytes {
            return Ok(());
        }
        let what = format!("they have {bytes} bytes where {} were written", rows.bytes);
        Err(failed(self.url, "read held rows", what))
    }

    /// The records of the part that begins with `first`.
    async fn records(&self, rows: HeldRows, first: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let path = self.part(first);
        let wrong = |what: String| failed(self.url, "read held rows", format!("`{path}` {what}"));
        let got = match self.store.get(&path).await {
            Ok(got) => got.bytes().await,
            Err(error) if is_missing(&error) => {
                return Err(wrong("is missing: the rows of a prepared XA transaction".into()));
            }
            Err(error) => Err(error),
        };
        let bytes = got.map_err(|error| failed(self.url, "read held rows", error))?;
        let records = decode(first, &bytes).map_err(|what| wrong(format!("is damaged: {what}")))?;
        if first + records.len() as u64 > rows.records {
            return Err(wrong("is damaged: it holds more records than there are".into()));
        }
        Ok(records)
    }
}

/// The rows of a job whose checkpoints rest in a store of objects.
#[derive(Debug)]
pub(crate) struct RemoteHeld {
    log: Log,
    /// What is there; listed once, for nobody else changes it while we hold the job.
    there: Mutex<Option<BTreeMap<HeldId, Copied>>>,
}

/// How far the rows of a transaction are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copied {
    /// Records before this number.
    Partly(u64),
    Whole,
}

const HELD: &str = "held";
/// Written after all parts of a transaction.
const WHOLE: &str = "whole";

impl RemoteHeld {
    pub(crate) fn new(log: Log) -> Self {
        Self { log, there: Mutex::default() }
    }

    fn folder(&self, id: HeldId) -> Folder<'_> {
        let path = self.log.path.clone().join(HELD).join(format!("{}-{}", id.run, id.number));
        Folder { store: &*self.log.store, path, url: &self.log.url }
    }

    async fn there(&self) -> Result<MutexGuard<'_, Option<BTreeMap<HeldId, Copied>>>, StoreError> {
        let mut there = self.there.lock().await;
        if there.is_some() {
            return Ok(there);
        }
        let held = self.log.path.clone().join(HELD);
        let mut found = BTreeMap::new();
        let mut listed = self.log.store.list(Some(&held));
        let wrong = |error| failed(&self.log.url, "list held rows", error);
        while let Some(object) = listed.try_next().await.map_err(wrong)? {
            let Some(mut names) = object.location.prefix_match(&held) else { continue };
            let id = names.next().and_then(|folder| held_id(folder.as_ref()));
            let (Some(id), Some(name)) = (id, names.next()) else { continue };
            let copied = found.entry(id).or_insert(Copied::Partly(0));
            if name.as_ref() == WHOLE {
                *copied = Copied::Whole;
            }
        }
        *there = Some(found);
        Ok(there)
    }

    /// Looks anew: another may have changed what is there.
    pub(crate) async fn forget(&self) {
        *self.there.lock().await = None;
    }

    pub(crate) async fn has(&self, id: HeldId) -> Result<bool, StoreError> {
        let there = self.there().await?;
        Ok(there.as_ref().is_some_and(|there| there.get(&id) == Some(&Copied::Whole)))
    }

    pub(crate) async fn copy_from(
        &self,
        from: &HeldStore,
        rows: HeldRows,
    ) -> Result<(), StoreError> {
        let mut there = self.there().await?;
        let there = there.get_or_insert_default();
        // What a checkpoint had no time for goes on where it was.
        let mut first = match there.get(&rows.id) {
            Some(Copied::Whole) => return Ok(()),
            Some(Copied::Partly(first)) => *first,
            None => 0,
        };
        let folder = self.folder(rows.id);
        let mut from = from.drain_from(rows, first);
        while first < rows.records {
            there.insert(rows.id, Copied::Partly(first));
            first = folder.write_part(first, &mut from).await?;
        }
        there.insert(rows.id, Copied::Partly(first));
        let whole = folder.path.clone().join(WHOLE);
        let put = self.log.store.put_opts(&whole, "\n".into(), PutMode::Overwrite.into()).await;
        put.map_err(|error| failed(&self.log.url, "write held rows", error))?;
        there.insert(rows.id, Copied::Whole);
        Ok(())
    }

    pub(crate) async fn copy_to(&self, to: &HeldStore, rows: HeldRows) -> Result<(), StoreError> {
        self.folder(rows.id).read(rows, to).await
    }

    /// Removes every transaction below `next` that is not in `kept`.
    pub(crate) async fn sweep(
        &self,
        next: HeldId,
        kept: &HashSet<HeldId>,
    ) -> Result<(), StoreError> {
        let mut there = self.there().await?;
        let there = there.get_or_insert_default();
        let settled: Vec<HeldId> =
            there.range(..next).map(|(id, _)| *id).filter(|id| !kept.contains(id)).collect();
        for id in settled {
            self.folder(id).remove().await?;
            there.remove(&id);
        }
        Ok(())
    }
}

/// The transaction of a folder's name.
fn held_id(name: &str) -> Option<HeldId> {
    let (run, number) = name.split_once('-')?;
    Some(HeldId { run: run.parse().ok()?, number: number.parse().ok()? })
}

fn encode(first: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let payload: usize = records.iter().map(|record| record.len() + 4).sum();
    let mut out = Vec::with_capacity(payload + 28);
    out.extend(MAGIC);
    out.extend(first.to_le_bytes());
    out.extend((records.len() as u64).to_le_bytes());
    for record in records {
        // A record is at most a few MiB: the store bounds what it reads at once.
        out.extend(u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(record);
    }
    let crc = crc32fast::hash(&out);
    out.extend(crc.to_le_bytes());
    out
}

fn decode(first: u64, bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or("it is too short")?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return Err("its checksum does not match");
    }
    let mut rest = body.strip_prefix(MAGIC).ok_or("it holds no rows")?;
    if u64::from_le_bytes(take(&mut rest)?) != first {
        return Err("it holds other records");
    }
    let count = u64::from_le_bytes(take(&mut rest)?);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(take(&mut rest)?) as usize;
        let (record, after) = rest.split_at_checked(length).ok_or("a record is cut off")?;
        records.push(record.to_vec());
        rest = after;
    }
    if records.is_empty() || records.len() as u64 != count {
        return Err("records are missing");
    }
    Ok(records)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or("it is too short")?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_part_is_seen() {
        let records = vec![b"one".to_vec(), Vec::new(), vec![7; 300]];
        let bytes = encode(5, &records);
        assert_eq!(decode(5, &bytes), Ok(records));
        assert!(decode(6, &bytes).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(5, &flipped).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(decode(5, &bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
