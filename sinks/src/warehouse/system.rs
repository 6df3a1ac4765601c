//! Which of the two.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum System {
    Doris,
    StarRocks,
}

impl System {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 2] = [Self::Doris, Self::StarRocks];

    /// As `sink.connector` spells it.
    pub(crate) fn connector(self) -> &'static str {
        match self {
            Self::Doris => "doris",
            Self::StarRocks => "starrocks",
        }
    }
}

/// As its makers spell it.
impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Doris => "Doris",
            Self::StarRocks => "StarRocks",
        })
    }
}
