//! What a sink waits for before it asks its target once more: whoever watches the job can look at any
//! time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the sinks of a job wait for at the moment.
#[derive(Debug, Clone, Default)]
pub struct Waits(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    /// By the order in which they began.
    waiting: BTreeMap<u64, String>,
    begun: u64,
}

impl Waits {
    /// The reason of the one that has waited longest; `None`: nothing waits.
    pub fn now(&self) -> Option<String> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.waiting.values().next().cloned()
    }

    /// For a call that may come to wait.
    pub fn call(&self) -> Wait {
        Wait { waits: self.clone(), number: None }
    }
}

/// One call. It waits no more once this is dropped, whatever the call came to.
#[derive(Debug)]
pub struct Wait {
    waits: Waits,
    number: Option<u64>,
}

impl Wait {
    /// It waits, and why.
    pub fn tell(&mut self, reason: String) {
        let mut held = self.waits.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *self.number.get_or_insert_with(|| {
            held.begun += 1;
            held.begun
        });
        held.waiting.insert(number, reason);
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut held = self.waits.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.waiting.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_waits_longest_is_told_until_it_is_over() {
        let waits = Waits::default();
        let (mut first, mut second) = (waits.call(), waits.call());
        assert_eq!(waits.now(), None, "a call that is answered waits for nothing");
        first.tell("a, tried once".to_owned());
        second.tell("b".to_owned());
        first.tell("a, tried 2 times".to_owned());
        assert_eq!(waits.now().as_deref(), Some("a, tried 2 times"));
        drop(first);
        assert_eq!(waits.now().as_deref(), Some("b"));
        drop(second);
        assert_eq!(waits.now(), None);
    }
}
