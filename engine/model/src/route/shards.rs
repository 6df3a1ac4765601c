//! Shards of one table: `orders_1` to `orders_16`, in `shop_1` to `shop_4`.

use regex::Regex;

use crate::table::TableName;

/// How shards are told by the number in their names.
#[derive(Debug, Clone)]
pub struct Shards {
    /// Matches the number, with what sets it off: `_[0-9]+`.
    pub number: Regex,
    /// A greater number is part of a name, for instance a year.
    pub max: u64,
    pub way: MatchWay,
}

/// Which part of a name is the number's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MatchWay {
    /// The last match and what follows it.
    #[default]
    Suffix,
    /// The first match and what follows it.
    Prefix,
}

impl Shards {
    /// The table that this one is a shard of, by both of its names.
    pub fn merged(&self, source: &TableName) -> TableName {
        TableName::new(self.base(&source.db), self.base(&source.table))
    }

    /// The name without its number; the whole of it where that is none, or would leave nothing.
    fn base<'a>(&self, name: &'a str) -> &'a str {
        let mut matches = self.number.find_iter(name);
        let found = match self.way {
            MatchWay::Suffix => matches.last(),
            MatchWay::Prefix => matches.next(),
        };
        let Some(found) = found else { return name };
        let digits: String = found.as_str().chars().filter(char::is_ascii_digit).collect();
        if !digits.parse::<u64>().is_ok_and(|number| number <= self.max) {
            return name;
        }
        // Dinky looks for the number's text anew, from the end: `a_1_b_1` is `a_1_b` either way.
        let cut = name.rfind(found.as_str()).unwrap_or(found.start());
        name.get(..cut).filter(|base| !base.is_empty()).unwrap_or(name)
    }
}
