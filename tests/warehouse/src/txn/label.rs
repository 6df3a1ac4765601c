//! Names of loads.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::System;

const LENGTH_MAX: usize = 128;

/// A label within its server's grammar: what makes a load unique in its database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Label(String);

/// A label that the server does not take, in its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Label format error. regex: {pattern}, label: {label}")]
pub struct BadLabel {
    pattern: &'static str,
    label: String,
}

impl Label {
    /// # Errors
    /// What is empty, over 128 characters, or holds more than ASCII letters, digits, `_`, `-` and, in Doris, `:`.
    pub fn new(system: System, text: &str) -> Result<Self, BadLabel> {
        let (pattern, punctuation) = match system {
            System::Doris => ("^[-_A-Za-z0-9:]{1,128}$", "-_:"),
            System::StarRocks => ("^[-\\w]{1,128}$", "-_"),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || punctuation.contains(c);
        if text.is_empty() || text.len() > LENGTH_MAX || !text.chars().all(fits) {
            return Err(BadLabel { pattern, label: text.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_within_its_servers_grammar() {
        let longest = "x".repeat(128);
        let too_long = "x".repeat(129);
        for (text, doris, starrocks) in [
            ("sync_shop_orders-17_0", true, true),
            (&*longest, true, true),
            (&*too_long, false, false),
            ("", false, false),
            ("shop.orders", false, false),
            ("shop:orders", true, false),
            ("größe", false, false),
            ("a b", false, false),
        ] {
            assert_eq!(Label::new(System::Doris, text).is_ok(), doris, "{text} in Doris");
            assert_eq!(
                Label::new(System::StarRocks, text).is_ok(),
                starrocks,
                "{text} in StarRocks"
            );
        }
    }

    #[test]
    fn a_bad_label_is_refused_with_the_pattern() {
        assert_eq!(
            Label::new(System::Doris, "a.b").unwrap_err().to_string(),
            "Label format error. regex: ^[-_A-Za-z0-9:]{1,128}$, label: a.b"
        );
    }
}
