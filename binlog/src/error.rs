//! What can be wrong with bytes from the server.

use thiserror::Error;

/// Bytes that are not what the protocol says. None of these is ever skipped over: the position
/// after a damaged event is not known to be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The event's header is cut, or its length field disagrees with the bytes at hand.
    #[error("event says it is {declared} bytes long, but {actual} arrived")]
    Length { declared: usize, actual: usize },

    #[error(
        "checksum of the event of type {event_type} that ends at {log_pos} is wrong: \
         it carries {stored:#010x}, its bytes give {computed:#010x}"
    )]
    Checksum { event_type: u8, log_pos: u32, stored: u32, computed: u32 },

    /// `field` would need more bytes than the event has; `at` is the offset in the event's body.
    #[error("{event} event ends before its {field}, at byte {at} of its body")]
    Truncated { event: &'static str, field: &'static str, at: usize },

    #[error("{event} event does not decode: {reason}")]
    Malformed { event: &'static str, reason: String },

    /// A rows event without all columns.
    #[error(
        "rows of {table} lack column `{column}`: the session that wrote them had binlog_row_image \
         other than FULL"
    )]
    PartialImage { table: String, column: String },

    /// A partial update whose JSON documents do not come out of it; `at` is the offset in its row
    /// images.
    #[error(
        "partial update of {table}, column `{column}`, at byte {at} of its rows: {reason} \
         (binlog_row_value_options = PARTIAL_JSON)"
    )]
    PartialJson { table: String, column: String, at: usize, reason: String },

    /// A rows event that is not of the table map it was read with.
    #[error("rows event does not fit table {table}: {reason}")]
    WrongTable { table: String, reason: String },

    /// What a compressed event unpacks to is larger than it says, or than allowed.
    #[error("{event} event unpacks to more than {limit} bytes")]
    TooLarge { event: &'static str, limit: u64 },
}

impl DecodeError {
    pub(crate) fn malformed(event: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { event, reason: reason.into() }
    }
}

/// The words of an error of the system in which `mysql_async` has put its kind before them, twice.
pub fn own_words(text: &str) -> &str {
    text.trim_start_matches("Input/output error: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_told_in_its_own_words() {
        let refused = std::io::Error::other("connection refused");
        let error = mysql_async::Error::Io(mysql_async::IoError::Io(refused));
        assert_eq!(own_words(&error.to_string()), "connection refused");
    }
}
