//! Differences of a document, applied to it (MySQL source, `sql/json_diff.h`).
//!
//! Only the containers on the paths are taken apart; everything else is copied as it lies there,
//! for no value holds an offset to anything outside itself. What was taken apart is written with
//! offsets of 4 bytes, which any size fits.
//!
//! A damaged document may have one value many times. So the parts of a container that is taken
//! apart must fit into it side by side: then the new document is at most twice as long as the old
//! one and its differences, and no container lies inside itself.

use std::borrow::Cow;

use super::path::{self, Leg};
use super::{CUT, Fault, TOO_LARGE, Width, kind, open, sized};
use crate::cursor::Cursor;

const REPLACE: u8 = 0;
const INSERT: u8 = 1;
const REMOVE: u8 = 2;

const MISSING: Fault = "a path that leads to nothing";
const UNSORTED: Fault = "binary JSON whose keys are out of order";
/// Bytes of a count, a length or an offset in what we write.
const WIDE: Width = Width(4);

/// Appends what `document` becomes by `diffs`, one after the other.
///
/// # Errors
/// Says what is wrong with the document or the differences, or that they do not belong together.
/// `out` may then have a part of the document.
pub(crate) fn apply(document: &[u8], diffs: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    if diffs.is_empty() {
        out.extend_from_slice(document);
        return Ok(());
    }
    let mut root = Node::root(document)?;
    let mut c = Cursor::new(diffs);
    while !c.rest().is_empty() {
        let operation = c.u8().ok_or(CUT)?;
        let legs = path::parse(c.lenenc_bytes().ok_or(CUT)?)?;
        let mut value = || Node::root(c.lenenc_bytes().ok_or(CUT)?);
        match operation {
            REPLACE => *root.descend(&legs)? = value()?,
            INSERT => root.insert(&legs, value()?)?,
            REMOVE => root.remove(&legs)?,
            _ => return Err("a difference of an unknown kind"),
        }
    }
    out.push(root.kind());
    root.write(out)
}

enum Node<'a> {
    /// As it came: its type and its bytes.
    Whole(u8, &'a [u8]),
    Array(Vec<Self>),
    /// In the order of keys.
    Object(Vec<Member<'a>>),
}

type Member<'a> = (Cow<'a, [u8]>, Node<'a>);

impl<'a> Node<'a> {
    /// A document of its own. No bytes at all are the null literal.
    fn root(document: &'a [u8]) -> Result<Self, Fault> {
        match document.split_first() {
            None => Ok(Self::Whole(kind::LITERAL, &[0])),
            Some((&kind, value)) => Ok(Self::Whole(kind, extent(kind, value)?)),
        }
    }

    /// Takes a container apart; leaves a scalar as it is.
    fn expand(&mut self) -> Result<(), Fault> {
        if let Self::Whole(kind, bytes) = *self {
            *self = match kind {
                kind::SMALL_OBJECT => Parts::object(bytes, Width(2))?,
                kind::LARGE_OBJECT => Parts::object(bytes, WIDE)?,
                kind::SMALL_ARRAY => Parts::array(bytes, Width(2))?,
                kind::LARGE_ARRAY => Parts::array(bytes, WIDE)?,
                _ => return Ok(()),
            };
        }
        Ok(())
    }

    fn descend(&mut self, legs: &[Leg<'_>]) -> Result<&mut Self, Fault> {
        let mut node = self;
        for leg in legs {
            node.expand()?;
            let child = match (node, leg) {
                (Self::Array(items), Leg::Cell(index)) => {
                    index.element(items.len()).and_then(|at| items.get_mut(at))
                }
                (Self::Object(members), Leg::Member(name)) => {
                    let at = find(members, name).ok();
                    at.and_then(|at| members.get_mut(at)).map(|(_, value)| value)
                }
                _ => None,
            };
            node = child.ok_or(MISSING)?;
        }
        Ok(node)
    }

    fn insert(&mut self, legs: &[Leg<'_>], value: Self) -> Result<(), Fault> {
        let (last, parents) = legs.split_last().ok_or(MISSING)?;
        let parent = self.descend(parents)?;
        parent.expand()?;
        match (parent, last) {
            (Self::Array(items), Leg::Cell(index)) => {
                items.insert(index.insertion(items.len()), value);
                Ok(())
            }
            (Self::Object(members), Leg::Member(name)) => match find(members, name) {
                Ok(_) => Err("a new member that is there already"),
                Err(at) => {
                    members.insert(at, (Cow::Owned(name.as_bytes().to_vec()), value));
                    Ok(())
                }
            },
            _ => Err(MISSING),
        }
    }

    fn remove(&mut self, legs: &[Leg<'_>]) -> Result<(), Fault> {
        let (last, parents) = legs.split_last().ok_or(MISSING)?;
        let parent = self.descend(parents)?;
        parent.expand()?;
        match (parent, last) {
            (Self::Array(items), Leg::Cell(index)) => {
                items.remove(index.element(items.len()).ok_or(MISSING)?);
            }
            (Self::Object(members), Leg::Member(name)) => {
                members.remove(find(members, name).map_err(|_| MISSING)?);
            }
            _ => return Err(MISSING),
        }
        Ok(())
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Whole(kind, _) => *kind,
            Self::Array(_) => kind::LARGE_ARRAY,
            Self::Object(_) => kind::LARGE_OBJECT,
        }
    }

    /// Appends the value without its type.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::Whole(_, bytes) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Self::Array(items) => {
                let container = Container::begin(out, items.len(), 0)?;
                container.values(out, items.iter())
            }
            Self::Object(members) => {
                let mut container = Container::begin(out, members.len(), KEY_ENTRY)?;
                container.keys(out, members)?;
                container.values(out, members.iter().map(|(_, value)| value))
            }
        }
    }
}

/// The place of a key, or where it would be: shorter keys come first, and of the same length the
/// lesser bytes (MySQL source, `Json_key_comparator`).
fn find(members: &[Member<'_>], name: &str) -> Result<usize, usize> {
    members.binary_search_by(|(key, _)| order(key).cmp(&order(name.as_bytes())))
}

fn order(key: &[u8]) -> (usize, &[u8]) {
    (key.len(), key)
}

/// The bytes of the value of `kind` at the start of `bytes`.
fn extent(kind: u8, bytes: &[u8]) -> Result<&[u8], Fault> {
    let container = |width: Width| {
        let (container, _) = open(bytes, width, 0)?;
        if container.len() < 2 * width.0 { Err(CUT) } else { Ok(container) }
    };
    let mut c = Cursor::new(bytes);
    let fixed = match kind {
        kind::SMALL_OBJECT | kind::SMALL_ARRAY => return container(Width(2)),
        kind::LARGE_OBJECT | kind::LARGE_ARRAY => return container(WIDE),
        kind::LITERAL => 1,
        kind::INT16 | kind::UINT16 => 2,
        kind::INT32 | kind::UINT32 => 4,
        kind::INT64 | kind::UINT64 | kind::DOUBLE => 8,
        kind::STRING => {
            sized(&mut c)?;
            0
        }
        kind::OPAQUE => {
            c.u8().ok_or(CUT)?;
            sized(&mut c)?;
            0
        }
        _ => return Err("binary JSON with an unknown type"),
    };
    c.take(fixed).ok_or(CUT)?;
    bytes.get(..bytes.len() - c.rest().len()).ok_or(CUT)
}

/// A container being taken apart.
struct Parts<'a> {
    container: &'a [u8],
    width: Width,
    /// Bytes that no part has taken yet.
    free: usize,
}

impl<'a> Parts<'a> {
    fn array(bytes: &'a [u8], width: Width) -> Result<Node<'a>, Fault> {
        let (mut parts, mut values, count) = Self::open(bytes, width)?;
        let items: Result<_, Fault> = (0..count).map(|_| parts.value(&mut values)).collect();
        items.map(Node::Array)
    }

    fn object(bytes: &'a [u8], width: Width) -> Result<Node<'a>, Fault> {
        let (mut parts, mut keys, count) = Self::open(bytes, width)?;
        let mut values = keys;
        values.take(count.checked_mul(width.0 + 2).ok_or(CUT)?).ok_or(CUT)?;
        let members: Result<Vec<_>, Fault> = (0..count)
            .map(|_| {
                let key = parts.key(&mut keys)?;
                Ok((Cow::Borrowed(key), parts.value(&mut values)?))
            })
            .collect();
        let members = members?;
        if !members.is_sorted_by(|(a, _), (b, _)| order(a) < order(b)) {
            return Err(UNSORTED);
        }
        Ok(Node::Object(members))
    }

    /// The container, its entries, and how many values it says it has.
    fn open(bytes: &'a [u8], width: Width) -> Result<(Self, Cursor<'a>, usize), Fault> {
        let (container, count) = open(bytes, width, 0)?;
        let mut entries = Cursor::new(container);
        entries.take(2 * width.0).ok_or(CUT)?;
        let free = entries.rest().len();
        Ok((Self { container, width, free }, entries, count))
    }

    fn claim(&mut self, bytes: usize) -> Result<(), Fault> {
        self.free = self.free.checked_sub(bytes).ok_or(TOO_LARGE)?;
        Ok(())
    }

    fn key(&mut self, keys: &mut Cursor<'a>) -> Result<&'a [u8], Fault> {
        let at = self.width.read(keys)?;
        let len = usize::from(keys.u16().ok_or(CUT)?);
        self.claim(self.width.0 + 2 + len)?;
        self.container.get(at..).and_then(|rest| rest.get(..len)).ok_or(CUT)
    }

    fn value(&mut self, values: &mut Cursor<'a>) -> Result<Node<'a>, Fault> {
        let kind = values.u8().ok_or(CUT)?;
        let slot = values.take(self.width.0).ok_or(CUT)?;
        self.claim(1 + slot.len())?;
        if self.width.inlines(kind) {
            return Ok(Node::Whole(kind, extent(kind, slot)?));
        }
        let at = self.width.read(&mut Cursor::new(slot))?;
        let bytes = extent(kind, self.container.get(at..).ok_or(CUT)?)?;
        self.claim(bytes.len())?;
        Ok(Node::Whole(kind, bytes))
    }
}

/// Bytes of what points at a key: offset and length.
const KEY_ENTRY: usize = WIDE.0 + 2;
/// Bytes of what points at a value: type, and offset or the value itself.
const VALUE_ENTRY: usize = WIDE.0 + 1;

/// A container being written: count, size, entries of keys, entries of values, keys, values.
struct Container {
    start: usize,
    entries: usize,
}

impl Container {
    /// Appends all but the keys and values, with room for what is not known yet.
    fn begin(out: &mut Vec<u8>, count: usize, key_entry: usize) -> Result<Self, Fault> {
        let start = out.len();
        out.extend_from_slice(&wide(count)?);
        let entries = out.len() + WIDE.0;
        out.resize(entries + count * (key_entry + VALUE_ENTRY), 0);
        Ok(Self { start, entries })
    }

    fn keys(&mut self, out: &mut Vec<u8>, members: &[Member<'_>]) -> Result<(), Fault> {
        for (key, _) in members {
            let len = u16::try_from(key.len()).map_err(|_| "a key of more than 65535 bytes")?;
            let [a, b, c, d] = wide(out.len() - self.start)?;
            let [low, high] = len.to_le_bytes();
            self.entry(out, &[a, b, c, d, low, high])?;
            out.extend_from_slice(key);
        }
        Ok(())
    }

    /// Appends the values, and ends the container.
    fn values<'n>(
        mut self,
        out: &mut Vec<u8>,
        values: impl Iterator<Item = &'n Node<'n>>,
    ) -> Result<(), Fault> {
        for value in values {
            let kind = value.kind();
            let mut slot = wide(out.len() - self.start)?;
            match value {
                Node::Whole(_, bytes) if WIDE.inlines(kind) => {
                    slot = [0; WIDE.0];
                    slot.iter_mut().zip(*bytes).for_each(|(slot, byte)| *slot = *byte);
                }
                Node::Whole(..) | Node::Array(_) | Node::Object(_) => value.write(out)?,
            }
            let [a, b, c, d] = slot;
            self.entry(out, &[kind, a, b, c, d])?;
        }
        let size = wide(out.len() - self.start)?;
        put(out, self.start + WIDE.0, &size)
    }

    /// Fills the next entry.
    fn entry(&mut self, out: &mut [u8], entry: &[u8]) -> Result<(), Fault> {
        put(out, self.entries, entry)?;
        self.entries += entry.len();
        Ok(())
    }
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), Fault> {
    let slot = out.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())).ok_or(CUT)?;
    slot.copy_from_slice(bytes);
    Ok(())
}

fn wide(number: usize) -> Result<[u8; WIDE.0], Fault> {
    let number = u32::try_from(number).map_err(|_| "a document of more than 4 GiB")?;
    Ok(number.to_le_bytes())
}

#[cfg(test)]
mod tests;
