//! BIT and floating point numbers. Integers are read where they stand.

/// A big-endian bit field; bits above `bits` are never set by a server.
#[inline]
pub(crate) fn bit(raw: u64, bits: u8) -> Option<u64> {
    (bits >= 64 || raw >> bits == 0).then_some(raw)
}

/// MySQL stores neither infinity nor NaN: a column cannot hold them.
#[inline]
pub(crate) fn finite_f32(bits: u32) -> Option<f32> {
    Some(f32::from_bits(bits)).filter(|v| v.is_finite())
}

#[inline]
pub(crate) fn finite_f64(bits: u64) -> Option<f64> {
    Some(f64::from_bits(bits)).filter(|v| v.is_finite())
}
