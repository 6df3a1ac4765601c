//! Transforms on their way to a job, from either front end.

use std::ops::Range;

use regex::Regex;

use crate::diagnostics::{At, Lines};
use crate::spec::{TransformSpec, Written};

/// A transform whose places are bytes yet.
#[derive(Debug, Default)]
pub(crate) struct Drafted {
    /// `None` where the patterns are reported as wrong.
    pub(crate) tables: Option<Regex>,
    pub(crate) source_table: String,
    pub(crate) projection: Option<DraftedText>,
    pub(crate) filter: Option<DraftedText>,
    pub(crate) primary_keys: Option<DraftedText>,
    pub(crate) description: Option<String>,
}

#[derive(Debug)]
pub(crate) struct DraftedText {
    text: String,
    at: At,
    in_one_piece: bool,
}

impl DraftedText {
    /// `at`: the text itself, or its first character where it is written in another form. `None`: a text
    /// that says nothing.
    pub(crate) fn new(text: &str, at: Range<usize>) -> Option<Self> {
        let in_one_piece = at.len() == text.len() && !text.contains('\n');
        Self::at(text, At::Script(at), in_one_piece)
    }

    pub(crate) fn at(text: &str, at: At, in_one_piece: bool) -> Option<Self> {
        let says = !text.trim().is_empty();
        says.then(|| Self { text: text.to_owned(), at, in_one_piece })
    }

    fn written(self, lines: &Lines<'_>) -> Written {
        let place = lines.place(&self.at);
        Written { text: self.text, place, in_one_piece: self.in_one_piece }
    }
}

impl Drafted {
    pub(crate) fn placed(self, lines: &Lines<'_>) -> Option<TransformSpec> {
        let written = |text: Option<DraftedText>| text.map(|text| text.written(lines));
        Some(TransformSpec {
            tables: self.tables?,
            source_table: self.source_table,
            projection: written(self.projection),
            filter: written(self.filter),
            primary_keys: written(self.primary_keys),
            description: self.description.filter(|text| !text.trim().is_empty()),
        })
    }
}
