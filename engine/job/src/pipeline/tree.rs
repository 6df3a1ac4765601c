//! A YAML text as a tree in which every part knows its bytes.

use std::ops::Range;

use crate::diagnostics::At;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

/// Maps within lists within maps, at most: a job needs four.
const DEPTH_MAX: usize = 16;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) what: What,
    /// Of a scalar, what is between its quotes; where the text is not written out there, only the
    /// first character.
    pub(super) at: Range<usize>,
    /// All of it.
    pub(super) whole: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Nothing,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Pair>),
}

#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) key_at: Range<usize>,
    pub(super) value: Node,
}

/// Why a text is no tree, and where.
#[derive(Debug)]
pub(super) struct NoTree {
    pub(super) message: String,
    pub(super) at: Range<usize>,
}

impl Node {
    /// Where one part of a text stands.
    pub(super) fn part_at(&self, start: usize, len: usize) -> At {
        let at = self.at.start + start..self.at.start + start + len;
        At::Script(if at.end <= self.at.end { at } else { self.at.clone() })
    }

    /// What to call it in an error.
    pub(super) fn kind(&self) -> &'static str {
        match self.what {
            What::Nothing => "nothing",
            What::Text(_) => "a text",
            What::List(_) => "a list",
            What::Map(_) => "a mapping",
        }
    }
}

/// A part that is not closed yet, and the key that waits for its value.
struct Open {
    start: usize,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    Map(Vec<Pair>, Option<(String, Range<usize>)>),
}

/// Reads the one document of a text.
pub(super) fn read(source: &str) -> Result<Node, NoTree> {
    let places = Places::new(source);
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|error| places.no_tree(&error))?;
        let whole = places.span(span);
        let refuse = |message: &str| Err(NoTree { message: message.to_owned(), at: whole.clone() });
        let node = match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
            Event::DocumentStart(_) if root.is_some() => {
                return refuse("a second document begins here; one file, one job");
            }
            Event::DocumentStart(_) => continue,
            Event::Alias(_) => return refuse("aliases are not understood here; write it out"),
            Event::Scalar(text, style, ..) => scalar(source, text.into_owned(), style, whole),
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() == DEPTH_MAX => {
                return refuse("this is nested too deep for a job");
            }
            Event::SequenceStart(..) => {
                open.push(Open { start: whole.start, parts: Parts::List(Vec::new()) });
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open { start: whole.start, parts: Parts::Map(Vec::new(), None) });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { start, parts }) = open.pop() else { continue };
                let what = match parts {
                    Parts::List(nodes) => What::List(nodes),
                    Parts::Map(pairs, _) => What::Map(pairs),
                };
                let at = start..whole.end.max(start);
                Node { what, at: at.clone(), whole: at }
            }
        };
        match open.last_mut() {
            Some(parent) => parent.take(node)?,
            None => root = Some(node),
        }
    }
    root.ok_or_else(|| NoTree { message: "the file holds nothing".to_owned(), at: 0..0 })
}

impl Open {
    fn take(&mut self, node: Node) -> Result<(), NoTree> {
        match &mut self.parts {
            Parts::List(nodes) => nodes.push(node),
            Parts::Map(pairs, waiting) => match (waiting.take(), node.what) {
                (Some((key, key_at)), what) => {
                    pairs.push(Pair { key, key_at, value: Node { what, ..node } });
                }
                (None, What::Text(key)) => *waiting = Some((key, node.at)),
                (None, _) => {
                    let message = "a key is a text".to_owned();
                    return Err(NoTree { message, at: node.whole });
                }
            },
        }
        Ok(())
    }
}

fn scalar(source: &str, text: String, style: ScalarStyle, whole: Range<usize>) -> Node {
    let inner = match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            whole.start + 1..whole.end.saturating_sub(1).max(whole.start + 1)
        }
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => whole.clone(),
    };
    let nothing = style == ScalarStyle::Plain && matches!(text.as_str(), "" | "~" | "null");
    let at = if source.get(inner.clone()) == Some(text.as_str()) {
        inner
    } else {
        let first = source.get(whole.clone()).and_then(|text| text.chars().next());
        whole.start..whole.start + first.map_or(0, char::len_utf8)
    };
    Node { what: if nothing { What::Nothing } else { What::Text(text) }, at, whole }
}

/// The parser counts characters.
struct Places {
    /// Byte at which each character begins, and the end.
    bytes: Vec<usize>,
}

impl Places {
    fn new(source: &str) -> Self {
        let starts = source.char_indices().map(|(at, _)| at);
        Self { bytes: starts.chain([source.len()]).collect() }
    }

    fn byte(&self, index: usize) -> usize {
        self.bytes.get(index).or(self.bytes.last()).copied().unwrap_or(0)
    }

    fn span(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }

    fn no_tree(&self, error: &ScanError) -> NoTree {
        let index = error.marker().index();
        let at = self.byte(index)..self.byte(index + 1);
        NoTree { message: format!("this is no YAML: {}", error.info()), at }
    }
}
