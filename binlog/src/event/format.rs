//! How the events of a file are laid out.

use bytes::Bytes;

use super::kind;
use crate::cursor::Fields;
use crate::error::DecodeError;
use crate::packet::Checksum;

const EVENT: &str = "format description";
const SERVER_VERSION_LEN: usize = 50;
/// `BINLOG_CHECKSUM_ALG_OFF` and `_CRC32` (MySQL source, `binlog_event.h`).
const CHECKSUM_OFF: u8 = 0;
const CHECKSUM_CRC32: u8 = 1;
/// Length of the fixed part of a table map event whose table id takes 4 bytes, not 6: servers
/// before 5.1.4.
const TABLE_MAP_FIXED_SHORT: u8 = 6;

/// Which family of servers wrote a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flavor {
    #[default]
    MySql,
    MariaDb,
}

impl Flavor {
    /// Told by the version string (`SELECT VERSION()`), where every MariaDB names itself.
    pub fn of_version(version: &str) -> Self {
        if version.to_ascii_lowercase().contains("mariadb") { Self::MariaDb } else { Self::MySql }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatDescription {
    pub server_version: String,
    pub flavor: Flavor,
    pub checksum: Checksum,
    /// Lengths of the fixed parts of event bodies, by event type from 1 up.
    fixed_lengths: Bytes,
}

impl FormatDescription {
    /// What to assume before the first format description event has come.
    pub fn initial(flavor: Flavor) -> Self {
        Self {
            server_version: String::new(),
            flavor,
            checksum: Checksum::None,
            fixed_lengths: Bytes::new(),
        }
    }

    /// Bytes of a table id in table map and rows events.
    pub(crate) fn table_id_len(&self) -> usize {
        let at = usize::from(kind::TABLE_MAP - 1);
        if self.fixed_lengths.get(at) == Some(&TABLE_MAP_FIXED_SHORT) { 4 } else { 6 }
    }

    pub(super) fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(EVENT, body);
        let version = fields.u16("binlog version")?;
        if version != 4 {
            return Err(fields.malformed(format!("binlog version {version}, expected 4")));
        }
        let server_version = fields.take(SERVER_VERSION_LEN, "server version")?;
        let server_version = server_version.split(|&b| b == 0).next().unwrap_or_default();
        let server_version = std::str::from_utf8(server_version)
            .map_err(|_| fields.malformed("its server version is not UTF-8"))?
            .to_owned();
        fields.u32("creation time")?;
        let header_len = fields.u8("header length")?;
        if usize::from(header_len) != crate::packet::HEADER_LEN {
            return Err(fields.malformed(format!("event headers of {header_len} bytes")));
        }
        let (algorithm, lengths) = fields
            .rest()
            .split_last()
            .ok_or_else(|| fields.malformed("it names no checksum algorithm"))?;
        let checksum = match *algorithm {
            CHECKSUM_OFF => Checksum::None,
            CHECKSUM_CRC32 => Checksum::Crc32,
            other => return Err(fields.malformed(format!("unknown checksum algorithm {other}"))),
        };
        Ok(Self {
            flavor: Flavor::of_version(&server_version),
            server_version,
            checksum,
            fixed_lengths: Bytes::copy_from_slice(lengths),
        })
    }
}
