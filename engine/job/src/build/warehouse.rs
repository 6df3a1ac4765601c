//! Options of other engines' Doris and StarRocks sinks, put in our terms.

use std::time::Duration;

use super::sinks::Options;
use crate::diagnostics::{At, NoteKind};
use crate::draft::{Draft, Entry};
use crate::settings::warehouse::{Becomes, FORM, MEANING, Theirs};
use crate::value::{boolean, integer, one_of, parse_duration, parse_size};

/// A load of fewer rows is not worth its transaction: scripts in the field say 1.
const ROWS_MIN: u64 = 1000;

/// Renames what other engines name otherwise, and says what becomes of the rest.
pub(super) fn translate(connector: &str, options: &mut Options, draft: &mut Draft<'_>) {
    let mut ours = Options::new();
    let mut moved = Vec::new();
    for (short, (key, entry)) in std::mem::take(options) {
        if let Some(header) = short.strip_prefix("sink.properties.") {
            moved.push((format!("properties.{header}"), (key, entry)));
        } else if let Some(theirs) = Theirs::find(connector, &short) {
            let renamed = becomes(theirs.becomes, &key, entry, draft);
            moved.extend(renamed.map(|(name, entry)| (name.to_owned(), (key, entry))));
        } else {
            ours.insert(short, (key, entry));
        }
    }
    for (short, (key, entry)) in moved {
        match ours.get(&short) {
            Some((other, _)) => {
                let message = format!("`{key}` and `{other}` say the same thing: keep one of them");
                draft.report.error(entry.key_at, message);
            }
            None => {
                ours.insert(short, (key, entry));
            }
        }
    }
    ours.retain(|short, (key, entry)| header(short, key, entry, draft));
    *options = ours;
}

/// What the job says of schema changes holds for every sink that says nothing else.
pub(super) fn behaviour(options: &mut Options, draft: &Draft<'_>) {
    let key = "schema.change.behavior";
    let Some((value, at)) = draft.behaviour.clone() else { return };
    options.entry(key.to_owned()).or_insert_with(|| {
        let at = At::Script(at);
        let entry = Entry { value, key_at: at.clone(), value_at: at, secret: false, broken: false };
        (format!("pipeline.{key}"), entry)
    });
}

/// What the job says of schema changes, where no sink has tables to change.
pub(super) fn settle_behaviour(draft: &mut Draft<'_>) {
    if let Some((_, at)) = draft.behaviour.take() {
        let text = "`schema.change.behavior` does nothing here: sinks without tables show every \
                    schema change as a record";
        draft.report.note(NoteKind::NoCounterpart, at, text);
    }
}

/// Is this option to be kept? Headers of a load belong to the sink where they say how it looks.
fn header(short: &str, key: &str, entry: &Entry, draft: &mut Draft<'_>) -> bool {
    let Some(name) = short.strip_prefix("properties.").map(str::to_ascii_lowercase) else {
        return true;
    };
    if FORM.contains(&name.as_str()) {
        draft.no_counterpart(key, entry, "The sink chooses the form of its loads.");
        return false;
    }
    let off = matches!(entry.value.trim(), "false" | "off_mode");
    if MEANING.contains(&name.as_str()) {
        if !off {
            let message = format!(
                "`{key}`: this header is the sink's own, for with another one rows would arrive \
                 changed, twice or not at all; leave it out"
            );
            draft.report.error(entry.key_at.clone(), message);
        }
        return false;
    }
    true
}

/// Our option and its value, where the option is one here.
fn becomes(
    becomes: Becomes,
    key: &str,
    entry: Entry,
    draft: &mut Draft<'_>,
) -> Option<(&'static str, Entry)> {
    let same = |_| entry.value.trim().to_owned();
    let millis = |given: Duration| given.as_millis();
    let (ours, value) = match becomes {
        Becomes::Flag(ours) => (ours, draft.value(key, &entry, boolean).map(|on| on.to_string())),
        Becomes::Number(ours) => {
            (ours, draft.value(key, &entry, integer::<u64>).map(|n| n.to_string()))
        }
        Becomes::Size(ours) => (ours, draft.value(key, &entry, parse_size).map(same)),
        Becomes::Millis(ours) => {
            let given = draft.value(key, &entry, |text| match text.trim() {
                "-1" => Ok(None),
                text => parse_duration(text).map(Some),
            });
            (ours, given?.map(|given| millis(given).to_string()))
        }
        Becomes::Interval(ours) => {
            let given = draft.value(key, &entry, parse_duration)?;
            if given.is_zero() {
                draft.no_counterpart(key, &entry, "Loads end at checkpoints all the same.");
            }
            (ours, (!given.is_zero()).then(|| format!("{}ms", millis(given))))
        }
        Becomes::Rows(ours) => {
            let given = draft.value(key, &entry, integer::<u64>)?;
            if given < ROWS_MIN {
                let meaning = "A load of so few rows would be a transaction for each of them; \
                               `buffer-flush.max-rows` sets it in any case.";
                draft.no_counterpart(key, &entry, meaning);
            }
            (ours, (given >= ROWS_MIN).then(|| given.to_string()))
        }
        Becomes::Label(ours) => (ours, label(key, &entry, draft)),
        Becomes::Semantic(ours) => {
            let names = [("exactly-once", true), ("at-least-once", false)];
            let given = draft.value(key, &entry, |text| one_of(&names, text));
            (ours, given.map(|exactly| exactly.to_string()))
        }
        Becomes::Nothing(why) => {
            draft.no_counterpart(key, &entry, why);
            return None;
        }
        Becomes::Only(harmless, why) => {
            if !entry.broken && !entry.value.trim().eq_ignore_ascii_case(harmless) {
                let message = format!("`{key}` can only be `{harmless}` here: {why}");
                draft.report.error(entry.value_at, message);
            }
            return None;
        }
        Becomes::Refused(why) => {
            draft.report.error(entry.key_at, format!("`{key}` is not supported: {why}"));
            return None;
        }
    };
    Some((ours, Entry { value: value?, ..entry }))
}

/// A label's prefix is one for all tables: placeholders go, and what only set them off.
fn label(key: &str, entry: &Entry, draft: &mut Draft<'_>) -> Option<String> {
    let given = draft.value(key, entry, crate::value::text)?;
    let holes = ["schemaName", "tableName"].map(|n| [format!("#{{{n}}}"), format!("${{{n}}}")]);
    let plain = holes.iter().flatten().fold(given.clone(), |text, hole| text.replace(hole, ""));
    if plain == given {
        return Some(given);
    }
    let plain = plain.trim_matches(['-', '_']);
    let text =
        format!("`{key}` is `{plain}` here: labels name the job and the table by themselves");
    draft.report.note(NoteKind::Default, entry.key_at.clone(), text);
    (!plain.is_empty()).then(|| plain.to_owned())
}
