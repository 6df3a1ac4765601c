//! How much of each thing is taken. The same limits stand in the description, at the types.

use crate::api::{
    Begin, NAME_CHARS_MAX, NOTE_CHARS_MAX, PauseWish, RestoreWish, SCRIPT_BYTES_MAX, SavepointWish,
    StartWish, StopWish, SubmitWish, TableWish, UpdateWish, ValidateWish,
};

/// A body. JSON may write a character of a script in as many as six bytes.
pub(super) const BODY_BYTES_MAX: usize = 6 * SCRIPT_BYTES_MAX + (64 << 10);
/// Tables that one request may name.
pub(super) const TABLES_MAX: usize = 1000;

/// Why a wish is not taken, with the field that it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// It cannot be, whatever its size.
    Bad(String),
    TooLarge(String),
}

/// What is asked for keeps to the limits.
pub(super) trait Within: Sized {
    fn within(&self) -> Result<(), Beyond>;

    /// What a request without a body asks for, where that is anything.
    fn absent() -> Option<Self> {
        None
    }
}

impl Within for SubmitWish {
    fn within(&self) -> Result<(), Beyond> {
        script(&self.script)?;
        file(self.file.as_deref())?;
        self.name.as_deref().map_or(Ok(()), |name| job("name", name))?;
        note(&self.note)
    }
}

impl Within for ValidateWish {
    fn within(&self) -> Result<(), Beyond> {
        script(&self.script)?;
        file(self.file.as_deref())?;
        self.job.as_deref().map_or(Ok(()), |name| job("job", name))
    }
}

impl Within for UpdateWish {
    fn within(&self) -> Result<(), Beyond> {
        self.script.as_deref().map_or(Ok(()), script)?;
        note(&self.note)
    }
}

impl Within for StartWish {
    fn within(&self) -> Result<(), Beyond> {
        if let Some(Begin::Custom(snapshot)) = &self.from {
            text("from.custom", snapshot)?;
        }
        tables("resnapshot", &self.resnapshot)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

impl Within for StopWish {
    fn within(&self) -> Result<(), Beyond> {
        note(&self.note)
    }
}

impl Within for PauseWish {
    fn within(&self) -> Result<(), Beyond> {
        note(&self.note)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

impl Within for SavepointWish {
    fn within(&self) -> Result<(), Beyond> {
        note(&self.note)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

impl Within for RestoreWish {
    fn within(&self) -> Result<(), Beyond> {
        text("snapshot", &self.snapshot)
    }
}

impl Within for TableWish {
    fn within(&self) -> Result<(), Beyond> {
        if self.tables.is_empty() {
            return Err(Beyond::Bad("`tables` is empty: name at least one, `db.table`".to_owned()));
        }
        tables("tables", &self.tables)
    }
}

/// Part of a name: may be empty, may begin or end anywhere.
pub(super) fn part(field: &str, part: &str) -> Result<(), Beyond> {
    if part.contains('\0') {
        return Err(Beyond::Bad(format!("`{field}` has a NUL in it")));
    }
    at_most(field, part, NAME_CHARS_MAX)
}

/// How many are asked for.
pub(super) fn count(field: &str, count: u64, count_max: u64) -> Result<usize, Beyond> {
    if !(1..=count_max).contains(&count) {
        return Err(Beyond::Bad(format!("`{field}` = {count}: give 1 to {count_max}")));
    }
    usize::try_from(count).map_err(|_| Beyond::Bad(format!("`{field}` = {count} is too much")))
}

/// A job's path: `folder/folder/name`.
pub(super) fn job(field: &str, name: &str) -> Result<(), Beyond> {
    text(field, name)?;
    match name.split('/').find(|part| part.is_empty() || *part == "." || *part == "..") {
        None => Ok(()),
        Some("") => Err(Beyond::Bad(format!("`{field}` has an empty part between its `/`"))),
        Some(part) => Err(Beyond::Bad(format!("`{field}` has a part `{part}`, which is no name"))),
    }
}

fn script(script: &str) -> Result<(), Beyond> {
    if script.len() <= SCRIPT_BYTES_MAX {
        return Ok(());
    }
    let bytes = script.len();
    Err(Beyond::TooLarge(format!("`script` has {bytes} bytes; {SCRIPT_BYTES_MAX} are taken")))
}

fn file(file: Option<&str>) -> Result<(), Beyond> {
    file.map_or(Ok(()), |file| text("file", file))
}

fn note(note: &str) -> Result<(), Beyond> {
    at_most("note", note, NOTE_CHARS_MAX)
}

fn tables(field: &str, tables: &[String]) -> Result<(), Beyond> {
    if tables.len() > TABLES_MAX {
        let count = tables.len();
        return Err(Beyond::Bad(format!("`{field}` names {count} tables; {TABLES_MAX} are taken")));
    }
    let named = |(at, table): (usize, &String)| text(&format!("{field}[{at}]"), table);
    tables.iter().enumerate().try_for_each(named)
}

/// A name of something: neither empty nor long, and nothing that a file's name could not bear.
fn text(field: &str, text: &str) -> Result<(), Beyond> {
    if text.is_empty() {
        return Err(Beyond::Bad(format!("`{field}` is empty")));
    }
    if let Some(at) = text.chars().position(char::is_control) {
        return Err(Beyond::Bad(format!("`{field}` has a control character at {}", at + 1)));
    }
    at_most(field, text, NAME_CHARS_MAX)
}

fn at_most(field: &str, text: &str, chars_max: usize) -> Result<(), Beyond> {
    let chars = text.chars().count();
    if chars <= chars_max {
        return Ok(());
    }
    Err(Beyond::Bad(format!("`{field}` has {chars} characters; {chars_max} are taken")))
}
