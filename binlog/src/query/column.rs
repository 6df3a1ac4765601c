//! The definition of a result's column (MySQL internals, "Protocol::ColumnDefinition41").

use crate::cursor::Cursor;

/// How the values of a result's column come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultColumn {
    /// MySQL internals, "Column Types".
    pub(super) kind: u8,
    pub(super) unsigned: bool,
}

impl ResultColumn {
    /// What stands in its packet; `None` where that is none.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        const UNSIGNED: u16 = 0x20;
        const FIXED_LEN: u64 = 12;
        let mut fields = Cursor::new(packet);
        // Catalog, schema, table and column, the last two under both of their names.
        for _ in 0..6 {
            fields.lenenc_bytes()?;
        }
        fields.lenenc().filter(|len| *len >= FIXED_LEN)?;
        let (_collation, _length) = (fields.u16()?, fields.u32()?);
        let kind = fields.u8()?;
        Some(Self { kind, unsigned: fields.u16()? & UNSIGNED != 0 })
    }
}
