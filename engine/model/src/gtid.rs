//! Global transaction identifiers: MySQL's sets and MariaDB's per-domain positions.
//!
//! A [`GtidSet`] is exactly the set that was applied (invariant `resume-exact`): no operation here
//! widens it or fills a hole. Sets form a partial order (subset), so there is deliberately no `Ord`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not a GTID, a GTID set or a MariaDB GTID position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid GTID: {reason}")]
pub struct GtidParseError {
    pub text: String,
    pub reason: &'static str,
}

fn invalid(text: &str, reason: &'static str) -> GtidParseError {
    GtidParseError { text: text.to_owned(), reason }
}

/// Who wrote a MySQL transaction: the server's UUID and, from 8.3 on, an optional tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GtidSource {
    pub uuid: Uuid,
    /// Lower case, at most 32 characters; empty for untagged GTIDs (MySQL manual, "GTID Format").
    pub tag: Box<str>,
}

/// One MySQL transaction, `uuid[:tag]:sequence`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gtid {
    pub source: GtidSource,
    /// Starts at 1.
    pub sequence: u64,
}

impl Gtid {
    pub fn new(uuid: Uuid, tag: &str, sequence: u64) -> Self {
        Self { source: GtidSource { uuid, tag: tag.to_ascii_lowercase().into() }, sequence }
    }
}

impl fmt::Display for GtidSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tag.is_empty() {
            write!(f, "{}", self.uuid)
        } else {
            write!(f, "{}:{}", self.uuid, self.tag)
        }
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.sequence)
    }
}

/// Closed intervals, sorted, disjoint and not adjacent. Never empty inside a [`GtidSet`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    fn insert(&mut self, first: u64, last: u64) {
        // The usual case on the hot path: the next sequence number of this source.
        if let Some(end) = self.0.last_mut()
            && first == end.1.saturating_add(1)
        {
            end.1 = last;
            return;
        }
        let (mut first, mut last) = (first, last);
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        let mut placed = false;
        for &(a, b) in &self.0 {
            if b.saturating_add(1) < first {
                kept.push((a, b));
            } else if last.saturating_add(1) < a {
                if !placed {
                    kept.push((first, last));
                    placed = true;
                }
                kept.push((a, b));
            } else {
                first = first.min(a);
                last = last.max(b);
            }
        }
        if !placed {
            kept.push((first, last));
        }
        self.0 = kept;
    }

    fn covers(&self, first: u64, last: u64) -> bool {
        let at = self.0.partition_point(|&(_, b)| b < first);
        self.0.get(at).is_some_and(|&(a, b)| a <= first && last <= b)
    }

    fn minus(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        for &(a, b) in &self.0 {
            let mut from = a;
            for &(c, d) in other.0.iter().filter(|&&(c, d)| d >= a && c <= b) {
                if c > from {
                    rest.push((from, c - 1));
                }
                from = from.max(d.saturating_add(1));
            }
            if from <= b {
                rest.push((from, b));
            }
        }
        Self(rest)
    }
}

/// A set of MySQL GTIDs, as in `gtid_executed`: `uuid:1-5:7-9,uuid2:tag:1-3`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidSet(BTreeMap<GtidSource, Intervals>);

impl GtidSet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn insert(&mut self, gtid: &Gtid) {
        self.insert_range(&gtid.source, gtid.sequence, gtid.sequence);
    }

    /// Adds `first..=last`. An empty interval (`last < first`) adds nothing.
    pub fn insert_range(&mut self, source: &GtidSource, first: u64, last: u64) {
        if last < first {
            return;
        }
        if let Some(intervals) = self.0.get_mut(source) {
            intervals.insert(first, last);
        } else {
            self.0.insert(source.clone(), Intervals(vec![(first, last)]));
        }
    }

    pub fn contains(&self, gtid: &Gtid) -> bool {
        self.0.get(&gtid.source).is_some_and(|i| i.covers(gtid.sequence, gtid.sequence))
    }

    pub fn is_superset(&self, other: &Self) -> bool {
        other.0.iter().all(|(source, wanted)| {
            self.0.get(source).is_some_and(|held| wanted.0.iter().all(|&(a, b)| held.covers(a, b)))
        })
    }

    pub fn union(&mut self, other: &Self) {
        for (source, intervals) in &other.0 {
            for &(first, last) in &intervals.0 {
                self.insert_range(source, first, last);
            }
        }
    }

    /// What `self` holds and `other` does not.
    pub fn minus(&self, other: &Self) -> Self {
        let mut rest = BTreeMap::new();
        for (source, intervals) in &self.0 {
            let left = match other.0.get(source) {
                Some(taken) => intervals.minus(taken),
                None => intervals.clone(),
            };
            if !left.0.is_empty() {
                rest.insert(source.clone(), left);
            }
        }
        Self(rest)
    }

    /// Sources with their closed intervals, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&GtidSource, &[(u64, u64)])> {
        self.0.iter().map(|(source, intervals)| (source, intervals.0.as_slice()))
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (source, intervals)) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            write!(f, "{source}")?;
            for &(first, last) in intervals {
                if first == last {
                    write!(f, ":{first}")?;
                } else {
                    write!(f, ":{first}-{last}")?;
                }
            }
        }
        Ok(())
    }
}

fn interval(text: &str) -> Option<(u64, u64)> {
    let (first, last) = match text.split_once('-') {
        Some((a, b)) => (a.trim().parse().ok()?, b.trim().parse().ok()?),
        None => {
            let only = text.trim().parse().ok()?;
            (only, only)
        }
    };
    (first >= 1 && last < u64::MAX).then_some((first, last))
}

impl FromStr for GtidSet {
    type Err = GtidParseError;

    /// Reads what `gtid_executed` prints: commas and newlines between sources, `:` between
    /// intervals; a part that starts with a letter is a tag for the intervals after it.
    fn from_str(text: &str) -> Result<Self, GtidParseError> {
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let mut pieces = part.split(':').map(str::trim);
            let uuid = pieces
                .next()
                .and_then(|u| Uuid::parse_str(u).ok())
                .ok_or_else(|| invalid(part, "expected `uuid:interval`"))?;
            let mut source = GtidSource { uuid, tag: "".into() };
            let mut any = false;
            for piece in pieces {
                if piece.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                    source.tag = piece.to_ascii_lowercase().into();
                    continue;
                }
                let (first, last) = interval(piece).ok_or_else(|| {
                    invalid(part, "expected an interval such as `5` or `1-5`, from 1 up")
                })?;
                set.insert_range(&source, first, last);
                any = true;
            }
            if !any {
                return Err(invalid(part, "it names no interval"));
            }
        }
        Ok(set)
    }
}

/// One MariaDB transaction, `domain-server-sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MariaGtid {
    pub domain: u32,
    pub server: u32,
    pub sequence: u64,
}

impl fmt::Display for MariaGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl FromStr for MariaGtid {
    type Err = GtidParseError;

    fn from_str(text: &str) -> Result<Self, GtidParseError> {
        let mut parts = text.trim().split('-');
        let parsed = (|| {
            let gtid = Self {
                domain: parts.next()?.parse().ok()?,
                server: parts.next()?.parse().ok()?,
                sequence: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(gtid)
        })();
        parsed.ok_or_else(|| invalid(text, "expected `domain-server-sequence`"))
    }
}

/// A MariaDB GTID position: the last transaction applied of each replication domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MariaGtids(BTreeMap<u32, MariaGtid>);

impl MariaGtids {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes `gtid` the last one of its domain.
    pub fn insert(&mut self, gtid: MariaGtid) {
        self.0.insert(gtid.domain, gtid);
    }

    pub fn get(&self, domain: u32) -> Option<MariaGtid> {
        self.0.get(&domain).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = &MariaGtid> {
        self.0.values()
    }

    /// True where every domain of `other` is reached: within a domain the sequence orders
    /// transactions whoever wrote them (MariaDB KB, "Global Transaction ID").
    pub fn is_superset(&self, other: &Self) -> bool {
        other.0.values().all(|w| self.get(w.domain).is_some_and(|h| h.sequence >= w.sequence))
    }
}

impl fmt::Display for MariaGtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, gtid) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            write!(f, "{gtid}")?;
        }
        Ok(())
    }
}

impl FromStr for MariaGtids {
    type Err = GtidParseError;

    fn from_str(text: &str) -> Result<Self, GtidParseError> {
        let mut all = Self::default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            all.insert(part.parse()?);
        }
        Ok(all)
    }
}

/// The GTID part of a position: which kind depends on the server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gtids {
    /// The server has none (`gtid_mode` other than `ON`): file and offset are the position.
    #[default]
    None,
    Mysql(GtidSet),
    Mariadb(MariaGtids),
}

impl fmt::Display for Gtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Mysql(set) => write!(f, "{set}"),
            Self::Mariadb(last) => write!(f, "{last}"),
        }
    }
}

/// Serialises through the text form that the servers print.
macro_rules! serde_as_text {
    ($($type:ty),+) => {$(
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
serde_as_text!(GtidSet, MariaGtids);

#[cfg(test)]
mod tests;
