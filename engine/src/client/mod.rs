//! The daemon, as the commands ask it: a client of `docs/api.md` and of nothing else.

mod call;
#[cfg(test)]
pub(crate) mod double;
mod error;
mod link;
mod routes;
#[cfg(test)]
mod tests;

pub use self::error::ClientError;
pub(crate) use self::error::place;
pub use self::link::{Client, ServerUrl, Token};
pub use self::routes::{EventsAsked, JobsAsked};

/// An answer, read, and as it came.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    pub value: T,
    /// The body's text. It may tell more than `value` knows, where the daemon is newer.
    pub json: String,
    /// Of HTTP.
    pub status: u16,
}
