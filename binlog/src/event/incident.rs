//! The server tells that its binlog has a hole.

use crate::cursor::Fields;
use crate::error::DecodeError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// 1 is LOST_EVENTS, the only one that servers write.
    pub kind: u16,
    pub message: String,
}

impl Incident {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("incident", body);
        let kind = fields.u16("kind")?;
        // The message is for people: damaged text must not hide the incident.
        let message = match fields.u8("message length") {
            Ok(len) => fields.take(usize::from(len), "message").unwrap_or(fields.rest()),
            Err(_) => &[],
        };
        Ok(Self { kind, message: String::from_utf8_lossy(message).into_owned() })
    }
}
