//! MariaDB's own events: GTIDs by domain (MariaDB KB, "Replication Protocol").

use bytes::Bytes;
use model::{MariaGtid, MariaGtids};

use super::xa::Xid;
use crate::cursor::Fields;
use crate::error::DecodeError;
use crate::packet::RawEvent;

const FL_STANDALONE: u8 = 1;
const FL_GROUP_COMMIT_ID: u8 = 2;
const FL_PREPARED_XA: u8 = 64;
const FL_COMPLETED_XA: u8 = 128;

/// A transaction, or one statement outside transactions, begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MariaGtidEvent {
    pub gtid: MariaGtid,
    /// One event follows and nothing ends the group: DDL.
    pub standalone: bool,
    /// As in the event (MariaDB source, `Gtid_log_event`, `FL_*`).
    pub flags: u8,
    pub xa: Option<MariaXa>,
    /// Further flags, from 10.8 on (`FL_EXTRA_*`): 2, 4 and 8 mark the start, commit and rollback
    /// of an ALTER in two parts.
    pub flags_extra: u8,
}

/// What the transaction is to XA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MariaXa {
    /// Its rows follow, up to the prepare (`XA START` is not written apart).
    Prepared(Xid),
    /// Its verdict follows: `XA COMMIT` or `XA ROLLBACK`.
    Completed(Xid),
}

impl MariaGtidEvent {
    pub(super) fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("maria gtid", &raw.body);
        let sequence = fields.u64("sequence")?;
        let domain = fields.u32("domain")?;
        let flags = fields.u8("flags")?;
        let gtid = MariaGtid { domain, server: raw.header.server_id, sequence };
        if flags & FL_GROUP_COMMIT_ID != 0 {
            fields.u64("commit id")?;
        }
        let xa = if flags & (FL_PREPARED_XA | FL_COMPLETED_XA) != 0 {
            let format_id = fields.u32("format id")?;
            let gtrid_len = u32::from(fields.u8("gtrid length")?);
            let bqual_len = u32::from(fields.u8("bqual length")?);
            let data = raw.body.slice(fields.at()..);
            let xid = Xid::from_parts(&fields, format_id, gtrid_len, bqual_len, &data)?;
            Some(if flags & FL_PREPARED_XA != 0 {
                MariaXa::Prepared(xid)
            } else {
                MariaXa::Completed(xid)
            })
        } else {
            None
        };
        let named = xa.as_ref().map_or(0, |xa| {
            let (MariaXa::Prepared(xid) | MariaXa::Completed(xid)) = xa;
            xid.gtrid.len() + xid.bqual.len()
        });
        let flags_extra = fields.rest().get(named).copied().unwrap_or(0);
        Ok(Self { gtid, standalone: flags & FL_STANDALONE != 0, flags, xa, flags_extra })
    }
}

/// The high four bits of the count are flags.
const COUNT_MASK: u32 = (1 << 28) - 1;

pub(super) fn decode_gtid_list(body: &Bytes) -> Result<MariaGtids, DecodeError> {
    let mut fields = Fields::new("gtid list", body);
    let count = fields.u32("count")? & COUNT_MASK;
    let mut list = MariaGtids::default();
    for _ in 0..count {
        let domain = fields.u32("domain")?;
        let server = fields.u32("server id")?;
        let sequence = fields.u64("sequence")?;
        // A domain has an entry for each server that wrote in it; the last one is the newest.
        list.insert(MariaGtid { domain, server, sequence });
    }
    Ok(list)
}
