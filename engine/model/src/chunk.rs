//! The key space of a table: bounds, half-open ranges, and the set of ranges that a snapshot has
//! done.
//!
//! A bound carries two faces of one key: `order`, bytes that compare as MySQL orders the key
//! (computed here for simple types, by the server's weight strings for the other collations), and
//! `key`, the packed values that go back into SQL.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One key, as order and as values. Bounds compare by `order` alone.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyBound {
    /// Compares, byte by byte, as MySQL orders keys; equal exactly where MySQL holds keys equal.
    pub order: Vec<u8>,
    /// The key's cells, packed ([`crate::row::PackedRow`]).
    pub key: Vec<u8>,
}

impl fmt::Debug for KeyBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Key values are row values: they stay out of logs.
        write!(f, "KeyBound({} bytes)", self.order.len())
    }
}

impl PartialEq for KeyBound {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for KeyBound {}

impl PartialOrd for KeyBound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyBound {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.cmp(&other.order)
    }
}

/// The keys `after < key <= through`; `None` is the open end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    pub after: Option<KeyBound>,
    pub through: Option<KeyBound>,
}

impl KeyRange {
    /// Every key there is.
    pub const ALL: Self = Self { after: None, through: None };

    pub fn contains(&self, order: &[u8]) -> bool {
        self.after.as_ref().is_none_or(|a| a.order.as_slice() < order)
            && self.through.as_ref().is_none_or(|t| order <= t.order.as_slice())
    }

    /// True where no key can lie in it.
    pub fn is_empty(&self) -> bool {
        matches!((&self.after, &self.through), (Some(a), Some(t)) if a >= t)
    }
}

/// Ranges done, sorted, disjoint and merged: a snapshot that goes upwards has a handful, whatever
/// the table's size.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RangeSet(Vec<KeyRange>);

/// Orders lower ends: the open end is below every key.
fn lower(a: Option<&KeyBound>, b: Option<&KeyBound>) -> Ordering {
    a.cmp(&b)
}

/// Orders upper ends: the open end is above every key.
fn upper(a: Option<&KeyBound>, b: Option<&KeyBound>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(b),
    }
}

impl RangeSet {
    pub fn contains(&self, order: &[u8]) -> bool {
        let at = self
            .0
            .partition_point(|r| r.through.as_ref().is_some_and(|t| t.order.as_slice() < order));
        self.0.get(at).is_some_and(|r| r.contains(order))
    }

    /// Adds a range, merging it with those it meets or overlaps.
    pub fn insert(&mut self, range: KeyRange) {
        if range.is_empty() {
            return;
        }
        let mut merged = range;
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for held in self.0.drain(..) {
            let apart = |a: &KeyRange, b: &KeyRange| matches!((&a.through, &b.after), (Some(t), Some(f)) if t < f);
            if apart(&held, &merged) || apart(&merged, &held) {
                kept.push(held);
                continue;
            }
            if lower(held.after.as_ref(), merged.after.as_ref()).is_lt() {
                merged.after = held.after;
            }
            if upper(held.through.as_ref(), merged.through.as_ref()).is_gt() {
                merged.through = held.through;
            }
        }
        kept.push(merged);
        kept.sort_by(|a, b| lower(a.after.as_ref(), b.after.as_ref()));
        self.0 = kept;
    }

    /// True once every key there is, is done.
    pub fn is_all(&self) -> bool {
        matches!(self.0.as_slice(), [only] if *only == KeyRange::ALL)
    }

    /// What is left to do, in order.
    pub fn gaps(&self) -> Vec<KeyRange> {
        let mut gaps = Vec::new();
        let mut from: Option<KeyBound> = None;
        let mut first = true;
        for range in &self.0 {
            if range.after.is_some() || !first {
                let gap = KeyRange { after: from.clone(), through: range.after.clone() };
                if range.after.is_some() && !gap.is_empty() {
                    gaps.push(gap);
                }
            }
            first = false;
            match &range.through {
                Some(through) => from = Some(through.clone()),
                None => return gaps,
            }
        }
        gaps.push(KeyRange { after: from, through: None });
        gaps
    }

    pub fn ranges(&self) -> &[KeyRange] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound(n: u8) -> KeyBound {
        KeyBound { order: vec![n], key: vec![] }
    }

    fn range(after: Option<u8>, through: Option<u8>) -> KeyRange {
        KeyRange { after: after.map(bound), through: through.map(bound) }
    }

    #[test]
    fn ranges_that_meet_become_one() {
        let mut done = RangeSet::default();
        done.insert(range(Some(9), None));
        done.insert(range(None, Some(3)));
        assert_eq!(done.ranges().len(), 2);
        assert_eq!(done.gaps(), vec![range(Some(3), Some(9))]);
        done.insert(range(Some(3), Some(9)));
        assert!(done.is_all());
        assert_eq!(done.gaps(), vec![]);
    }

    #[test]
    fn nothing_done_leaves_everything() {
        assert_eq!(RangeSet::default().gaps(), vec![KeyRange::ALL]);
    }

    proptest! {
        #[test]
        fn done_and_gaps_tile_the_key_space(ends in prop::collection::vec((0u8..20, 0u8..20), 0..12)) {
            let mut done = RangeSet::default();
            for &(a, b) in &ends {
                done.insert(range((a > 0).then_some(a), (b < 19).then_some(b)));
            }
            for key in 0u8..=21 {
                let expect = ends.iter().any(|&(a, b)| {
                    let r = range((a > 0).then_some(a), (b < 19).then_some(b));
                    !r.is_empty() && r.contains(&[key])
                });
                prop_assert_eq!(done.contains(&[key]), expect, "key {}", key);
                let gaps = done.gaps().iter().filter(|g| g.contains(&[key])).count();
                prop_assert_eq!(gaps, usize::from(!expect), "key {}", key);
            }
        }
    }
}
