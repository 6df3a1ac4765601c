//! The events inside a compressed transaction.

use super::Broken;
use crate::event::{PayloadEvents, TransactionPayload, kind};
use crate::packet::RawEvent;

/// A compressed transaction whose events are being handed out. They must add up to what it declares,
/// which is also the most that is unpacked.
#[derive(Debug)]
pub(super) struct Unpacking {
    events: PayloadEvents,
    /// Bytes of events still to come.
    missing: u64,
}

impl Unpacking {
    pub(super) fn begin(payload: &TransactionPayload) -> Result<Self, Broken> {
        let missing = payload.uncompressed_size;
        Ok(Self { events: payload.events(missing)?, missing })
    }

    /// The next event; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<RawEvent>, Broken> {
        let malformed =
            |what: String| Broken::Malformed(format!("a compressed transaction {what}"));
        let Some(raw) = self.events.next().transpose()? else {
            return match self.missing {
                0 => Ok(None),
                missing => Err(malformed(format!("did not unpack: {missing} bytes are missing"))),
            };
        };
        if raw.header.event_type == kind::TRANSACTION_PAYLOAD {
            return Err(malformed("lies in another one".to_owned()));
        }
        let size = u64::from(raw.header.event_size);
        self.missing = self
            .missing
            .checked_sub(size)
            .ok_or_else(|| malformed("unpacks to more than it says".to_owned()))?;
        Ok(Some(raw))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::{Event, FormatDescription};
    use crate::packet::EventHeader;

    fn event(event_type: u8, body: &[u8]) -> Vec<u8> {
        let event_size = u32::try_from(crate::packet::HEADER_LEN + body.len()).unwrap();
        let header = EventHeader { event_type, event_size, ..EventHeader::default() };
        [&header.to_bytes()[..], body].concat()
    }

    /// What comes out of a transaction of these events that declares `size` bytes.
    fn unpacked(events: &[Vec<u8>], size: usize) -> Result<usize, Broken> {
        let packed = events.concat();
        let lenenc = |n: usize| vec![252, n.to_le_bytes()[0], n.to_le_bytes()[1]];
        let field = |number: u8, n| [vec![number, 3], lenenc(n)].concat();
        // Not compressed.
        let compression = vec![2, 3, 252, 255, 0];
        let body = [compression, field(3, size), field(1, packed.len()), vec![0], packed].concat();
        let header = EventHeader {
            event_type: kind::TRANSACTION_PAYLOAD,
            event_size: u32::try_from(crate::packet::HEADER_LEN + body.len()).unwrap(),
            ..EventHeader::default()
        };
        let raw = RawEvent::from_parts(header, Bytes::from(body)).unwrap();
        let format = FormatDescription::initial(crate::Flavor::MySql);
        let Event::TransactionPayload(payload) = Event::decode(&raw, &format)? else { panic!() };
        let mut unpacking = Unpacking::begin(&payload)?;
        let mut count = 0;
        while let Some(raw) = unpacking.next()? {
            assert_eq!(raw.body.len(), 8);
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn a_compressed_transaction_must_unpack_to_the_size_it_declares() {
        let events = [event(kind::XID, b"12345678"), event(kind::XID, b"abcdefgh")];
        let size = 2 * (crate::packet::HEADER_LEN + 8);
        assert_eq!(unpacked(&events, size).unwrap(), 2);
        assert!(unpacked(&events, size - 1).is_err(), "more than declared");
        let missing = unpacked(&events, size + 1);
        assert!(matches!(missing, Err(Broken::Malformed(text)) if text.contains("1 bytes")));
    }

    #[test]
    fn a_compressed_transaction_inside_another_is_refused() {
        let inner = event(kind::TRANSACTION_PAYLOAD, b"12345678");
        let size = inner.len();
        assert!(matches!(unpacked(&[inner], size), Err(Broken::Malformed(_))));
    }
}
