//! What a comparison has found, as a table and as JSON. Pure.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

/// Characters of a value that are shown.
const VALUE_CHARS_MAX: usize = 60;

/// Of one table of one sink.
#[derive(Debug, Default)]
pub struct Outcome {
    pub sink: String,
    /// `db.table` in the target.
    pub table: String,
    /// Those of the source that go there.
    pub sources: Vec<String>,
    pub rows_source: u64,
    pub rows_target: u64,
    pub verdict: Verdict,
    /// Columns of the source that the target lacks.
    pub lacks: Vec<String>,
    /// Rows that the source has deleted, and the job keeps because it is told to.
    pub kept: u64,
    pub keys: Vec<Finding>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands between the two but what is counted here.
    #[default]
    Equal,
    Differs(Differs),
    Missing,
    NotCompared(String),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Differs {
    pub keys: u64,
    /// There may be more: the table was left at so many.
    pub at_least: bool,
    /// The job has not caught up with the source: they may be on their way.
    pub unsettled: bool,
    /// Keys that never stood still.
    pub changing: u64,
    /// A table whose rows cannot be named differs as a whole.
    pub as_a_whole: bool,
}

/// One key at which both sides differ, or that never stood still.
#[derive(Debug)]
pub struct Finding {
    /// Names and values.
    pub key: Vec<(String, Option<String>)>,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    OnlySource,
    OnlyTarget,
    Columns(Vec<ColumnDiffers>),
    Changing,
}

#[derive(Debug)]
pub struct ColumnDiffers {
    pub name: String,
    pub source: Option<String>,
    pub target: Option<String>,
}

/// A whole comparison.
#[derive(Debug, Default)]
pub struct Report {
    pub job: String,
    /// Number and position of the newest snapshot at the end.
    pub snapshot: (u64, String),
    /// No newer one came while one was waited for.
    pub stalled: bool,
    pub outcomes: Vec<Outcome>,
    /// Sinks whose tables cannot be read, and why.
    pub passed_over: Vec<(String, String)>,
}

impl Outcome {
    pub fn is_equal(&self) -> bool {
        self.verdict == Verdict::Equal && self.lacks.is_empty()
    }

    fn state(&self) -> String {
        let mut text = match &self.verdict {
            Verdict::Equal => "equal".to_owned(),
            Verdict::Missing => "missing".to_owned(),
            Verdict::NotCompared(why) => format!("not compared: {why}"),
            Verdict::Differs(differs) => differs.text(),
        };
        if !self.lacks.is_empty() {
            let _ = write!(text, "; lacks columns {}", self.lacks.join(", "));
        }
        if self.kept > 0 {
            let _ = write!(text, "; {} kept after their delete", self.kept);
        }
        text
    }

    fn word(&self) -> &'static str {
        match &self.verdict {
            Verdict::Equal if self.lacks.is_empty() => "equal",
            Verdict::Equal => "differs",
            Verdict::Differs(differs) if differs.is_only_changing() => "changing",
            Verdict::Differs(_) => "differs",
            Verdict::Missing => "missing",
            Verdict::NotCompared(_) => "not compared",
        }
    }
}

impl Differs {
    fn is_only_changing(self) -> bool {
        self.keys == 0 && self.changing > 0
    }

    fn text(self) -> String {
        let mut parts = Vec::new();
        if self.as_a_whole && self.keys > 0 {
            parts.push("differs".to_owned());
        } else if self.keys > 0 {
            let least = if self.at_least { "at least " } else { "" };
            parts.push(format!("differs {least}{}", self.keys));
        }
        if self.as_a_whole && self.changing > 0 {
            parts.push("changing".to_owned());
        } else if self.changing > 0 {
            parts.push(format!("changing {}", self.changing));
        }
        if self.unsettled {
            parts.push("unsettled".to_owned());
        }
        parts.join(", ")
    }
}

impl Report {
    pub fn is_equal(&self) -> bool {
        self.outcomes.iter().all(Outcome::is_equal)
    }

    pub fn text(&self, show_values: bool) -> String {
        let mut out = Table::new();
        out.load_preset(presets::NOTHING);
        let several =
            self.outcomes.iter().any(|o| self.outcomes.first().map(|f| &f.sink) != Some(&o.sink));
        let mut header = vec!["table", "rows source", "rows target", "state"];
        if several {
            header.insert(0, "sink");
        }
        out.set_header(header);
        for outcome in &self.outcomes {
            let mut row = vec![
                outcome.name(),
                outcome.rows_source.to_string(),
                outcome.rows_target.to_string(),
                outcome.state(),
            ];
            if several {
                row.insert(0, outcome.sink.clone());
            }
            out.add_row(row);
        }
        let mut text = format!("job {}\n{out}", self.job);
        for outcome in &self.outcomes {
            for finding in &outcome.keys {
                let _ = write!(text, "\n  {} {}", outcome.table, finding.text(show_values));
            }
        }
        for (sink, why) in &self.passed_over {
            let _ = write!(text, "\n{sink}: {why}");
        }
        let (id, position) = &self.snapshot;
        let is_unsettled = |o: &Outcome| matches!(&o.verdict, Verdict::Differs(d) if d.unsettled);
        if self.outcomes.iter().any(is_unsettled) {
            let _ = write!(
                text,
                "\nunsettled: no newer snapshot than {id} (at {position}) came, and the source has gone \
                 on since, so what differs may be on its way. Start the job, or wait longer (--wait)"
            );
        } else if self.stalled {
            let _ = write!(
                text,
                "\nno newer snapshot than {id} (at {position}) came: the source has not gone on since"
            );
        }
        text
    }

    pub fn json(&self, show_values: bool) -> Value {
        let (id, position) = &self.snapshot;
        json!({
            "job": self.job,
            "equal": self.is_equal(),
            "snapshot": { "id": id, "position": position, "stalled": self.stalled },
            "tables": self.outcomes.iter().map(|o| o.json(show_values)).collect::<Vec<_>>(),
            "not_verified": self.passed_over.iter()
                .map(|(sink, why)| json!({ "sink": sink, "reason": why })).collect::<Vec<_>>(),
        })
    }
}

impl Outcome {
    /// With the source's name, where that is another.
    fn name(&self) -> String {
        match self.sources.as_slice() {
            [only] if *only == self.table => self.table.clone(),
            [only] => format!("{only} → {}", self.table),
            many => format!("{} tables → {}", many.len(), self.table),
        }
    }

    fn json(&self, show_values: bool) -> Value {
        let differs = match &self.verdict {
            Verdict::Differs(differs) => *differs,
            Verdict::Equal | Verdict::Missing | Verdict::NotCompared(_) => Differs::default(),
        };
        let reason = match &self.verdict {
            Verdict::NotCompared(why) => Some(why),
            Verdict::Equal | Verdict::Missing | Verdict::Differs(_) => None,
        };
        json!({
            "sink": self.sink, "table": self.table, "sources": self.sources,
            "rows_source": self.rows_source, "rows_target": self.rows_target,
            "state": self.word(), "reason": reason,
            "differing_keys": differs.keys, "at_least": differs.at_least,
            "settled": !differs.unsettled, "changing_keys": differs.changing,
            "columns_lacking": self.lacks, "rows_kept": self.kept,
            "keys": self.keys.iter().map(|f| f.json(show_values)).collect::<Vec<_>>(),
        })
    }
}

impl Finding {
    fn text(&self, show_values: bool) -> String {
        let key: Vec<String> =
            self.key.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
        let what = match &self.what {
            What::OnlySource => "only in the source".to_owned(),
            What::OnlyTarget => "only in the target".to_owned(),
            What::Changing => "changing".to_owned(),
            What::Columns(columns) => {
                let one = |c: &ColumnDiffers| match show_values {
                    true => format!("{} ({} → {})", c.name, shown(&c.source), shown(&c.target)),
                    false => c.name.clone(),
                };
                format!("differs in {}", columns.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        };
        format!("{}: {what}", key.join(", "))
    }

    fn json(&self, show_values: bool) -> Value {
        let key: serde_json::Map<String, Value> =
            self.key.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let (what, columns) = match &self.what {
            What::OnlySource => ("only in the source", &[][..]),
            What::OnlyTarget => ("only in the target", &[][..]),
            What::Changing => ("changing", &[][..]),
            What::Columns(columns) => ("differs", columns.as_slice()),
        };
        let column = |c: &ColumnDiffers| match show_values {
            true => json!({ "name": c.name, "source": c.source, "target": c.target }),
            false => json!({ "name": c.name }),
        };
        json!({
            "key": key, "what": what,
            "columns": columns.iter().map(column).collect::<Vec<_>>(),
        })
    }
}

fn shown(value: &Option<String>) -> String {
    let Some(text) = value else { return "NULL".to_owned() };
    let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{more}", cut.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdict: Verdict) -> Report {
        let key = vec![("id".to_owned(), Some("7".to_owned()))];
        let columns = vec![ColumnDiffers {
            name: "pay".to_owned(),
            source: Some("10".to_owned()),
            target: None,
        }];
        Report {
            job: "emp".to_owned(),
            snapshot: (9, "b.000001:4".to_owned()),
            stalled: true,
            outcomes: vec![Outcome {
                sink: "sink[0]".to_owned(),
                table: "ods.emp".to_owned(),
                sources: vec!["shop.emp".to_owned()],
                rows_source: 3,
                rows_target: 2,
                verdict,
                keys: vec![Finding { key, what: What::Columns(columns) }],
                ..Outcome::default()
            }],
            passed_over: vec![("sink[1]".to_owned(), "print keeps no tables".to_owned())],
        }
    }

    #[test]
    fn values_are_shown_only_where_they_are_asked_for() {
        let report = report(Verdict::Differs(Differs { keys: 1, ..Differs::default() }));
        let text = report.text(false);
        assert!(text.contains("ods.emp id=7: differs in pay\n"), "{text}");
        assert!(report.text(true).contains("differs in pay (10 → NULL)"));
        assert!(!report.json(false).to_string().contains("\"10\""));
        assert!(report.json(true).to_string().contains("\"10\""));
    }

    #[test]
    fn what_may_be_on_its_way_is_said_to_be_unsettled() {
        let differs = Differs { keys: 4, unsettled: true, changing: 2, ..Differs::default() };
        let text = report(Verdict::Differs(differs)).text(false);
        for part in
            ["shop.emp → ods.emp", "differs 4, changing 2, unsettled", "than 9 (at b.000001:4)"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("sink[1]: print keeps no tables"), "{text}");
    }

    #[test]
    fn a_table_that_lacks_a_column_or_was_not_compared_is_not_equal() {
        let mut lacking = report(Verdict::Equal);
        assert!(lacking.is_equal());
        lacking.outcomes[0].lacks.push("note".to_owned());
        assert!(!lacking.is_equal());
        assert!(!report(Verdict::NotCompared("why".to_owned())).is_equal());
        assert!(!report(Verdict::Missing).is_equal());
    }
}
