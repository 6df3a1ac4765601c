//! The newest lines that the `print` sinks of a job wrote, for those who look.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sinks::Screen;

use crate::api::{Line, Output};

const LINE_BYTES_MAX: usize = 4 << 10;
const BYTES_MAX: usize = 512 << 10;

/// Lines of a job, bounded in number and in bytes; the oldest go.
#[derive(Debug)]
pub(super) struct Tail {
    kept: Mutex<Kept>,
    lines_max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Number of the newest line.
    newest: u64,
}

impl Tail {
    pub(super) fn new(lines_max: usize) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), lines_max })
    }

    pub(super) fn screen(self: &Arc<Self>) -> Screen {
        let tail = Arc::clone(self);
        Arc::new(move || Box::new(Pen { tail: Arc::clone(&tail), line: Vec::new(), cut: false }))
    }

    /// Up to `limit` lines after the one of that number; of more, the newest.
    pub(super) fn after(&self, after: u64, limit: usize) -> Output {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = kept.lines.front().map_or(kept.newest + 1, |line| line.number);
        let news = kept.newest.saturating_sub(after.max(oldest - 1));
        let skipped = kept.lines.len() - usize::try_from(news).unwrap_or(usize::MAX).min(limit);
        let lines = kept.lines.iter().skip(skipped).cloned().collect();
        Output { lines, next: kept.newest, dropped: oldest - 1 }
    }

    fn push(&self, text: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.newest += 1;
        kept.bytes += text.len();
        let number = kept.newest;
        kept.lines.push_back(Line { number, text });
        while kept.lines.len() > self.lines_max || kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.text.len();
        }
    }
}

/// What one sink writes with. Bytes of a line come in pieces.
struct Pen {
    tail: Arc<Tail>,
    line: Vec<u8>,
    /// The line is longer than it is shown.
    cut: bool,
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        self.take(pieces.next().unwrap_or_default());
        for piece in pieces {
            let mut text = String::from_utf8_lossy(&self.line).into_owned();
            if std::mem::take(&mut self.cut) {
                text.push('…');
            }
            self.tail.push(text);
            self.line.clear();
            self.take(piece);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pen {
    fn take(&mut self, piece: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.cut |= piece.len() > room;
        self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(output: &Output) -> Vec<&str> {
        output.lines.iter().map(|line| &*line.text).collect()
    }

    #[test]
    fn lines_are_told_once_they_are_whole_and_the_newest_are_kept() {
        let tail = Tail::new(3);
        let mut pen = (tail.screen())();
        pen.write_all(b"one\ntw").unwrap();
        assert_eq!(texts(&tail.after(0, 9)), ["one"]);
        pen.write_all(b"o\nthree\nfour\n").unwrap();
        let output = tail.after(0, 9);
        assert_eq!(
            (texts(&output), output.next, output.dropped),
            (vec!["two", "three", "four"], 4, 1)
        );
        assert_eq!(texts(&tail.after(3, 9)), ["four"]);
        assert_eq!(texts(&tail.after(0, 2)), ["three", "four"]);
        assert_eq!(texts(&tail.after(4, 9)), [""; 0]);
        assert_eq!(texts(&tail.after(u64::MAX, 9)), [""; 0]);
    }

    #[test]
    fn a_line_of_any_length_takes_little_room() {
        let tail = Tail::new(1000);
        let mut pen = (tail.screen())();
        for _ in 0..1000 {
            pen.write_all(&[b'x'; 3000]).unwrap();
            pen.write_all(&[b'y'; 3000]).unwrap();
            pen.write_all(b"\n").unwrap();
        }
        let output = tail.after(0, 1000);
        assert!(output.lines.len() * LINE_BYTES_MAX <= BYTES_MAX, "{}", output.lines.len());
        assert!(output.lines.iter().all(|line| line.text.ends_with("y…")));
    }
}
