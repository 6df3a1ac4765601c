//! XA: transactions whose verdict comes later.

use std::fmt;

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
        Ok(Self {
            format_id,
            gtrid: data.slice(..gtrid_len),
            bqual: data.slice(gtrid_len..gtrid_len + bqual_len),
        })
    }
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
