//! XA: transactions whose verdict comes later.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::cursor::Fields;
use crate::error::DecodeError;

/// Longest `gtrid` and longest `bqual` (MySQL manual, "XA Transaction SQL Statements").
const PART_LEN_MAX: u32 = 64;

/// The name of an XA transaction. Its text is what the server writes in `XA START` and the other
/// statements of its binlog: `X'67',X'62',1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Xid {
    pub format_id: u32,
    pub gtrid: Bytes,
    pub bqual: Bytes,
}

impl Xid {
    /// Of parts as `XA RECOVER` gives them: `data` is the one part and the other. `None` where the
    /// lengths are not those of `data`.
    pub(crate) fn new(
        format_id: i64,
        gtrid_len: usize,
        bqual_len: usize,
        data: Vec<u8>,
    ) -> Option<Self> {
        let data = Bytes::from(data);
        (gtrid_len.checked_add(bqual_len)? == data.len()).then(|| Self {
            format_id: lower_half(format_id.into()),
            gtrid: data.slice(..gtrid_len),
            bqual: data.slice(gtrid_len..),
        })
    }

    /// Takes `gtrid` and `bqual` from `data`, which lies in `body` at `at`.
    pub(super) fn from_parts(
        fields: &Fields<'_>,
        format_id: u32,
        gtrid_len: u32,
        bqual_len: u32,
        data: &Bytes,
    ) -> Result<Self, DecodeError> {
        if gtrid_len > PART_LEN_MAX || bqual_len > PART_LEN_MAX {
            let reason = format!("an XA name of {gtrid_len} and {bqual_len} bytes");
            return Err(fields.malformed(reason));
        }
        let gtrid_len = usize::try_from(gtrid_len).unwrap_or(usize::MAX);
        let bqual_len = usize::try_from(bqual_len).unwrap_or(usize::MAX);
        if data.len() < gtrid_len + bqual_len {
            return Err(fields.malformed("it ends inside its XA name"));
        }
        // A name lives as long as its transaction is prepared: days, and it must not hold the memory
        // of what came beside it.
        let name = Bytes::copy_from_slice(&data.slice(..gtrid_len + bqual_len));
        Ok(Self { format_id, gtrid: name.slice(..gtrid_len), bqual: name.slice(gtrid_len..) })
    }
}

/// Not the text of an XA name as a server writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of an XA transaction: expected `X'67',X'62',1`")]
pub struct BadXid(pub String);

impl FromStr for Xid {
    type Err = BadXid;

    /// Reads what servers write into their binlogs (MySQL and MariaDB source, `serialize_xid`): both
    /// parts in hexadecimal, the format number in decimal.
    fn from_str(text: &str) -> Result<Self, BadXid> {
        parse(text).ok_or_else(|| BadXid(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Xid> {
    let mut parts = text.split(',');
    let (gtrid, bqual) = (hex(parts.next()?)?, hex(parts.next()?)?);
    let number: i128 = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(Xid { format_id: lower_half(number), gtrid, bqual })
}

/// What events hold of a format number: all of it cannot be told from them.
fn lower_half(format_id: i128) -> u32 {
    u32::try_from(format_id & i128::from(u32::MAX)).unwrap_or_default()
}

/// The bytes of `X'6762'`.
fn hex(text: &str) -> Option<Bytes> {
    let digits = text.strip_prefix(['X', 'x'])?.strip_prefix('\'')?.strip_suffix('\'')?;
    let fits =
        digits.len().is_multiple_of(2) && digits.len() <= 2 * usize::try_from(PART_LEN_MAX).ok()?;
    let digit = |d: &u8| char::from(*d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    if !fits {
        return None;
    }
    digits.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>().map(Bytes::from)
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X'{:x}',X'{:x}',{}", self.gtrid, self.bqual, self.format_id)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XaPrepare {
    /// True for `XA COMMIT … ONE PHASE`: the transaction is committed, not only prepared.
    pub one_phase: bool,
    pub xid: Xid,
}

impl XaPrepare {
    pub(super) fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("xa_prepare", body);
        let one_phase = fields.u8("one phase flag")? != 0;
        let format_id = fields.u32("format id")?;
        let gtrid_len = fields.u32("gtrid length")?;
        let bqual_len = fields.u32("bqual length")?;
        let data = body.slice(fields.at()..);
        Ok(Self {
            one_phase,
            xid: Xid::from_parts(&fields, format_id, gtrid_len, bqual_len, &data)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xid(gtrid: &'static [u8], bqual: &'static [u8], format_id: u32) -> Xid {
        let bytes = Bytes::from_static;
        Xid { format_id, gtrid: bytes(gtrid), bqual: bytes(bqual) }
    }

    #[test]
    fn an_xa_name_reads_back_as_servers_write_it() {
        for (text, want) in [
            ("X'67',X'62',1", xid(b"g", b"b", 1)),
            ("X'67',X'',1", xid(b"g", b"", 1)),
            ("X'00ff',X'2c27',4294967295", xid(b"\x00\xff", b",'", u32::MAX)),
        ] {
            assert_eq!(text.parse::<Xid>().unwrap(), want, "{text}");
            assert_eq!(want.to_string(), text);
        }
        assert_eq!("X'6A',X'',-1".parse::<Xid>().unwrap(), xid(b"j", b"", u32::MAX));
        assert_eq!("x'6a',x'',4294967297".parse::<Xid>().unwrap(), xid(b"j", b"", 1));
    }

    #[test]
    fn what_is_no_xa_name_is_refused() {
        let long = format!("X'{}',X'',1", "61".repeat(65));
        for text in [
            "",
            "X'67'",
            "X'67',X''",
            "X'6',X'',1",
            "X'6g',X'',1",
            "X'67',X'',",
            "'g','b',1",
            &long,
        ] {
            assert!(text.parse::<Xid>().is_err(), "{text}");
        }
        assert!("X'67',X'',1,2".parse::<Xid>().is_err());
    }
}
