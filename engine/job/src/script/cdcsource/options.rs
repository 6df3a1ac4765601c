//! The options as they look: `'key' = 'value'`, separated by commas, a last comma allowed. Goes on
//! after a mistake where Dinky's reading meets the look again, so that all are found in one go.

use std::ops::Range;

use crate::diagnostics::Report;
use crate::script::Pair;
use crate::script::fragment::Fragment;
use crate::script::set::folded;

pub(super) struct Options<'a> {
    statement: &'a Fragment,
    report: &'a mut Report,
    at: usize,
    pairs: Vec<Pair>,
}

impl<'a> Options<'a> {
    /// Reads from byte `body` on, just behind the opening bracket.
    pub(super) fn read(statement: &'a Fragment, body: usize, report: &'a mut Report) -> Vec<Pair> {
        let mut options = Self { statement, report, at: body, pairs: Vec::new() };
        while options.next() {}
        options.pairs
    }

    /// Reads one option or one mistake; false at the end.
    fn next(&mut self) -> bool {
        self.skip_while(|c| c.is_whitespace() || c == ',');
        match self.peek() {
            None => {
                self.never_closed();
                false
            }
            Some(')') => self.bracket(),
            Some('\'') => self.option(),
            Some(_) => {
                self.stray();
                true
            }
        }
    }

    fn never_closed(&mut self) {
        let end = self.text().trim_end().len();
        let last = self.text().get(..end).and_then(|text| text.chars().next_back());
        let what = "the options are never closed by `)`";
        let last = end - last.map_or(0, char::len_utf8);
        self.dropped(last..end, what, "reads up to the last one, if there is any", "put `)`");
        self.report.cut_short();
    }

    /// A `)`: the end, unless options follow it, which Dinky still reads.
    fn bracket(&mut self) -> bool {
        let at = self.at;
        self.at += 1;
        let rest = self.rest();
        if rest.trim_matches(|c: char| c == ';' || c.is_whitespace()).is_empty() {
            return false;
        }
        let from = at + 1 + (rest.len() - rest.trim_start().len());
        let word = rest.split_whitespace().next().unwrap_or_default();
        if rest.contains(')') {
            let what = "this `)` does not end the options";
            self.dropped(at..at + 1, what, "reads on to the last one", "remove it");
            return true;
        }
        let what = "text after the options";
        self.dropped(from..from + word.len(), what, "ignores it", "remove it, or end with `;`");
        false
    }

    fn option(&mut self) -> bool {
        let Some(key_at) = self.quoted() else { return false };
        let key = self.statement.get(key_at.clone()).to_owned();
        self.skip_while(char::is_whitespace);
        if self.peek() != Some('=') {
            let what = "here `= 'value'` is expected after the key";
            self.dropped(key_at, what, "ignores it", "an option is `'key' = 'value'`");
            return true;
        }
        self.at += 1;
        self.skip_while(char::is_whitespace);
        if self.peek() != Some('\'') {
            self.unquoted_value(key, key_at);
            return true;
        }
        let open = self.at;
        let Some(value_at) = self.quoted() else { return false };
        if self.runs_over_a_line(&value_at) {
            let what = format!("the value of `{key}` is never closed by a quote");
            self.dropped(open..open + 1, what, "loses the next option", "put `'` after the value");
            self.unread(key, key_at);
            self.at = value_at.start + self.statement.get(value_at).find('\n').unwrap_or(0);
            return true;
        }
        let broken = !self.after_value(&key, &value_at);
        self.pairs.push(Pair {
            key,
            value: folded(self.statement.get(value_at.clone())),
            broken,
            key_at: self.statement.span(key_at),
            value_at: self.statement.span(value_at),
        });
        true
    }

    /// The inside of a quoted text; behind it, if it is closed.
    fn quoted(&mut self) -> Option<Range<usize>> {
        let open = self.at;
        let start = open + 1;
        let Some(len) = self.text().get(start..).and_then(|rest| rest.find('\'')) else {
            let what = "this quote is never closed in its statement; a `;` at the end of a line \
                        ends the statement, also within quotes";
            self.dropped(open..start, what, "loses what follows", "close it");
            self.report.cut_short();
            return None;
        };
        self.at = start + len + 1;
        Some(start..start + len)
    }

    /// The quote that closes the value is the one that opens the next key.
    fn runs_over_a_line(&self, value_at: &Range<usize>) -> bool {
        let follows = self.peek().is_some_and(|c| c.is_alphanumeric());
        follows && self.statement.get(value_at.clone()).contains('\n')
    }

    /// What stands between a value and the next comma; false where the value was cut off.
    fn after_value(&mut self, key: &str, value_at: &Range<usize>) -> bool {
        let close = value_at.end;
        let blanks = self.skip_while(char::is_whitespace);
        match self.peek() {
            Some(',') if blanks > 0 => {
                let what = format!("blank between the value of `{key}` and its comma");
                let fix = "write the comma right after the quote";
                self.dropped(close + 1..self.at, what, "loses the next option", fix);
            }
            None | Some(',' | ')') => {}
            Some('\'') if blanks > 0 => {
                let what = format!("the comma after the value of `{key}` is missing");
                self.dropped(close..close + 1, what, "loses the next option", "write `',`");
            }
            Some(_) => {
                let what = format!("a `'` within the value of `{key}`");
                let fix = "there is no way to write one; take the value from `${env:NAME}`";
                self.dropped(close..close + 1, what, "cuts the value off there", fix);
                self.skip_to_boundary();
                return false;
            }
        }
        true
    }

    /// A key that is quoted with a value that is not.
    fn unquoted_value(&mut self, key: String, key_at: Range<usize>) {
        let at = self.at;
        let double = self.peek() == Some('"');
        let what = format!("the value of `{key}` is not in single quotes");
        let fix = if double { "write `'` for `\"`" } else { "put it in single quotes" };
        self.skip_value();
        let value_at = at..self.at.max(at);
        self.dropped(value_at.clone(), what, "loses this option and may lose the next", fix);
        self.unread(key, key_at);
    }

    /// Remembers that an option was given, though not its value.
    fn unread(&mut self, key: String, key_at: Range<usize>) {
        let at = self.statement.span(key_at);
        let value = String::new();
        self.pairs.push(Pair { key, value, key_at: at.clone(), value_at: at, broken: true });
    }

    /// Text that begins with neither quote nor comma: a key without quotes, or nothing at all.
    fn stray(&mut self) {
        let start = self.at;
        let double = self.peek() == Some('"');
        self.skip_while(|c| !matches!(c, '=' | ',' | '\n' | '\'' | ')'));
        let end = start + self.text().get(start..self.at).unwrap_or_default().trim_end().len();
        if self.peek() != Some('=') {
            let what = "stray text between the options";
            self.at = self.at.max(start + self.peek_at(start).map_or(1, char::len_utf8));
            self.dropped(start..end.max(start + 1), what, "ignores it", "remove it");
            return;
        }
        self.at += 1;
        self.skip_while(char::is_whitespace);
        self.skip_value();
        let key = self.statement.get(start..end).trim_matches('"').to_owned();
        let what = if double {
            format!("`{key}` is in double quotes")
        } else {
            format!("`{key}` is not in single quotes")
        };
        let fix = format!("write `'{key}'`, and the value in single quotes, too");
        self.dropped(start..end, what, "ignores the option", fix);
        self.unread(key, start..end);
    }

    /// Goes over a value of whatever form, up to its comma, its line's end or the bracket.
    fn skip_value(&mut self) {
        match self.peek() {
            Some(quote @ ('\'' | '"')) => {
                self.at += 1;
                self.skip_while(|c| c != quote && c != '\n');
                if self.peek() == Some(quote) {
                    self.at += 1;
                }
            }
            _ => {
                self.skip_while(|c| !matches!(c, ',' | '\n' | ')' | '\''));
                // A closing quote alone belongs to the value; an opening one begins a key.
                if self.rest().starts_with("',") {
                    self.at += 1;
                }
            }
        }
    }

    /// Goes to where the next option begins for Dinky: behind a quote with a comma, or at the end.
    fn skip_to_boundary(&mut self) {
        let rest = self.rest();
        let comma = rest.find("',").map(|at| at + 1);
        let line = rest.get(..comma.unwrap_or(rest.len())).and_then(|rest| rest.find('\n'));
        let skipped = line.or(comma);
        self.at += skipped.unwrap_or_else(|| rest.rfind(')').unwrap_or(rest.len()));
    }

    fn dropped(
        &mut self,
        at: Range<usize>,
        what: impl std::fmt::Display,
        dinky: &str,
        fix: impl std::fmt::Display,
    ) {
        self.report.dropped(self.statement.span(at), what, dinky, fix);
    }

    fn text(&self) -> &'a str {
        self.statement.text()
    }

    fn rest(&self) -> &'a str {
        self.text().get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.peek_at(self.at)
    }

    fn peek_at(&self, at: usize) -> Option<char> {
        self.text().get(at..)?.chars().next()
    }

    /// Goes on while `skip` holds and returns over how many bytes.
    fn skip_while(&mut self, skip: impl Fn(char) -> bool) -> usize {
        let rest = self.rest();
        let len = rest.find(|c| !skip(c)).unwrap_or(rest.len());
        self.at += len;
        len
    }
}
