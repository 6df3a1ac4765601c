//! Names of loads. A server takes each once per database, and forgets those of loads that came to
//! nothing.

use std::fmt::{self, Write as _};

use model::TableName;

/// Within what both systems allow: 1 to 128 of letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Label(String);

const LABEL_MAX: usize = 128;
const PREFIX_MAX: usize = 64;
/// Of a table's name in a label; its hash tells tables apart that look alike in it.
const TABLE_MAX: usize = 12;

impl Label {
    /// What every label of a job begins with, and of no other job.
    pub(crate) fn prefix(user_prefix: &str, job: &str) -> String {
        let hash = hash(&[user_prefix, job]);
        let user = allowed(user_prefix);
        let job = allowed(job);
        // Of the two, the job is shortened first, then what the user chose.
        let rest = PREFIX_MAX - "_12345678_".len();
        let user = shortened(&user, rest.saturating_sub(1));
        if user.is_empty() {
            return format!("{}_{hash:08x}_", shortened(&job, rest));
        }
        let job = shortened(&job, rest.saturating_sub(user.len() + 1));
        if job.is_empty() {
            return format!("{user}_{hash:08x}_");
        }
        format!("{user}_{job}_{hash:08x}_")
    }

    /// `prefix` is one of [`Self::prefix`].
    pub(crate) fn new(
        prefix: &str,
        table: &TableName,
        attempt: &str,
        checkpoint: u64,
        part: u32,
    ) -> Self {
        let mut label = allowed(prefix);
        let slug = allowed(&table.table);
        let slug = shortened(&slug, TABLE_MAX);
        let hash = hash(&[&table.db, &table.table]);
        // Writing to a String cannot fail.
        let _ = write!(label, "{slug}-{hash:08x}_{checkpoint}_{}_{part}", allowed(attempt));
        if label.len() > LABEL_MAX {
            // Only an attempt or a prefix that is not ours is that long: what is cut off stays in a hash.
            let hash = self::hash(&[&label]);
            label.truncate(LABEL_MAX - "_12345678".len());
            let _ = write!(label, "_{hash:08x}");
        }
        Self(label)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn allowed(text: &str) -> String {
    let sign = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    text.chars().map(sign).collect()
}

/// ASCII in, so that every index is a border.
fn shortened(text: &str, max: usize) -> &str {
    text.get(..max.min(text.len())).unwrap_or_default()
}

/// The same in every version and on every machine, for labels are looked for after an upgrade.
fn hash(parts: &[&str]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_label(text: &str) -> bool {
        let sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=LABEL_MAX).contains(&text.len()) && text.chars().all(sign)
    }

    #[test]
    fn whatever_a_job_and_its_tables_are_called_their_labels_are_allowed() {
        let long = "größe/x".repeat(40);
        for user in ["", "sync", "über.alles:1", &long] {
            for job in ["", "retail/orders/emp_sync", &long] {
                let prefix = Label::prefix(user, job);
                assert!(prefix.len() <= PREFIX_MAX && prefix.ends_with('_'), "{prefix}");
                for table in ["", "orders", &long] {
                    let table = TableName::new(&*long, table);
                    let label = Label::new(&prefix, &table, &long, u64::MAX, u32::MAX);
                    assert!(is_label(label.as_str()), "{label}");
                    let label = Label::new(&prefix, &table, "1a2b3c4d", u64::MAX, u32::MAX);
                    assert!(is_label(label.as_str()) && label.as_str().starts_with(&prefix));
                }
            }
        }
    }

    #[test]
    fn labels_differ_wherever_loads_do() {
        let prefix = Label::prefix("sync", "retail/orders");
        let long = "x".repeat(60);
        let base = |db: &str, table: &str, attempt: &str, checkpoint, part| {
            Label::new(&prefix, &TableName::new(db, table), attempt, checkpoint, part)
        };
        let labels = [
            base("shop", "orders", "a", 1, 0),
            base("shop", "orders", "a", 1, 1),
            base("shop", "orders", "a", 2, 0),
            base("shop", "orders", "b", 1, 0),
            base("shop", "Orders", "a", 1, 0),
            base("web", "orders", "a", 1, 0),
            base("shop", "größe", "a", 1, 0),
            base("shop", "grüße", "a", 1, 0),
            base("shop", &format!("{long}1"), "a", 1, 0),
            base("shop", &format!("{long}2"), "a", 1, 0),
        ];
        let distinct: std::collections::BTreeSet<_> = labels.iter().collect();
        assert_eq!(distinct.len(), labels.len(), "{labels:?}");
    }

    #[test]
    fn jobs_that_look_alike_have_prefixes_of_which_none_begins_with_another() {
        let long = "x".repeat(80);
        let jobs = ["a/b", "a-b", "a.b", "a/b_", &format!("{long}1"), &format!("{long}2")];
        let prefixes: Vec<_> = jobs.iter().map(|job| Label::prefix("", job)).collect();
        for (at, one) in prefixes.iter().enumerate() {
            for other in prefixes.iter().skip(at + 1) {
                assert!(!one.starts_with(other) && !other.starts_with(one), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_label_is_the_same_in_every_version() {
        let prefix = Label::prefix("sync", "retail/orders");
        assert_eq!(prefix, "sync_retail-orders_03b2e4ef_");
        let label = Label::new(&prefix, &TableName::new("shop", "orders"), "7f3a", 12, 3);
        assert_eq!(label.as_str(), format!("{prefix}orders-1a60ae4f_12_7f3a_3"));
    }
}
