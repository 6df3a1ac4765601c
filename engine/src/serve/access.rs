//! Who asks.

use crate::api::Role;

/// Whose request it is, as its token says. Put into the extensions of each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Of the token; `-` where the daemon has none.
    pub name: String,
    pub role: Role,
}
