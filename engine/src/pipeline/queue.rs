//! A queue towards a sink, bounded in bytes.

use std::sync::{Arc, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{Delivery, SINK_QUEUE_BYTES_MAX};

/// The byte budget is counted in units of this, so that it fits the semaphore.
const UNIT: usize = 1024;
const UNITS_MAX: usize = SINK_QUEUE_BYTES_MAX / UNIT;
/// Places in the queue; small batches run out of places before they run out of bytes.
const PLACES: usize = 1024;

/// The other end is gone: the sink's task ended, and says why itself.
#[derive(Debug, thiserror::Error)]
#[error("the sink's task has ended")]
pub struct Closed;

#[derive(Debug)]
pub struct Sender {
    queue: mpsc::Sender<(Delivery, OwnedSemaphorePermit)>,
    budget: Arc<Semaphore>,
}

#[derive(Debug)]
pub struct Receiver {
    queue: mpsc::Receiver<(Delivery, OwnedSemaphorePermit)>,
}

pub fn bounded() -> (Sender, Receiver) {
    let (tx, rx) = mpsc::channel(PLACES);
    (Sender { queue: tx, budget: Arc::new(Semaphore::new(UNITS_MAX)) }, Receiver { queue: rx })
}

/// How full a queue is, for people.
#[derive(Debug, Clone)]
pub struct Gauge(Weak<Semaphore>);

impl Gauge {
    /// What waits or is being written, in whole kibibytes; 0 once the run is over.
    pub fn bytes(&self) -> u64 {
        let free = self.0.upgrade().map_or(UNITS_MAX, |budget| budget.available_permits());
        u64::try_from(UNITS_MAX.saturating_sub(free) * UNIT).unwrap_or(u64::MAX)
    }
}

impl Sender {
    pub fn gauge(&self) -> Gauge {
        Gauge(Arc::downgrade(&self.budget))
    }

    /// Waits for room. A batch larger than the whole budget waits for the empty queue.
    pub async fn send(&self, delivery: Delivery) -> Result<(), Closed> {
        let units = delivery.bytes().div_ceil(UNIT).clamp(1, UNITS_MAX);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget).acquire_many_owned(units);
        let permit = permit.await.map_err(|_| Closed)?;
        self.queue.send((delivery, permit)).await.map_err(|_| Closed)
    }
}

impl Receiver {
    /// `None` once the source is gone and the queue is empty. Cancel-safe. The room is given back
    /// when the permit is dropped, so hold it while the delivery is in hand.
    pub async fn recv(&mut self) -> Option<(Delivery, OwnedSemaphorePermit)> {
        self.queue.recv().await
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Batch;

    use super::*;

    fn batch(bytes: usize) -> Delivery {
        Delivery::Batch(Arc::new(Batch { items: vec![], bytes }), 0)
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_sender_wait_until_the_receiver_is_done() {
        let (tx, mut rx) = bounded();
        let full = u64::try_from(SINK_QUEUE_BYTES_MAX).unwrap();
        let gauge = tx.gauge();
        assert_eq!(gauge.bytes(), 0);
        tx.send(batch(SINK_QUEUE_BYTES_MAX)).await.unwrap();
        assert_eq!(gauge.bytes(), full);
        let mut more = Box::pin(tx.send(batch(1)));
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut more).await.is_err());
        let held = rx.recv().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut more).await.is_err());
        drop(held);
        more.await.unwrap();
        drop((tx, rx.recv().await, rx));
        assert_eq!(gauge.bytes(), 0);
    }

    #[tokio::test]
    async fn a_batch_above_the_budget_still_passes() {
        let (tx, mut rx) = bounded();
        tx.send(batch(SINK_QUEUE_BYTES_MAX * 3)).await.unwrap();
        assert!(rx.recv().await.is_some());
    }
}
