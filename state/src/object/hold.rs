//! Taking a job, keeping it, and letting it go.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::{StoreError, fault};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::lease::{Hold, Lease, now, renewed_every};
use super::log::{Claimed, Log};
use super::owner::Owner;
use super::read::{Item, Reader};
use super::record::{self, Found, Kind};
use super::store::Terms;

/// Others may take the job in the middle of our trying; that many times it is tried again.
const TRIES: u32 = 8;
/// Room for a lease; one of an unusual host is a multiple.
const LEASE_BYTES: usize = 512;
/// How often a lease is looked at within its length.
const LOOKS: u32 = 12;

/// What a fence says of who put it; for people, messages, and to see that it is dead.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Claim {
    owner: Owner,
    nonce: u64,
    lease_ms: u64,
}

/// The fence that the log ends with, so to speak: the newest.
#[derive(Debug, Default)]
struct Newest {
    epoch: u64,
    claim: Claim,
    /// Number of the last record.
    last: u64,
}

/// The lease as it was found, and how it is to be judged.
struct Seen {
    raw: Option<Bytes>,
    lease: Option<Lease>,
}

/// This process, as one that holds a job or tries to.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) log: Arc<Log>,
    pub(super) hold: Hold,
    pub(super) terms: Terms,
    owner: Owner,
    nonce: u64,
    beat: AtomicU64,
    /// Held while the lease is written and what follows from it is seen.
    changing: tokio::sync::Mutex<()>,
    /// Numbers of the records after our fence that are ours.
    ours: Mutex<BTreeSet<u64>>,
}

impl Holder {
    pub(super) fn new(log: Arc<Log>, terms: Terms) -> Self {
        Self {
            log,
            hold: Hold::default(),
            terms,
            owner: Owner::ours(),
            nonce: rand::random(),
            beat: AtomicU64::new(0),
            changing: tokio::sync::Mutex::default(),
            ours: Mutex::default(),
        }
    }

    /// The record of this number is ours.
    pub(super) fn knows(&self, seq: u64) {
        self.ours().insert(seq);
    }

    fn ours(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        // A panic elsewhere leaves it whole: every change of it is one step.
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the job; the new epoch, which is the number of its fence.
    pub(super) async fn acquire(&self, reader: &Reader) -> Result<u64, StoreError> {
        for _ in 0..TRIES {
            let items = reader.items().await?;
            let before = newest(&items, self.log.entries(0).await?.last().map(|entry| entry.seq));
            let mut seen = self.look().await?;
            let gone = self.is_gone(&before, &seen);
            if !gone && !self.terms.take_over {
                seen = self.watch(&before, seen).await?;
            }
            let epoch = before.last + 1;
            let _changing = self.changing.lock().await;
            let claim =
                Claim { owner: self.owner.clone(), nonce: self.nonce, lease_ms: self.length_ms() };
            let claim = serde_json::to_vec(&claim).map_err(|e| self.log.io("take", e))?;
            let bytes = record::encode(Kind::Fence(epoch), &claim);
            if let Claimed::Taken(_) = self.log.claim(epoch, bytes.into()).await? {
                continue;
            }
            let claimed = Instant::now();
            fault::point("fence.after");
            // The last record we had seen was pruned meanwhile, and our fence is in the gap: those who
            // look for a fence after their own see it all the same, and another goes to the end.
            if !self.log.entries(epoch).await?.is_empty() {
                continue;
            }
            *self.ours() = BTreeSet::from([epoch]);
            let unchanged = self.look().await?.raw == seen.raw;
            if !unchanged || (self.terms.take_over && !gone) {
                self.wait_out(&before, claimed).await?;
            }
            let began = now();
            self.write_lease(epoch, false).await?;
            if let Some(newer) = self.newer_fence(epoch).await? {
                return Err(self.taken(&format!("it took the job over just now (epoch {newer})")));
            }
            self.hold.begin(epoch, began, self.terms.lease);
            return Ok(epoch);
        }
        Err(self.taken("several processes try to take it at once; start one of them"))
    }

    /// True where the holder is known to write no more.
    fn is_gone(&self, newest: &Newest, seen: &Seen) -> bool {
        // A lease of another epoch says nothing of the newest holder: it may be late.
        let lease = seen.lease.as_ref().filter(|lease| lease.epoch == newest.epoch);
        let let_go = lease.is_some_and(|l| l.released || l.nonce == self.nonce);
        newest.epoch == 0 || let_go || newest.claim.owner.is_dead()
    }

    /// Looks whether the holder lives, for as long as it may be silent.
    async fn watch(&self, newest: &Newest, mut first: Seen) -> Result<Seen, StoreError> {
        let length = self.silence(newest, &first);
        let owner = &newest.claim.owner;
        tracing::info!(job = %self.log.job, store = %self.log.url, ?length,
            "the job is held by {owner}: waiting to see whether it lives");
        let mut began = Instant::now();
        loop {
            tokio::time::sleep(length / LOOKS).await;
            let current = self.look().await?;
            if current.raw != first.raw {
                if self.is_gone(newest, &current) {
                    return Ok(current);
                }
                if current.lease.as_ref().is_some_and(|lease| lease.nonce == self.nonce) {
                    // A renewal of ours was under way, of an epoch that we hold no more.
                    (first, began) = (current, Instant::now());
                    continue;
                }
                let by = current.lease.map_or_else(|| owner.clone(), |lease| lease.owner);
                return Err(self.taken(&format!(
                    "{by} holds it and lives; stop the job there, or give this process another \
                     `--state`, or take the job from it with `--take-over`"
                )));
            }
            if began.elapsed() >= length {
                return Ok(current);
            }
        }
    }

    /// Waits until the holder before us has seen our fence, or has run out of lease.
    async fn wait_out(&self, before: &Newest, claimed: Instant) -> Result<(), StoreError> {
        loop {
            let seen = self.look().await?;
            let length = self.silence(before, &seen);
            if self.is_gone(before, &seen) || claimed.elapsed() >= length {
                return Ok(());
            }
            tokio::time::sleep(length / LOOKS).await;
        }
    }

    /// How long the holder may be silent and live.
    fn silence(&self, newest: &Newest, seen: &Seen) -> Duration {
        let said = seen.lease.as_ref().map_or(Duration::ZERO, Lease::length);
        said.max(Duration::from_millis(newest.claim.lease_ms)).max(self.terms.lease)
    }

    async fn look(&self) -> Result<Seen, StoreError> {
        let raw = self.log.lease().await?;
        let lease = raw.as_ref().and_then(|bytes| serde_json::from_slice(bytes).ok());
        Ok(Seen { raw, lease })
    }

    async fn write_lease(&self, epoch: u64, released: bool) -> Result<(), StoreError> {
        let lease = Lease {
            epoch,
            owner: self.owner.clone(),
            nonce: self.nonce,
            beat: self.beat.fetch_add(1, Ordering::Relaxed) + 1,
            length_ms: self.length_ms(),
            released,
        };
        let mut bytes =
            serde_json::to_vec(&lease).map_err(|e| self.log.io("write the lease of", e))?;
        // Always as long: the HDFS client panics where a file gets shorter while it is opened.
        bytes.resize(bytes.len().next_multiple_of(LEASE_BYTES), b' ');
        self.log.write_lease(bytes).await
    }

    /// The epoch of who has superseded `epoch`.
    async fn newer_fence(&self, epoch: u64) -> Result<Option<u64>, StoreError> {
        for entry in self.log.entries(epoch).await? {
            if self.ours().contains(&entry.seq) {
                continue;
            }
            let Some(bytes) = self.log.read(entry.seq).await? else { continue };
            match record::decode(&bytes) {
                Found::Whole(Kind::Fence(newer), _)
                | Found::Damaged(Some(Kind::Fence(newer)), _) => {
                    return Ok(Some(newer));
                }
                // A snapshot of ours that is just being written.
                Found::Whole(..) | Found::Damaged(..) => {}
            }
        }
        Ok(None)
    }

    async fn renew(&self, epoch: u64) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        if self.hold.check(epoch).is_err() {
            return Ok(());
        }
        let began = now();
        self.write_lease(epoch, false).await?;
        match self.newer_fence(epoch).await? {
            None => self.hold.renew(epoch, began, self.terms.lease),
            Some(newer) => {
                tracing::error!(job = %self.log.job, store = %self.log.url, epoch, newer,
                    "another process has taken the job over");
                self.hold.lose_to(newer);
                self.let_go(epoch).await?;
            }
        }
        Ok(())
    }

    /// Ends a hold: another process may take the job at once.
    pub(super) async fn release(&self) -> Result<(), StoreError> {
        self.hold.close();
        let _changing = self.changing.lock().await;
        let epoch = self.hold.epoch();
        match epoch {
            0 => Ok(()),
            epoch => self.let_go(epoch).await,
        }
    }

    /// Says in the lease that it is over, if it is still ours.
    async fn let_go(&self, epoch: u64) -> Result<(), StoreError> {
        let seen = self.look().await?.lease;
        match seen.filter(|lease| lease.nonce == self.nonce && !lease.released) {
            Some(_) => self.write_lease(epoch, true).await,
            None => Ok(()),
        }
    }

    fn length_ms(&self) -> u64 {
        u64::try_from(self.terms.lease.as_millis()).unwrap_or(u64::MAX)
    }

    fn taken(&self, what: &str) -> StoreError {
        StoreError::Fenced {
            store: self.log.url.to_string(),
            job: self.log.job.to_string(),
            what: what.to_owned(),
        }
    }
}

/// Renews the lease until the epoch ends.
pub(super) async fn renewals(holder: Arc<Holder>, epoch: u64) {
    let every = renewed_every(holder.terms.lease);
    let mut ticks = tokio::time::interval(every);
    // Late is late: two writes at once would tell nobody more.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if holder.hold.check(epoch) != Ok(()) {
            if holder.hold.newest(epoch) == Ok(()) {
                tracing::error!(job = %holder.log.job, "the lease on the job has run out");
            }
            return;
        }
        let renewed = tokio::time::timeout(every, holder.renew(epoch)).await;
        match renewed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(job = %holder.log.job, "cannot renew the lease: {}", told(&error));
            }
            Err(_) => {
                tracing::warn!(job = %holder.log.job, "the lease was not renewed within {every:?}");
            }
        }
    }
}

fn told(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// `listed`: the last number that a list has told, of a record that may be gone by now.
fn newest(items: &[Item], listed: Option<u64>) -> Newest {
    let last = items.last().map_or(0, |item| item.seq).max(listed.unwrap_or(0));
    let fence = items.iter().rev().find_map(|item| match item.kind {
        Some(Kind::Fence(epoch)) => Some((epoch, item)),
        Some(Kind::Snapshot(_) | Kind::Removed(_)) | None => None,
    });
    let Some((epoch, item)) = fence else { return Newest { last, ..Newest::default() } };
    let claim = serde_json::from_slice(&item.claim).unwrap_or_default();
    Newest { epoch, claim, last }
}
