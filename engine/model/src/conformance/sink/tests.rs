//! The suite accepts a sink that keeps its promises, and catches each way to break one.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::*;
use crate::change::{Batch, Item};
use crate::checkpoint::Barrier;
use crate::sink::SinkError;
use crate::value::Cell;

/// Nothing in these tests ever waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a sink in memory does not wait"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    ShowsAtPrepare,
    CommitsTwice,
    CommitTakesLaterWrites,
    RestoreForgetsToCommit,
    RestoreKeepsLeftovers,
    LosesPreparedInACrash,
}

/// Transactions of a job at a pretended database: staged by label, then visible.
#[derive(Default)]
struct Database {
    staged: Vec<(String, Vec<i64>)>,
    visible: Vec<i64>,
}

struct Staging {
    db: Arc<Mutex<Database>>,
    open: Vec<i64>,
    lives: usize,
    fault: Fault,
}

impl Staging {
    fn show(&mut self, token: &SinkToken) {
        let mut db = self.db.lock().unwrap();
        let label = String::from_utf8(token.clone()).unwrap();
        if let Some(at) = db.staged.iter().position(|(l, _)| *l == label) {
            let ids = if self.fault == Fault::CommitsTwice {
                db.staged[at].1.clone()
            } else {
                db.staged.remove(at).1
            };
            db.visible.extend(ids);
        }
        if self.fault == Fault::CommitTakesLaterWrites {
            db.visible.append(&mut self.open);
        }
    }
}

fn ids_of(batch: &Batch) -> Vec<i64> {
    let mut ids = Vec::new();
    for item in &batch.items {
        let Item::Rows(block) = item else { continue };
        block
            .for_each(|change| -> Result<(), SinkError> {
                if let Some([Cell::Int(id), Cell::Text(name)]) = change.after {
                    assert_eq!(*name, format!("item {id}"));
                    ids.push(*id);
                }
                Ok(())
            })
            .unwrap();
    }
    ids
}

#[async_trait]
impl Sink for Staging {
    async fn restore(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        if self.fault == Fault::LosesPreparedInACrash {
            self.db.lock().unwrap().staged.clear();
        }
        if let Some(token) = token
            && self.fault != Fault::RestoreForgetsToCommit
        {
            self.show(token);
        }
        let mut db = self.db.lock().unwrap();
        let left: Vec<_> = db.staged.drain(..).collect();
        if self.fault == Fault::RestoreKeepsLeftovers {
            db.visible.extend(left.into_iter().flat_map(|(_, ids)| ids));
        }
        Ok(())
    }

    async fn write(&mut self, batch: Arc<Batch>) -> Result<(), SinkError> {
        self.open.extend(ids_of(&batch));
        Ok(())
    }

    async fn prepare(&mut self, barrier: &Barrier) -> Result<SinkToken, SinkError> {
        let label = format!("{}-{}", self.lives, barrier.id);
        let ids = std::mem::take(&mut self.open);
        let mut db = self.db.lock().unwrap();
        if self.fault == Fault::ShowsAtPrepare {
            db.visible.extend(&ids);
        } else {
            db.staged.push((label.clone(), ids));
        }
        Ok(label.into_bytes())
    }

    async fn commit(&mut self, token: &SinkToken) -> Result<(), SinkError> {
        self.show(token);
        Ok(())
    }

    fn rewinds(&self) -> bool {
        false
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

struct Pretended {
    db: Arc<Mutex<Database>>,
    lives: usize,
    fault: Fault,
}

#[async_trait]
impl FarSide for Pretended {
    fn visibility(&self) -> Visibility {
        Visibility::OnCommit
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    async fn open(&mut self) -> Box<dyn Sink> {
        self.lives += 1;
        let (db, lives, fault) = (self.db.clone(), self.lives, self.fault);
        Box::new(Staging { db, open: Vec::new(), lives, fault })
    }

    async fn visible(&mut self) -> Vec<i64> {
        self.db.lock().unwrap().visible.clone()
    }
}

fn run(fault: Fault) {
    now(keeps_its_promises(|| Pretended { db: Arc::default(), lives: 0, fault }));
}

#[test]
fn a_sink_that_keeps_its_promises_passes() {
    run(Fault::None);
}

#[test]
fn every_broken_promise_is_caught() {
    for fault in [
        Fault::ShowsAtPrepare,
        Fault::CommitsTwice,
        Fault::CommitTakesLaterWrites,
        Fault::RestoreForgetsToCommit,
        Fault::RestoreKeepsLeftovers,
        Fault::LosesPreparedInACrash,
    ] {
        assert!(std::panic::catch_unwind(|| run(fault)).is_err(), "{fault:?} went unnoticed");
    }
}
