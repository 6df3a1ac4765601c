//! Which changes of the source's tables reach the target's: `schema.change.behavior` and the two
//! filters, with the names and the meaning that Flink CDC gives them.

use crate::config::ConfigError;

pub(crate) const BEHAVIOR: &str = "schema.change.behavior";
pub(crate) const INCLUDE: &str = "include.schema.changes";
pub(crate) const EXCLUDE: &str = "exclude.schema.changes";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Behavior {
    /// Every change is made, or the job fails.
    Evolve,
    /// Every change is tried; the job goes on without those that fail.
    TryEvolve,
    /// Nothing is taken away: columns are only added, and may be NULL.
    #[default]
    Lenient,
    /// Only new tables are made.
    Ignore,
    /// Any change stops the job.
    Exception,
}

impl Behavior {
    const ALL: [(&'static str, Self); 5] = [
        ("evolve", Self::Evolve),
        ("try_evolve", Self::TryEvolve),
        ("lenient", Self::Lenient),
        ("ignore", Self::Ignore),
        ("exception", Self::Exception),
    ];
}

/// What can happen to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    AddColumn,
    AlterColumnType,
    CreateTable,
    DropColumn,
    DropTable,
    RenameColumn,
    TruncateTable,
}

impl ChangeKind {
    const ALL: [Self; 7] = [
        Self::AddColumn,
        Self::AlterColumnType,
        Self::CreateTable,
        Self::DropColumn,
        Self::DropTable,
        Self::RenameColumn,
        Self::TruncateTable,
    ];

    /// As the filters spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AddColumn => "add.column",
            Self::AlterColumnType => "alter.column.type",
            Self::CreateTable => "create.table",
            Self::DropColumn => "drop.column",
            Self::DropTable => "drop.table",
            Self::RenameColumn => "rename.column",
            Self::TruncateTable => "truncate.table",
        }
    }

    /// True for its name and for whole words from its beginning: `drop`, `drop.column`.
    fn is_named(self, filter: &str) -> bool {
        self.name()
            .strip_prefix(filter)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// What is to become of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Apply,
    /// As far as nothing is taken away.
    Soften,
    Leave,
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Policy {
    pub behavior: Behavior,
    /// Empty: all.
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Policy {
    /// From the values of the three options, where they are given; filters are comma lists.
    ///
    /// # Errors
    /// A value that is none of those allowed, with all of these.
    pub(crate) fn parse(
        sink: &str,
        behavior: Option<&str>,
        include: Option<&str>,
        exclude: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let behavior = match behavior {
            None => Behavior::default(),
            Some(value) => {
                let found = Behavior::ALL
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(value.trim()))
                    .map(|(_, behavior)| *behavior);
                let names = || Behavior::ALL.map(|(name, _)| name).join(", ");
                found.ok_or_else(|| bad(sink, BEHAVIOR, value, format!("one of: {}", names())))?
            }
        };
        Ok(Self {
            behavior,
            include: filters(sink, INCLUDE, include)?,
            exclude: filters(sink, EXCLUDE, exclude)?,
        })
    }

    pub(crate) fn verdict(&self, kind: ChangeKind) -> Verdict {
        let named = |filters: &[String]| filters.iter().any(|filter| kind.is_named(filter));
        let takes_all_rows = matches!(kind, ChangeKind::DropTable | ChangeKind::TruncateTable);
        let by_default = !(takes_all_rows && self.behavior == Behavior::Lenient);
        let included = if self.include.is_empty() { by_default } else { named(&self.include) };
        if !included || named(&self.exclude) {
            return Verdict::Leave;
        }
        match self.behavior {
            Behavior::Evolve | Behavior::TryEvolve => Verdict::Apply,
            Behavior::Lenient if takes_all_rows => Verdict::Apply,
            Behavior::Lenient => Verdict::Soften,
            Behavior::Ignore if kind == ChangeKind::CreateTable => Verdict::Apply,
            Behavior::Ignore => Verdict::Leave,
            Behavior::Exception => Verdict::Stop,
        }
    }
}

fn bad(sink: &str, option: &str, value: &str, expected: String) -> ConfigError {
    let (sink, option, value) = (sink.to_owned(), option.to_owned(), value.to_owned());
    ConfigError::BadValue { sink, option, value, expected }
}

fn filters(sink: &str, option: &str, value: Option<&str>) -> Result<Vec<String>, ConfigError> {
    let words = value.unwrap_or_default().split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(|word| {
            let word = word.to_ascii_lowercase();
            if ChangeKind::ALL.iter().any(|kind| kind.is_named(&word)) {
                return Ok(word);
            }
            let names = ChangeKind::ALL.map(ChangeKind::name).join(", ");
            let expected = format!("a comma list of: {names}; or of how these begin, as in `drop`");
            Err(bad(sink, option, &word, expected))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(behavior: &str, include: &str, exclude: &str) -> Policy {
        Policy::parse("sink[0]", Some(behavior), Some(include), Some(exclude)).expect("a policy")
    }

    fn verdicts(policy: &Policy) -> [Verdict; 7] {
        ChangeKind::ALL.map(|kind| policy.verdict(kind))
    }

    #[test]
    fn without_a_word_nothing_is_taken_away() {
        use Verdict::{Leave, Soften};
        let policy = Policy::parse("sink[0]", None, None, None).expect("a policy");
        assert_eq!(verdicts(&policy), [Soften, Soften, Soften, Soften, Leave, Soften, Leave]);
    }

    #[test]
    fn each_behavior_has_its_verdicts() {
        use Verdict::{Apply, Leave, Stop};
        assert_eq!(verdicts(&policy("evolve", "", "")), [Apply; 7]);
        assert_eq!(verdicts(&policy("TRY_EVOLVE", "", "")), [Apply; 7]);
        assert_eq!(verdicts(&policy("exception", "", "")), [Stop; 7]);
        let mut only_creates = [Leave; 7];
        only_creates[2] = Apply;
        assert_eq!(verdicts(&policy("ignore", "", "")), only_creates);
    }

    #[test]
    fn filters_name_changes_or_how_they_begin() {
        let of = |include, exclude, kind| policy("evolve", include, exclude).verdict(kind);
        assert_eq!(of("add, drop", "", ChangeKind::DropTable), Verdict::Apply);
        assert_eq!(of("add, drop", "", ChangeKind::CreateTable), Verdict::Leave);
        assert_eq!(of("", "drop", ChangeKind::DropColumn), Verdict::Leave);
        assert_eq!(of("drop", "drop.table", ChangeKind::DropTable), Verdict::Leave);
        assert_eq!(of("alter.column", "", ChangeKind::AlterColumnType), Verdict::Apply);
        let lenient = policy("lenient", "truncate.table", "");
        assert_eq!(lenient.verdict(ChangeKind::TruncateTable), Verdict::Apply);
        assert_eq!(lenient.verdict(ChangeKind::DropTable), Verdict::Leave);
    }

    #[test]
    fn an_unknown_word_is_refused_with_all_that_are_known() {
        let refused = |behavior, include| {
            let policy = Policy::parse("sink[0]", Some(behavior), Some(include), None);
            policy.expect_err("a refusal").to_string()
        };
        assert_eq!(
            refused("strict", ""),
            "sink[0]: option `schema.change.behavior` is `strict`, expected one of: evolve, \
             try_evolve, lenient, ignore, exception"
        );
        for word in ["dro", "drop.columns", "table"] {
            assert_eq!(
                refused("evolve", word),
                format!(
                    "sink[0]: option `include.schema.changes` is `{word}`, expected a comma list \
                     of: add.column, alter.column.type, create.table, drop.column, drop.table, \
                     rename.column, truncate.table; or of how these begin, as in `drop`"
                )
            );
        }
    }
}
