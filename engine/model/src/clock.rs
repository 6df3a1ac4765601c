//! Time as a port, so that a test can hold it.

/// Tells wall-clock time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch, UTC.
    fn now_ms(&self) -> i64;
}
