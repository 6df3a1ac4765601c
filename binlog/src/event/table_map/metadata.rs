//! The optional part of a table map (MySQL 8.0 and MariaDB 10.5 and up): signedness and character
//! sets always on MySQL, names and the rest by `binlog_row_metadata = FULL`.

use super::{WireColumn, WireType};
use crate::cursor::Cursor;
use crate::event::Flavor;

/// Members of one ENUM or SET column.
pub type Members = Vec<Box<[u8]>>;

/// What a table map says beside the types. Every vector has one entry for each column of the table,
/// or is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// True where a numeric column is unsigned.
    pub unsigned: Option<Vec<bool>>,
    /// Number of the collation of character, ENUM and SET columns; `None` for others.
    pub collations: Option<Vec<Option<u64>>>,
    pub names: Option<Vec<Box<str>>>,
    /// Members of ENUM and SET columns, in the column's own character set.
    pub members: Option<Vec<Option<Members>>>,
    /// Positions of the primary key's columns.
    pub primary_key: Option<Vec<usize>>,
    /// False where a column is INVISIBLE.
    pub visible: Option<Vec<bool>>,
}

/// Numbers of the fields (MySQL source, `Table_map_event::Optional_metadata_field_type`).
mod field {
    pub(super) const SIGNEDNESS: u8 = 1;
    pub(super) const DEFAULT_CHARSET: u8 = 2;
    pub(super) const COLUMN_CHARSET: u8 = 3;
    pub(super) const COLUMN_NAME: u8 = 4;
    pub(super) const SET_MEMBERS: u8 = 5;
    pub(super) const ENUM_MEMBERS: u8 = 6;
    pub(super) const PRIMARY_KEY: u8 = 8;
    pub(super) const PRIMARY_KEY_WITH_PREFIX: u8 = 9;
    pub(super) const ENUM_SET_DEFAULT_CHARSET: u8 = 10;
    pub(super) const ENUM_SET_COLUMN_CHARSET: u8 = 11;
    pub(super) const VISIBILITY: u8 = 12;
}

type Reason = &'static str;

fn is_numeric(ty: WireType) -> bool {
    use WireType::{Decimal, Double, Float, Int, Year};
    matches!(ty, Int { .. } | Decimal { .. } | Float | Double | Year)
}

/// Each family counts a type of its own among them (seen on MySQL 9.7 and MariaDB 10.11); to count
/// wrongly is to give a column the character set of another.
fn is_character(ty: WireType, flavor: Flavor) -> bool {
    use WireType::{Blob, Char, CompressedBlob, CompressedVarChar, Geometry, VarChar, Vector};
    match flavor {
        Flavor::MySql => {
            matches!(ty, VarChar { .. } | Char { .. } | Blob { .. } | Vector { .. })
        }
        Flavor::MariaDb => {
            matches!(
                ty,
                VarChar { .. }
                    | Char { .. }
                    | Blob { .. }
                    | Geometry { .. }
                    | CompressedVarChar { .. }
                    | CompressedBlob { .. }
            )
        }
    }
}

fn is_enum_or_set(ty: WireType, _: Flavor) -> bool {
    matches!(ty, WireType::Enum { .. } | WireType::Set { .. })
}

impl Metadata {
    /// Reads fields of a number, a length and a value each. Fields not known are passed over: they
    /// only add to what the types say.
    pub(super) fn read(
        columns: &[WireColumn],
        flavor: Flavor,
        bytes: &[u8],
    ) -> Result<Self, Reason> {
        const CUT: Reason = "its optional metadata is cut";
        let mut all = Self::default();
        let mut c = Cursor::new(bytes);
        while !c.rest().is_empty() {
            let number = c.u8().ok_or(CUT)?;
            let value = c.lenenc_bytes().ok_or(CUT)?;
            all.take(columns, flavor, number, value)?;
        }
        Ok(all)
    }

    fn take(
        &mut self,
        columns: &[WireColumn],
        flavor: Flavor,
        number: u8,
        value: &[u8],
    ) -> Result<(), Reason> {
        let of_kind = |of: fn(WireType, Flavor) -> bool| -> Vec<usize> {
            let all = columns.iter().enumerate();
            all.filter(|(_, column)| of(column.ty, flavor)).map(|(at, _)| at).collect()
        };
        match number {
            field::SIGNEDNESS => self.unsigned = Some(unsigned(columns, value)?),
            field::DEFAULT_CHARSET => {
                self.collate(columns.len(), default_charset(&of_kind(is_character), value)?);
            }
            field::COLUMN_CHARSET => {
                self.collate(columns.len(), column_charset(&of_kind(is_character), value)?);
            }
            field::ENUM_SET_DEFAULT_CHARSET => {
                self.collate(columns.len(), default_charset(&of_kind(is_enum_or_set), value)?);
            }
            field::ENUM_SET_COLUMN_CHARSET => {
                self.collate(columns.len(), column_charset(&of_kind(is_enum_or_set), value)?);
            }
            field::COLUMN_NAME => self.names = Some(names(columns.len(), value)?),
            field::SET_MEMBERS => {
                self.read_members(columns, |ty| matches!(ty, WireType::Set { .. }), value)?;
            }
            field::ENUM_MEMBERS => {
                self.read_members(columns, |ty| matches!(ty, WireType::Enum { .. }), value)?;
            }
            field::PRIMARY_KEY => {
                self.primary_key = Some(primary_key(value, columns.len(), false)?);
            }
            field::PRIMARY_KEY_WITH_PREFIX => {
                self.primary_key = Some(primary_key(value, columns.len(), true)?);
            }
            field::VISIBILITY => self.visible = Some(bits(value, columns.len())?),
            _ => {}
        }
        Ok(())
    }

    /// Notes collations, each with the position of its column.
    fn collate(&mut self, columns: usize, given: Vec<(usize, u64)>) {
        let held = self.collations.get_or_insert_with(|| vec![None; columns]);
        for (at, id) in given {
            if let Some(slot) = held.get_mut(at) {
                *slot = Some(id);
            }
        }
    }

    fn read_members(
        &mut self,
        columns: &[WireColumn],
        of: fn(WireType) -> bool,
        value: &[u8],
    ) -> Result<(), Reason> {
        const CUT: Reason = "its ENUM or SET members are cut";
        let held = self.members.get_or_insert_with(|| vec![None; columns.len()]);
        let mut c = Cursor::new(value);
        for (_, slot) in columns.iter().zip(held).filter(|(column, _)| of(column.ty)) {
            let count = c.lenenc().ok_or(CUT)?;
            let mut members = Vec::new();
            for _ in 0..count {
                members.push(c.lenenc_bytes().ok_or(CUT)?.into());
            }
            *slot = Some(members);
        }
        Ok(())
    }
}

/// One bit for each of `count` columns, the highest bit of a byte first.
fn bits(value: &[u8], count: usize) -> Result<Vec<bool>, Reason> {
    if value.len() != count.div_ceil(8) {
        return Err("its bits are not one for each column");
    }
    let bit = |n: usize| value.get(n / 8).is_some_and(|byte| byte >> (7 - n % 8) & 1 == 1);
    Ok((0..count).map(bit).collect())
}

fn unsigned(columns: &[WireColumn], value: &[u8]) -> Result<Vec<bool>, Reason> {
    let numeric = columns.iter().filter(|column| is_numeric(column.ty)).count();
    let mut flags = bits(value, numeric)?.into_iter();
    Ok(columns.iter().map(|c| is_numeric(c.ty) && flags.next().unwrap_or(false)).collect())
}

/// One collation for most of the columns at `places`, then pairs of a column (counted among these)
/// and its own.
fn default_charset(places: &[usize], value: &[u8]) -> Result<Vec<(usize, u64)>, Reason> {
    const CUT: Reason = "its default character set is cut";
    let mut c = Cursor::new(value);
    let default = c.lenenc().ok_or(CUT)?;
    let mut given: Vec<_> = places.iter().map(|&at| (at, default)).collect();
    while !c.rest().is_empty() {
        let at = c.lenenc().and_then(|at| usize::try_from(at).ok()).ok_or(CUT)?;
        let slot = given.get_mut(at).ok_or("its character set is of a column that is not there")?;
        slot.1 = c.lenenc().ok_or(CUT)?;
    }
    Ok(given)
}

fn column_charset(places: &[usize], value: &[u8]) -> Result<Vec<(usize, u64)>, Reason> {
    let mut c = Cursor::new(value);
    let given: Option<Vec<_>> = places.iter().map(|&at| Some((at, c.lenenc()?))).collect();
    match given {
        Some(given) if c.rest().is_empty() => Ok(given),
        _ => Err("its character sets are not one for each column of text"),
    }
}

fn names(count: usize, value: &[u8]) -> Result<Vec<Box<str>>, Reason> {
    let mut c = Cursor::new(value);
    let mut names = Vec::new();
    for _ in 0..count {
        let name = c.lenenc_bytes().ok_or("its column names are cut")?;
        let name = std::str::from_utf8(name).map_err(|_| "a column name is not UTF-8")?;
        names.push(name.into());
    }
    Ok(names)
}

fn primary_key(value: &[u8], count: usize, prefixes: bool) -> Result<Vec<usize>, Reason> {
    const BAD: Reason = "its primary key does not decode";
    let mut c = Cursor::new(value);
    let mut key = Vec::new();
    while !c.rest().is_empty() {
        let at = c.lenenc().and_then(|at| usize::try_from(at).ok());
        key.push(at.filter(|&at| at < count).ok_or(BAD)?);
        if prefixes {
            c.lenenc().ok_or(BAD)?;
        }
    }
    Ok(key)
}
