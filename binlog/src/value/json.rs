//! MySQL's binary JSON -> the text that the server prints for it, byte by byte (MySQL source,
//! `sql-common/json_binary.h` for the form, `json_dom.cc` for the text).
//!
//! A document is a tree of offsets, and a damaged one may point anywhere, also many times at one
//! place. So the depth has a limit, and so has the text: no honest document prints to more than
//! [`GROWTH_MAX`] times its bytes.

use std::io::Write;

use model::Decimal;

use super::temporal;
use crate::cursor::Cursor;

mod diff;
mod path;

pub(crate) use diff::apply;

/// Nesting that MySQL itself allows (manual, "The JSON Data Type").
const DEPTH_MAX: usize = 100;
/// The worst honest case is a string of control characters, each printed as six: `\u0001`.
const GROWTH_MAX: usize = 8;
/// Room for a scalar whose text is longer than its few bytes.
const GROWTH_MIN: usize = 64;

pub(crate) type Fault = &'static str;
const CUT: Fault = "binary JSON that ends too soon";
const TOO_LARGE: Fault = "binary JSON whose parts overlap";

/// The document's text. No bytes at all are the null literal, as the server has it.
///
/// # Errors
/// Says what is wrong with the bytes.
pub(crate) fn to_text(bytes: &[u8]) -> Result<String, Fault> {
    let Some((&kind, value)) = bytes.split_first() else { return Ok("null".to_owned()) };
    let limit = bytes.len().saturating_mul(GROWTH_MAX).saturating_add(GROWTH_MIN);
    let mut printer = Printer { out: Vec::with_capacity(bytes.len()), limit };
    printer.value(kind, value, 0)?;
    String::from_utf8(printer.out).map_err(|_| "binary JSON with text that is not UTF-8")
}

mod kind {
    pub(super) const SMALL_OBJECT: u8 = 0x00;
    pub(super) const LARGE_OBJECT: u8 = 0x01;
    pub(super) const SMALL_ARRAY: u8 = 0x02;
    pub(super) const LARGE_ARRAY: u8 = 0x03;
    pub(super) const LITERAL: u8 = 0x04;
    pub(super) const INT16: u8 = 0x05;
    pub(super) const UINT16: u8 = 0x06;
    pub(super) const INT32: u8 = 0x07;
    pub(super) const UINT32: u8 = 0x08;
    pub(super) const INT64: u8 = 0x09;
    pub(super) const UINT64: u8 = 0x0A;
    pub(super) const DOUBLE: u8 = 0x0B;
    pub(super) const STRING: u8 = 0x0C;
    pub(super) const OPAQUE: u8 = 0x0F;
}

/// Types of opaque values, by their numbers in the protocol.
mod opaque {
    pub(super) const TIMESTAMP: u8 = 7;
    pub(super) const DATE: u8 = 10;
    pub(super) const TIME: u8 = 11;
    pub(super) const DATETIME: u8 = 12;
    pub(super) const DECIMAL: u8 = 246;
}

/// Small containers count and point with 2 bytes, large ones with 4.
#[derive(Clone, Copy)]
struct Width(usize);

impl Width {
    fn read(self, c: &mut Cursor<'_>) -> Result<usize, Fault> {
        c.uint_le(self.0).and_then(|n| usize::try_from(n).ok()).ok_or(CUT)
    }

    /// True where a value of this kind stands in the place of its offset.
    fn inlines(self, kind: u8) -> bool {
        match kind {
            kind::LITERAL | kind::INT16 | kind::UINT16 => true,
            kind::INT32 | kind::UINT32 => self.0 == 4,
            _ => false,
        }
    }
}

struct Printer {
    out: Vec<u8>,
    limit: usize,
}

impl Printer {
    fn push(&mut self, text: &[u8]) -> Result<(), Fault> {
        if self.out.len() + text.len() > self.limit {
            return Err(TOO_LARGE);
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn display(&mut self, value: impl std::fmt::Display) -> Result<(), Fault> {
        write!(self.out, "{value}").map_err(|_| TOO_LARGE)?;
        if self.out.len() > self.limit { Err(TOO_LARGE) } else { Ok(()) }
    }

    /// Prints the value of `kind` at the start of `bytes`, inside `depth` containers.
    fn value(&mut self, kind: u8, bytes: &[u8], depth: usize) -> Result<(), Fault> {
        let mut c = Cursor::new(bytes);
        match kind {
            kind::SMALL_OBJECT => self.object(bytes, Width(2), depth),
            kind::LARGE_OBJECT => self.object(bytes, Width(4), depth),
            kind::SMALL_ARRAY => self.array(bytes, Width(2), depth),
            kind::LARGE_ARRAY => self.array(bytes, Width(4), depth),
            kind::LITERAL => match c.u8().ok_or(CUT)? {
                0 => self.push(b"null"),
                1 => self.push(b"true"),
                2 => self.push(b"false"),
                _ => Err("binary JSON with an unknown literal"),
            },
            kind::INT16 => self.display(c.u16().ok_or(CUT)?.cast_signed()),
            kind::UINT16 => self.display(c.u16().ok_or(CUT)?),
            kind::INT32 => self.display(c.u32().ok_or(CUT)?.cast_signed()),
            kind::UINT32 => self.display(c.u32().ok_or(CUT)?),
            kind::INT64 => self.display(c.u64().ok_or(CUT)?.cast_signed()),
            kind::UINT64 => self.display(c.u64().ok_or(CUT)?),
            kind::DOUBLE => self.double(f64::from_bits(c.u64().ok_or(CUT)?)),
            kind::STRING => self.quoted(sized(&mut c)?),
            kind::OPAQUE => {
                let kind = c.u8().ok_or(CUT)?;
                self.opaque(kind, sized(&mut c)?)
            }
            _ => Err("binary JSON with an unknown type"),
        }
    }

    fn object(&mut self, bytes: &[u8], width: Width, depth: usize) -> Result<(), Fault> {
        let (container, count) = open(bytes, width, depth)?;
        let entries = Cursor::new(container);
        let (mut keys, mut values) = (entries, entries);
        keys.take(2 * width.0).ok_or(CUT)?;
        let key_entries = count.checked_mul(width.0 + 2).ok_or(CUT)?;
        values.take(key_entries.saturating_add(2 * width.0)).ok_or(CUT)?;
        self.push(b"{")?;
        for n in 0..count {
            if n > 0 {
                self.push(b", ")?;
            }
            let at = width.read(&mut keys)?;
            let len = usize::from(keys.u16().ok_or(CUT)?);
            let key = container.get(at..).and_then(|rest| rest.get(..len)).ok_or(CUT)?;
            self.quoted(key)?;
            self.push(b": ")?;
            self.entry(container, &mut values, width, depth)?;
        }
        self.push(b"}")
    }

    fn array(&mut self, bytes: &[u8], width: Width, depth: usize) -> Result<(), Fault> {
        let (container, count) = open(bytes, width, depth)?;
        let mut values = Cursor::new(container);
        values.take(2 * width.0).ok_or(CUT)?;
        self.push(b"[")?;
        for n in 0..count {
            if n > 0 {
                self.push(b", ")?;
            }
            self.entry(container, &mut values, width, depth)?;
        }
        self.push(b"]")
    }

    /// Prints the next value of a container: its type, then itself or where it is.
    fn entry(
        &mut self,
        container: &[u8],
        values: &mut Cursor<'_>,
        width: Width,
        depth: usize,
    ) -> Result<(), Fault> {
        let kind = values.u8().ok_or(CUT)?;
        if width.inlines(kind) {
            let value = values.take(width.0).ok_or(CUT)?;
            return self.value(kind, value, depth + 1);
        }
        let at = width.read(values)?;
        self.value(kind, container.get(at..).ok_or(CUT)?, depth + 1)
    }

    /// A string in double quotes, with the escapes that the server writes and no others.
    fn quoted(&mut self, text: &[u8]) -> Result<(), Fault> {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.push(b"\"")?;
        let mut rest = text;
        let special = |&b: &u8| b < 0x20 || b == b'"' || b == b'\\';
        while let Some((plain, (byte, tail))) = rest
            .iter()
            .position(special)
            .and_then(|at| rest.split_at_checked(at))
            .and_then(|(plain, tail)| Some((plain, tail.split_first()?)))
        {
            self.push(plain)?;
            match byte {
                b'"' => self.push(b"\\\"")?,
                b'\\' => self.push(b"\\\\")?,
                0x08 => self.push(b"\\b")?,
                0x0C => self.push(b"\\f")?,
                b'\n' => self.push(b"\\n")?,
                b'\r' => self.push(b"\\r")?,
                b'\t' => self.push(b"\\t")?,
                other => {
                    let digit = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
                    self.push(&[b'\\', b'u', b'0', b'0', digit(other >> 4), digit(other & 15)])?;
                }
            }
            rest = tail;
        }
        self.push(rest)?;
        self.push(b"\"")
    }

    fn double(&mut self, value: f64) -> Result<(), Fault> {
        if !value.is_finite() {
            return Err("binary JSON with a number that is not finite");
        }
        self.display(ServerDouble(value))
    }

    /// Values of SQL types that JSON has not.
    fn opaque(&mut self, kind: u8, data: &[u8]) -> Result<(), Fault> {
        const BAD: Fault = "binary JSON with a date, time or decimal that is none";
        /// Bits of the microseconds.
        const MICROS: u32 = 24;
        const TIME_ZERO: u64 = 1 << 47;
        const DATETIME_ZERO: u64 = 1 << 39;
        let number = || Cursor::new(data).u64().filter(|_| data.len() == 8).ok_or(BAD);
        let datetime = || {
            let packed = number()?;
            let micros = packed & ((1 << MICROS) - 1);
            let raw = (packed >> MICROS).saturating_add(DATETIME_ZERO);
            temporal::datetime2(raw, micros, 3).ok_or(BAD)
        };
        match kind {
            opaque::DATE => {
                let d = datetime()?.date;
                self.display(format_args!("\"{:04}-{:02}-{:02}\"", d.year, d.month, d.day))
            }
            opaque::DATETIME | opaque::TIMESTAMP => {
                let (t, d) = (datetime()?, datetime()?.date);
                self.display(format_args!(
                    "\"{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}\"",
                    d.year, d.month, d.day, t.hour, t.minute, t.second, t.micros
                ))
            }
            opaque::TIME => {
                let raw = TIME_ZERO.checked_add_signed(number()?.cast_signed()).ok_or(BAD)?;
                let t = temporal::time2(raw, 3).ok_or(BAD)?;
                let sign = if t.negative { "-" } else { "" };
                self.display(format_args!(
                    "\"{sign}{:02}:{:02}:{:02}.{:06}\"",
                    t.hours, t.minutes, t.seconds, t.micros
                ))
            }
            opaque::DECIMAL => {
                let [precision, scale, packed @ ..] = data else { return Err(BAD) };
                self.display(Decimal::packed(packed, *precision, *scale).ok_or(BAD)?)
            }
            other => {
                self.display(format_args!("\"base64:type{other}:"))?;
                self.base64(data)?;
                self.push(b"\"")
            }
        }
    }

    /// In lines of 76 characters, whose ends the JSON text shows as `\n`.
    fn base64(&mut self, data: &[u8]) -> Result<(), Fault> {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const GROUPS_PER_LINE: usize = 19;
        for (n, group) in data.chunks(3).enumerate() {
            if n > 0 && n.is_multiple_of(GROUPS_PER_LINE) {
                self.push(b"\\n")?;
            }
            let mut bits = 0u32;
            for at in 0..3 {
                bits = bits << 8 | u32::from(group.get(at).copied().unwrap_or(0));
            }
            let letter = |at: usize| {
                let index = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
                if at > group.len() { b'=' } else { ALPHABET.get(index).copied().unwrap_or(b'=') }
            };
            self.push(&[letter(0), letter(1), letter(2), letter(3)])?;
        }
        Ok(())
    }
}

/// The bytes of a container, as many as it says, and its count of entries.
fn open(bytes: &[u8], width: Width, depth: usize) -> Result<(&[u8], usize), Fault> {
    if depth >= DEPTH_MAX {
        return Err("binary JSON nested deeper than a server allows");
    }
    let mut c = Cursor::new(bytes);
    let count = width.read(&mut c)?;
    let size = width.read(&mut c)?;
    Ok((bytes.get(..size).ok_or(CUT)?, count))
}

/// Bytes after their length, which is given in groups of seven bits, the lowest first.
fn sized<'a>(c: &mut Cursor<'a>) -> Result<&'a [u8], Fault> {
    let mut len = 0u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = c.u8().ok_or(CUT)?;
        len |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(len).ok().and_then(|len| c.take(len)).ok_or(CUT);
        }
    }
    Err("binary JSON with a length of more than 4 GiB")
}

/// A double as JSON text from the server: the shortest digits that give it back, plain while the
/// point is near them, and always with a point or an exponent (MySQL source, `my_gcvt`).
struct ServerDouble(f64);

impl std::fmt::Display for ServerDouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        /// `MAX_DECPT_FOR_F_FORMAT`.
        const POINT_MAX: i32 = 15;
        let shortest = format!("{:e}", self.0.abs());
        let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
        let digits = mantissa.replace('.', "");
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let digits = even_of_tie(self.0.abs(), &digits, exponent).unwrap_or(digits);
        // The number is 0.DIGITS times ten to the power of `point`.
        let point = exponent + 1;
        let len = i32::try_from(digits.len()).unwrap_or(i32::MAX);
        if self.0.is_sign_negative() {
            f.write_str("-")?;
        }
        if point <= -POINT_MAX || point > POINT_MAX && len <= point {
            let (first, more) = digits.split_at_checked(1).unwrap_or((&digits, ""));
            let dot = if more.is_empty() { "" } else { "." };
            return write!(f, "{first}{dot}{more}e{exponent}");
        }
        match usize::try_from(point) {
            Ok(whole) if whole > 0 => match digits.split_at_checked(whole) {
                Some((whole, "")) => write!(f, "{whole}.0"),
                Some((whole, fraction)) => write!(f, "{whole}.{fraction}"),
                None => write!(f, "{digits:0<whole$}.0"),
            },
            _ => {
                let zeros = usize::try_from(-point).unwrap_or(0);
                write!(f, "0.{:0<zeros$}{digits}", "")
            }
        }
    }
}

/// Where `value` lies exactly between two shortest texts, the server takes the one whose last digit
/// is even, and Rust the larger. `Some` where that is the smaller.
fn even_of_tie(value: f64, digits: &str, exponent: i32) -> Option<String> {
    /// Enough for a tie to show: what lies between two texts of 17 digits is short in binary.
    const MORE_DIGITS: usize = 30;
    if digits.len() < 16 {
        return None;
    }
    let exact = format!("{value:.*e}", digits.len() + MORE_DIGITS);
    let exact = exact.split('e').next()?.replace('.', "");
    let (lower, rest) = exact.split_at_checked(digits.len())?;
    let tie = rest.strip_prefix('5')?.bytes().all(|digit| digit == b'0');
    let even = lower.bytes().last()?.is_multiple_of(2);
    let (first, more) = lower.split_at_checked(1)?;
    let same = format!("{first}.{more}e{exponent}").parse() == Ok(value);
    (tie && even && same).then(|| lower.to_owned())
}

#[cfg(test)]
mod tests;
