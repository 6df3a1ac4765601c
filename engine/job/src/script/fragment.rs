//! A piece of a script that still knows where each of its bytes came from, also after comments
//! were blanked and variables were put in.

use std::ops::Range;

#[derive(Debug, Clone, Default)]
pub(super) struct Fragment {
    text: String,
    marks: Vec<Mark>,
}

/// From byte `at` of the text on, bytes come from the script at `origin`.
#[derive(Debug, Clone)]
struct Mark {
    at: usize,
    origin: Range<usize>,
    /// One byte for one; otherwise all of `origin`, a `${name}`, stands for all of the text.
    verbatim: bool,
}

impl Fragment {
    /// Text that stands in the script as it is, from byte `origin` on.
    pub(super) fn verbatim(text: String, origin: usize) -> Self {
        let mark = Mark { at: 0, origin: origin..origin + text.len(), verbatim: true };
        Self { text, marks: vec![mark] }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn get(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// Where a part of the text stands in the script.
    pub(super) fn span(&self, range: Range<usize>) -> Range<usize> {
        let start = self.mark(range.start).map_or(0, |mark| mark.first(range.start));
        if range.is_empty() {
            return start..start;
        }
        let end = self.mark(range.end - 1).map_or(start, |mark| mark.past(range.end));
        start..end.max(start)
    }

    fn mark(&self, at: usize) -> Option<&Mark> {
        let next = self.marks.partition_point(|mark| mark.at <= at);
        self.marks.get(next.checked_sub(1)?)
    }

    /// A part of it.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        let mut part = Self::default();
        part.push(self, range);
        part
    }

    /// Appends a part of another.
    pub(super) fn push(&mut self, other: &Self, range: Range<usize>) {
        let first = other.marks.partition_point(|mark| mark.at <= range.start).saturating_sub(1);
        for mark in other.marks.iter().skip(first).take_while(|mark| mark.at < range.end) {
            let from = mark.at.max(range.start);
            let skipped = if mark.verbatim { from - mark.at } else { 0 };
            let origin = mark.origin.start + skipped..mark.origin.end;
            let at = self.text.len() + (from - range.start);
            self.marks.push(Mark { at, origin, verbatim: mark.verbatim });
        }
        self.text.push_str(other.get(range));
    }

    /// Appends text in place of what stands at `origin` in the script.
    pub(super) fn push_instead(&mut self, text: &str, origin: Range<usize>) {
        self.marks.push(Mark { at: self.text.len(), origin, verbatim: false });
        self.text.push_str(text);
    }

    /// Where its first words stand in the script.
    pub(super) fn head(&self, words: usize) -> Range<usize> {
        let start = self.text.len() - self.text.trim_start().len();
        let mut end = start;
        for word in self.text.split_whitespace().take(words) {
            let from = self.text.get(end..).and_then(|rest| rest.find(word)).unwrap_or(0);
            end += from + word.len();
        }
        self.span(start..end)
    }
}

impl Mark {
    fn first(&self, at: usize) -> usize {
        if self.verbatim { self.origin.start + (at - self.at) } else { self.origin.start }
    }

    fn past(&self, end: usize) -> usize {
        if self.verbatim { self.origin.start + (end - self.at) } else { self.origin.end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept_through_cuts_and_variables() {
        let script = "SET a = ${b}, é;";
        let raw = Fragment::verbatim(script.to_owned(), 100);
        let mut whole = Fragment::default();
        whole.push(&raw, 0..8);
        whole.push_instead("long text", 108..112);
        whole.push(&raw, 12..17);
        assert_eq!(whole.text(), "SET a = long text, é;");
        let part = whole.slice(4..21);
        assert_eq!(part.text(), "a = long text, é");
        assert_eq!(part.span(0..1), 104..105);
        assert_eq!(part.span(6..8), 108..112);
        assert_eq!(part.span(0..part.text().len()), 104..116);
        assert_eq!(part.head(2), 104..107);
        assert_eq!(part.span(2..2), 106..106);
    }
}
