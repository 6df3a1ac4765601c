//! MySQL's GTIDs: one transaction's, and the set before a file.

use model::gtid::GtidSource;
use model::{Gtid, GtidSet};
use uuid::Uuid;

use crate::cursor::{Cursor, Fields};
use crate::error::DecodeError;

const EVENT: &str = "gtid";
const LOGICAL_TIMESTAMPS: u8 = 2;
/// A second timestamp follows: the transaction was first committed on another server.
const HAS_ORIGINAL_TIMESTAMP: u64 = 1 << 55;
/// The longest tag (MySQL manual, "GTID Format").
const TAG_LEN_MAX: usize = 32;

/// A transaction begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GtidEvent {
    /// Of an anonymous transaction: no meaning.
    pub gtid: Gtid,
    /// When the server that we read from committed it, in microseconds since the epoch; servers
    /// before 8.0 do not tell.
    pub commit_us: Option<u64>,
}

impl GtidEvent {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(EVENT, body);
        fields.u8("flags")?;
        let uuid = Uuid::from_bytes(fields.read("uuid", Cursor::array)?);
        let sequence = fields.u64("sequence")?;
        let gtid = Gtid::new(uuid, "", sequence);
        // 5.6 ends here, 5.7 after the logical timestamps.
        if fields.rest().first() != Some(&LOGICAL_TIMESTAMPS) {
            return Ok(Self { gtid, commit_us: None });
        }
        fields.take(17, "logical timestamps")?;
        let commit_us = fields.read("commit time", |c| c.uint_le(7)).ok();
        Ok(Self { gtid, commit_us: commit_us.map(|t| t & !HAS_ORIGINAL_TIMESTAMP) })
    }

    /// The form of MySQL's serialization library (MySQL source, `libs/mysql/serialization`):
    /// version, size, one more than the number of the last field that must be understood, then the
    /// fields, each after its number and in the order of their numbers.
    pub(super) fn decode_tagged(body: &[u8]) -> Result<Self, DecodeError> {
        const FLAGS: u64 = 0;
        const UUID: u64 = 1;
        const SEQUENCE: u64 = 2;
        const TAG: u64 = 3;
        const COMMIT_TIME: u64 = 6;
        const LAST_KNOWN: u64 = 11;
        let mut fields = Fields::new(EVENT, body);
        let version = fields.read("version", varint)?;
        // Written doubled, as every variable-length integer of one byte.
        if version != 1 {
            return Err(fields.malformed(format!("unknown serialization version {version}")));
        }
        fields.read("size", varint)?;
        let must_know = fields.read("last field not ignorable", varint)?;
        if must_know > LAST_KNOWN + 1 {
            return Err(fields.malformed(format!("it has a field {must_know} that is not known")));
        }
        let (mut uuid, mut sequence, mut tag, mut commit_us) = (None, None, "", None);
        while !fields.is_empty() {
            match fields.read("field number", varint)? {
                FLAGS => drop(fields.read("flags", varint)?),
                UUID => uuid = Some(fields.read("uuid", serialized_uuid)?),
                SEQUENCE => sequence = Some(fields.read("sequence", signed_varint)?),
                TAG => tag = read_tag(&mut fields)?,
                COMMIT_TIME => commit_us = Some(fields.read("commit time", varint)?),
                4 | 5 => drop(fields.read("logical timestamp", signed_varint)?),
                7..=LAST_KNOWN => drop(fields.read("field", varint)?),
                // Newer than we know, and not needed: fields are in order, so nothing follows that
                // we know.
                _ => break,
            }
        }
        let sequence = sequence.and_then(|s| u64::try_from(s).ok()).filter(|&s| s > 0);
        match (uuid, sequence) {
            (Some(uuid), Some(sequence)) => {
                Ok(Self { gtid: Gtid::new(uuid, tag, sequence), commit_us })
            }
            _ => Err(fields.malformed("it lacks its uuid or its sequence number")),
        }
    }
}

/// An integer of 1 to 9 bytes: the first byte's trailing ones count the bytes that follow it.
fn varint(c: &mut Cursor<'_>) -> Option<u64> {
    let first = *c.rest().first()?;
    let more = first.trailing_ones();
    if more == 8 {
        c.u8()?;
        return c.u64();
    }
    let len = usize::try_from(more).ok()? + 1;
    Some(c.uint_le(len)? >> len)
}

fn signed_varint(c: &mut Cursor<'_>) -> Option<i64> {
    let coded = varint(c)?;
    let magnitude = i64::try_from(coded >> 1).ok()?;
    Some(if coded & 1 == 0 { magnitude } else { -magnitude - 1 })
}

/// Sixteen integers, each a variable-length one.
fn serialized_uuid(c: &mut Cursor<'_>) -> Option<Uuid> {
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = u8::try_from(varint(c)?).ok()?;
    }
    Some(Uuid::from_bytes(bytes))
}

fn read_tag<'a>(fields: &mut Fields<'a>) -> Result<&'a str, DecodeError> {
    let len = fields.read("tag length", varint)?;
    match usize::try_from(len) {
        Ok(len) if len <= TAG_LEN_MAX => fields.text(len, "tag"),
        _ => Err(fields.malformed(format!("a tag of {len} bytes"))),
    }
}

/// Reads a PREVIOUS_GTIDS event: sources with their intervals, since 8.3 optionally with tags,
/// which the header's top byte tells (MySQL source, `Gtid_set::encode`).
pub(super) fn decode_previous(body: &[u8]) -> Result<GtidSet, DecodeError> {
    const UNTAGGED: u64 = 0;
    const TAGGED: u64 = 1;
    let mut fields = Fields::new("previous gtids", body);
    let header = fields.u64("count")?;
    let (count, tagged) = match header >> 56 {
        UNTAGGED => (header, false),
        TAGGED => (header << 8 >> 16, true),
        other => return Err(fields.malformed(format!("unknown format {other}"))),
    };
    let mut set = GtidSet::default();
    for _ in 0..count {
        let uuid = Uuid::from_bytes(fields.read("uuid", Cursor::array)?);
        let tag = if tagged { read_tag(&mut fields)? } else { "" };
        let source = GtidSource { uuid, tag: tag.to_ascii_lowercase().into() };
        for _ in 0..fields.u64("interval count")? {
            let first = fields.u64("interval")?;
            let end = fields.u64("interval")?;
            if first == 0 || end <= first {
                return Err(fields.malformed(format!("an interval from {first} to before {end}")));
            }
            set.insert_range(&source, first, end - 1);
        }
    }
    if !fields.is_empty() {
        return Err(fields.malformed(format!("{} bytes are left over", fields.rest().len())));
    }
    Ok(set)
}
