//! Which node is asked next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a node that could not be reached, or did not answer, is passed over.
const AVOIDED_FOR: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(in super::super) struct Nodes {
    all: Vec<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    turn: usize,
    unreached: HashMap<String, Instant>,
}

impl Nodes {
    pub(in super::super) fn new(all: Vec<String>) -> Self {
        Self { all, state: Mutex::default() }
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them: in turn, and those last that were not reached a moment ago.
    pub(in super::super) fn order(&self) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.all.len();
        let start = state.turn.checked_rem(count).unwrap_or(0);
        let in_turn = self.all.iter().cycle().skip(start).take(count);
        let avoided = |node: &&String| {
            state.unreached.get(*node).is_some_and(|since| since.elapsed() < AVOIDED_FOR)
        };
        let (last, mut order): (Vec<_>, Vec<_>) = in_turn.partition(avoided);
        order.extend(last);
        order.into_iter().cloned().collect()
    }

    /// One of nodes that are known from elsewhere, in turn.
    pub(in super::super) fn pick(&self, listed: &[String]) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        listed.get(state.turn.checked_rem(listed.len())?).cloned()
    }

    /// The next call begins with the next node.
    pub(in super::super) fn turn(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn = state.turn.wrapping_add(1);
    }

    pub(in super::super) fn unreached(&self, node: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.all.iter().any(|known| known == node) {
            state.unreached.insert(node.to_owned(), Instant::now());
        }
    }

    pub(in super::super) fn reached(&self, node: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.unreached.remove(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_was_not_reached_is_asked_last_until_it_answers() {
        let nodes = Nodes::new(["a", "b", "c"].map(str::to_owned).to_vec());
        nodes.unreached("a");
        assert_eq!(nodes.order(), ["b", "c", "a"]);
        nodes.turn();
        nodes.turn();
        assert_eq!(nodes.order(), ["c", "b", "a"]);
        nodes.reached("a");
        assert_eq!(nodes.order(), ["c", "a", "b"]);
        assert!(Nodes::new(Vec::new()).order().is_empty());
    }
}
