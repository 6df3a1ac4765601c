//! Snapshots in words: what several commands show alike.

use std::io::IsTerminal;
use std::time::Duration;

use comfy_table::Table;
use model::checkpoint::TablePhase;
use model::{Cell, Checkpoint, Date, DateTime, GtidSet, Gtids, MariaGtids, Position};

/// Of a GTID set, a table shows so many sources (domains), and of each so many intervals.
const SOURCES_SHOWN: usize = 2;
const INTERVALS_SHOWN: usize = 3;
/// A column of text is not made narrower than this: the table becomes a list instead.
const WIDTH_MIN: usize = 40;

/// Milliseconds since the epoch as RFC 3339, UTC; 0, for none, as `-`.
pub(crate) fn time_text(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).filter(|_| ms != 0);
    time.map_or_else(|| "-".to_owned(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// How long ago that was, in its two largest units.
pub(super) fn age(ms: i64, now_ms: i64) -> String {
    let seconds = u64::try_from(now_ms.saturating_sub(ms) / 1000).unwrap_or(0);
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Digits in threes.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 table`, `2 tables`.
pub(super) fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", grouped(n)) }
}

/// A position as short as it stays telling.
pub(crate) fn position(position: &Position) -> String {
    let mut text = position.binlog.to_string();
    if position.gtids != Gtids::None {
        text.push(' ');
        text.push_str(&gtids(&position.gtids));
    }
    if let Some(inside) = &position.in_transaction {
        text.push_str(&format!(" +{} events", inside.rows_events));
    }
    text
}

fn gtids(gtids: &Gtids) -> String {
    match gtids {
        Gtids::None => String::new(),
        Gtids::Mysql(set) => of_sources(set),
        Gtids::Mariadb(last) => of_domains(last),
    }
}

/// The beginning of each UUID, and of many intervals the first and the last.
fn of_sources(set: &GtidSet) -> String {
    let mut shown = Vec::new();
    for (source, intervals) in set.iter().take(SOURCES_SHOWN) {
        let uuid = source.uuid.to_string();
        let mut text = format!("{}…", uuid.get(..8).unwrap_or(&uuid));
        if !source.tag.is_empty() {
            text.push_str(&format!(":{}", source.tag));
        }
        let one = |(a, b): &(u64, u64)| if a == b { a.to_string() } else { format!("{a}-{b}") };
        let texts: Vec<String> = match intervals {
            [first, .., last] if intervals.len() > INTERVALS_SHOWN => {
                vec![one(first), format!("({} more)", intervals.len() - 2), one(last)]
            }
            few => few.iter().map(one).collect(),
        };
        shown.push(format!("{text}:{}", texts.join(":")));
    }
    and_more(shown, set.iter().count(), "source")
}

fn of_domains(last: &MariaGtids) -> String {
    let shown = last.iter().take(SOURCES_SHOWN).map(ToString::to_string).collect();
    and_more(shown, last.iter().count(), "domain")
}

fn and_more(mut shown: Vec<String>, all: usize, one: &str) -> String {
    let more = all - shown.len();
    if more > 0 {
        shown.push(format!("+{}", count(more as u64, one)));
    }
    shown.join(",")
}

/// How far the tables of a snapshot are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    pub(crate) live: usize,
    /// Read in part.
    pub(super) in_progress: usize,
    /// Nothing of them is read.
    pub(super) waiting: usize,
    pub(crate) apart: usize,
}

impl Progress {
    pub(crate) fn of(checkpoint: &Checkpoint) -> Self {
        let source = &checkpoint.source;
        let mut all = Self { apart: source.quarantine.tables.len(), ..Self::default() };
        for table in &source.tables {
            match &table.phase {
                TablePhase::Live => all.live += 1,
                TablePhase::Snapshot { done, .. } if done.ranges().is_empty() => all.waiting += 1,
                TablePhase::Snapshot { .. } => all.in_progress += 1,
            }
        }
        all
    }

    pub(crate) fn tables(self) -> usize {
        self.live + self.in_progress + self.waiting + self.apart
    }

    pub(super) fn text(self) -> String {
        let mut text = format!("{}/{} done", self.live, self.tables());
        for (n, what) in [
            (self.in_progress, "in progress"),
            (self.waiting, "waiting"),
            (self.apart, "in quarantine"),
        ] {
            if n > 0 {
                text.push_str(&format!(", {n} {what}"));
            }
        }
        text
    }
}

/// Columns of the terminal; `None` where there is none, and so no limit.
pub(super) fn terminal_width() -> Option<usize> {
    if let Ok(columns) = std::env::var("COLUMNS") {
        return columns.parse().ok().filter(|columns| *columns > 0);
    }
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(terminal_size::terminal_size).flatten();
    size.map(|(terminal_size::Width(columns), _)| usize::from(columns))
}

/// True where every line of the table stays whole.
pub(super) fn fits(table: &Table, width: Option<usize>) -> bool {
    let padding = 2;
    let wide: usize =
        table.column_max_content_widths().iter().map(|w| usize::from(*w) + padding).sum();
    width.is_none_or(|width| wide <= width.max(WIDTH_MIN))
}

/// A value of a key, for people.
pub(super) fn cell(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Int(v) => v.to_string(),
        Cell::UInt(v) | Cell::Bit(v) => v.to_string(),
        Cell::Float(v) => v.to_string(),
        Cell::Double(v) => v.to_string(),
        Cell::Decimal(v) => {
            let mut text = Vec::new();
            v.write_to(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        }
        Cell::Year(v) => v.to_string(),
        Cell::Date(v) => date(*v),
        Cell::Time(v) => {
            let sign = if v.negative { "-" } else { "" };
            format!("{sign}{:02}:{:02}:{:02}{}", v.hours, v.minutes, v.seconds, micros(v.micros))
        }
        Cell::DateTime(v) | Cell::Timestamp(v) => date_time(v),
        Cell::Text(v) | Cell::Json(v) => format!("{v:?}"),
        Cell::Bytes(v) => hex(v),
        Cell::Geometry(v) => hex(v),
    }
}

fn date(v: Date) -> String {
    format!("{:04}-{:02}-{:02}", v.year, v.month, v.day)
}

fn date_time(v: &DateTime) -> String {
    let time = format!("{:02}:{:02}:{:02}{}", v.hour, v.minute, v.second, micros(v.micros));
    format!("{} {time}", date(v.date))
}

fn micros(micros: u32) -> String {
    if micros == 0 { String::new() } else { format!(".{micros:06}") }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_gtid_set_is_shown_by_its_ends() {
        let check = |set: &str, expect: &str| {
            assert_eq!(gtids(&Gtids::Mysql(set.parse().unwrap())), expect, "{set}");
        };
        let a = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let b = "4e11fa47-71ca-11e1-9e33-c80aa9429562";
        let c = "5e11fa47-71ca-11e1-9e33-c80aa9429562";
        check("", "");
        check(&format!("{a}:1-57"), "3e11fa47…:1-57");
        check(&format!("{a}:tag:1-57:59"), "3e11fa47…:tag:1-57:59");
        check(&format!("{a}:1:3:5:7-9"), "3e11fa47…:1:(2 more):7-9");
        check(&format!("{a}:1,{b}:1-2,{c}:1-3"), "3e11fa47…:1,4e11fa47…:1-2,+1 source");
        let maria = Gtids::Mariadb("0-1-5,1-1-7,2-3-9,4-1-1".parse().unwrap());
        assert_eq!(gtids(&maria), "0-1-5,1-1-7,+2 domains");
    }

    #[test]
    fn numbers_and_ages_are_for_people() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(999), "999");
        assert_eq!((count(1, "row"), count(2000, "row")), ("1 row".into(), "2,000 rows".into()));
        assert_eq!(age(0, 90_061_000), "1day 1h");
        assert_eq!(age(5_000, 4_000), "0s", "a clock that was set back");
        assert_eq!((time_text(0), time_text(1_000)), ("-".into(), "1970-01-01T00:00:01Z".into()));
    }

    #[test]
    fn a_table_that_does_not_fit_is_told() {
        let mut table = Table::new();
        table.set_header(["a", "b"]).add_row(["x".repeat(40), "y".repeat(40)]);
        assert!(fits(&table, None) && fits(&table, Some(84)));
        assert!(!fits(&table, Some(83)));
    }
}
