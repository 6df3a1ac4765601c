//! Rows by what happened to them.

use std::sync::atomic::{AtomicU64, Ordering};

use model::RowsKind;

/// Counts rows, from one task; whoever looks may do so at any time.
#[derive(Debug, Default)]
pub struct RowMeter {
    read: AtomicU64,
    inserted: AtomicU64,
    updated: AtomicU64,
    deleted: AtomicU64,
    bytes: AtomicU64,
}

/// Rows by what happened to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    /// By the snapshot.
    pub read: u64,
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    /// Of all of them, as row images: an update has two.
    pub bytes: u64,
}

impl RowMeter {
    pub(crate) fn add(&self, kind: RowsKind, rows: u64, bytes: usize) {
        let of_kind = match kind {
            RowsKind::Read => &self.read,
            RowsKind::Insert => &self.inserted,
            RowsKind::Update => &self.updated,
            RowsKind::Delete => &self.deleted,
        };
        of_kind.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn now(&self) -> Rows {
        Rows {
            read: self.read.load(Ordering::Relaxed),
            inserted: self.inserted.load(Ordering::Relaxed),
            updated: self.updated.load(Ordering::Relaxed),
            deleted: self.deleted.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl Rows {
    /// Of the binlog.
    pub fn streamed(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }
}
