//! Bytes -> one event's header and body, checksum verified.

use bytes::{Buf, Bytes};

use crate::error::DecodeError;
use crate::event::kind;

/// Bytes of the header of every event of binlog version 4.
pub const HEADER_LEN: usize = 19;
/// Bytes of the CRC32 at an event's end.
pub const CHECKSUM_LEN: usize = 4;

/// The last byte of a format description event whose file has no checksums (MySQL source,
/// `binlog_event.h`, `BINLOG_CHECKSUM_ALG_OFF`).
const NO_CHECKSUMS: u8 = 0;

/// The file is open for writing. The server checksums a format description event as if the flag
/// were not set, for it clears the flag in place at shutdown (MySQL source, `log_event.cc`).
const FLAG_BINLOG_IN_USE: u16 = 0x1;
/// Made up by the server for this connection, not in the file.
const FLAG_ARTIFICIAL: u16 = 0x20;
/// A reader that does not know this event may pass over it.
const FLAG_IGNORABLE: u16 = 0x80;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventHeader {
    /// Seconds since the epoch; 0 in made-up events.
    pub timestamp: u32,
    pub event_type: u8,
    pub server_id: u32,
    /// Of the whole event: header, body and checksum.
    pub event_size: u32,
    /// End of the event in its file, modulo 4 GiB; 0 inside compressed transactions.
    pub log_pos: u32,
    pub flags: u16,
}

impl EventHeader {
    pub fn is_artificial(&self) -> bool {
        self.flags & FLAG_ARTIFICIAL != 0
    }

    pub fn is_ignorable(&self) -> bool {
        self.flags & FLAG_IGNORABLE != 0
    }

    fn parse(bytes: &[u8; HEADER_LEN]) -> Self {
        let [t0, t1, t2, t3, event_type, s0, s1, s2, s3, e0, e1, e2, e3, p0, p1, p2, p3, f0, f1] =
            *bytes;
        Self {
            timestamp: u32::from_le_bytes([t0, t1, t2, t3]),
            event_type,
            server_id: u32::from_le_bytes([s0, s1, s2, s3]),
            event_size: u32::from_le_bytes([e0, e1, e2, e3]),
            log_pos: u32::from_le_bytes([p0, p1, p2, p3]),
            flags: u16::from_le_bytes([f0, f1]),
        }
    }

    /// The event's size, of the bytes of its header.
    pub(crate) fn size_in(header: &[u8]) -> Option<u32> {
        header.first_chunk().map(|head| Self::parse(head).event_size)
    }

    /// The header as it stands in the file.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let [t0, t1, t2, t3] = self.timestamp.to_le_bytes();
        let [s0, s1, s2, s3] = self.server_id.to_le_bytes();
        let [e0, e1, e2, e3] = self.event_size.to_le_bytes();
        let [p0, p1, p2, p3] = self.log_pos.to_le_bytes();
        let [f0, f1] = self.flags.to_le_bytes();
        [t0, t1, t2, t3, self.event_type, s0, s1, s2, s3, e0, e1, e2, e3, p0, p1, p2, p3, f0, f1]
    }

    /// CRC32 of the event with this header and `body`, as the server computes it.
    pub(crate) fn checksum(&self, body: &[u8]) -> u32 {
        let mut header = *self;
        if header.event_type == kind::FORMAT_DESCRIPTION {
            header.flags &= !FLAG_BINLOG_IN_USE;
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header.to_bytes());
        crc.update(body);
        crc.finalize()
    }
}

/// Whether events end in a checksum; the format description event says it for its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    #[default]
    None,
    Crc32,
}

/// An event before its kind is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    pub header: EventHeader,
    /// Without header and checksum.
    pub body: Bytes,
}

impl RawEvent {
    /// Reads one whole event. A format description event always carries a CRC32, whatever
    /// `checksum` says (MySQL source, `Format_description_log_event::write`). The server takes its
    /// place and time from the one that opens a dump, and counts its checksum anew only in a file
    /// that has some, so in others that one is not looked at.
    ///
    /// # Errors
    /// [`DecodeError::Length`] where `bytes` is not exactly one event, [`DecodeError::Checksum`].
    pub fn parse(mut bytes: Bytes, checksum: Checksum) -> Result<Self, DecodeError> {
        let actual = bytes.len();
        let head =
            bytes.first_chunk().ok_or(DecodeError::Length { declared: HEADER_LEN, actual })?;
        let header = EventHeader::parse(head);
        let declared = usize::try_from(header.event_size).unwrap_or(usize::MAX);
        if declared != actual {
            return Err(DecodeError::Length { declared, actual });
        }
        let describes = header.event_type == kind::FORMAT_DESCRIPTION;
        if checksum == Checksum::Crc32 || describes {
            let (event, crc) = bytes
                .split_last_chunk::<CHECKSUM_LEN>()
                .filter(|(event, _)| event.len() >= HEADER_LEN)
                .ok_or(DecodeError::Length { declared: HEADER_LEN + CHECKSUM_LEN, actual })?;
            let altered = describes && header.log_pos == 0 && event.ends_with(&[NO_CHECKSUMS]);
            let computed = match event.get(HEADER_LEN..) {
                Some(body) if describes => header.checksum(body),
                // In one piece, which is faster.
                _ => crc32fast::hash(event),
            };
            let (len, stored) = (event.len(), u32::from_le_bytes(*crc));
            if computed != stored && !altered {
                let EventHeader { event_type, log_pos, .. } = header;
                return Err(DecodeError::Checksum { event_type, log_pos, stored, computed });
            }
            bytes.truncate(len);
        }
        bytes.advance(HEADER_LEN);
        Ok(Self { header, body: bytes })
    }

    /// One without a checksum; `header` tells its length.
    #[cfg(test)]
    pub(crate) fn from_parts(header: EventHeader, body: Bytes) -> Result<Self, DecodeError> {
        let actual = HEADER_LEN + body.len();
        let declared = usize::try_from(header.event_size).unwrap_or(usize::MAX);
        if declared == actual {
            Ok(Self { header, body })
        } else {
            Err(DecodeError::Length { declared, actual })
        }
    }
}

#[cfg(test)]
mod tests;
