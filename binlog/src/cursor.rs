//! Reading from bytes that may end too soon.

use crate::error::DecodeError;

/// The rest of a slice. Every read is checked; nothing is taken where too little is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(n)?;
        self.rest = tail;
        Some(head)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
        Some(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[b]: [u8; 1]| b)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u24(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]: [u8; 3]| u32::from_le_bytes([a, b, c, 0]))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A little-endian integer of `n` bytes, at most 8.
    #[inline]
    pub(crate) fn uint_le(&mut self, n: usize) -> Option<u64> {
        let bytes = self.take(n)?;
        Some(bytes.iter().rev().fold(0, |acc, &b| acc << 8 | u64::from(b)))
    }

    /// A big-endian integer of `n` bytes, at most 8.
    #[inline]
    pub(crate) fn uint_be(&mut self, n: usize) -> Option<u64> {
        let be = |[a, b, c, d, e, f, g, h]: [u8; 8]| u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        // The usual sizes without a loop: this is on the path of every time and date.
        Some(match n {
            0 => 0,
            1 => u64::from(self.u8()?),
            2 => self.array().map(|[a, b]: [u8; 2]| be([0, 0, 0, 0, 0, 0, a, b]))?,
            3 => self.array().map(|[a, b, c]: [u8; 3]| be([0, 0, 0, 0, 0, a, b, c]))?,
            4 => u64::from(self.array().map(u32::from_be_bytes)?),
            5 => self.array().map(|[a, b, c, d, e]: [u8; 5]| be([0, 0, 0, a, b, c, d, e]))?,
            6 => self.array().map(|[a, b, c, d, e, f]: [u8; 6]| be([0, 0, a, b, c, d, e, f]))?,
            8 => be(self.array()?),
            _ => self.take(n)?.iter().fold(0, |acc, &b| acc << 8 | u64::from(b)),
        })
    }

    /// A length-encoded integer (MySQL internals, "Protocol::LengthEncodedInteger").
    pub(crate) fn lenenc(&mut self) -> Option<u64> {
        match self.u8()? {
            first @ 0..=250 => Some(u64::from(first)),
            252 => self.u16().map(u64::from),
            253 => self.u24().map(u64::from),
            254 => self.u64(),
            251 | 255 => None,
        }
    }

    /// Bytes after their length-encoded length.
    pub(crate) fn lenenc_bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.lenenc()?).ok()?;
        self.take(len)
    }
}

/// A cursor over an event's body whose errors say which field of which event was cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    cursor: Cursor<'a>,
    total: usize,
    event: &'static str,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(event: &'static str, body: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(body), total: body.len(), event }
    }

    /// Offset of the next byte in the body.
    pub(crate) fn at(&self) -> usize {
        self.total - self.cursor.rest().len()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.cursor.rest()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cursor.rest().is_empty()
    }

    pub(crate) fn malformed(&self, reason: impl Into<String>) -> DecodeError {
        DecodeError::malformed(self.event, reason)
    }

    /// Runs one read of the cursor; `None` becomes an error that names `field`.
    pub(crate) fn read<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Cursor<'a>) -> Option<T>,
    ) -> Result<T, DecodeError> {
        let (event, at) = (self.event, self.at());
        read(&mut self.cursor).ok_or(DecodeError::Truncated { event, field, at })
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.read(field, Cursor::u8)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.read(field, Cursor::u16)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.read(field, Cursor::u32)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.read(field, Cursor::u64)
    }

    pub(crate) fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        self.read(field, |c| c.take(n))
    }

    /// UTF-8 text of `n` bytes; identifiers in the binlog are UTF-8.
    pub(crate) fn text(&mut self, n: usize, field: &'static str) -> Result<&'a str, DecodeError> {
        let bytes = self.take(n, field)?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed(format!("its {field} is not UTF-8")))
    }
}
