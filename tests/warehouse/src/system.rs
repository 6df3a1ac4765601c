//! The switch.

/// Which server the stand-in is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum System {
    /// Apache Doris, 2.1 to 4.x.
    Doris,
    /// StarRocks, 3.x to 4.x.
    StarRocks,
}
