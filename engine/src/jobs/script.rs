//! Scripts of the daemon's jobs: read, and what the reader had to say in the API's words.

use std::collections::BTreeSet;

use job::{JobSpec, Mode, Place, ScriptErrors, Surroundings};

use super::Refused;
use super::record::Text;
use crate::api::{NAME_CHARS_MAX, Told};
use crate::commands::World;
use crate::error::chain;
use crate::transform::Transforms;

/// Reads the script of a job of this name, whatever the script says of its name.
pub(super) fn read(text: &Text, name: Option<&str>) -> Result<JobSpec, Vec<Told>> {
    let mode = if text.lenient { Mode::Lenient } else { Mode::Strict };
    let overrides: Vec<(String, String)> =
        name.map(|name| ("pipeline.name".to_owned(), name.to_owned())).into_iter().collect();
    let spec = job::parse(&text.script, text.file(), mode, &overrides, &Own)
        .map_err(|errors| told(&errors))?;
    Transforms::read(&spec.transforms, spec.time_zone).map_err(whole)?;
    // What only the sinks can tell of their options is told before anything runs.
    for sink in &spec.sinks {
        let context = crate::daemon::sink_context(&spec, sink, std::sync::Arc::new(Never));
        sinks::open(&sink.connector, &sink.options, context).map_err(|error| {
            let what = chain(&error);
            match sink.place(error.option()) {
                Some(place) => vec![placed(place, what, None)],
                None => whole(what),
            }
        })?;
    }
    for (key, place) in [
        ("execution.checkpointing.savepoint-dir", &spec.checkpointing.savepoint_dir),
        ("execution.state-recovery.path", &spec.restore.path),
        ("execution.checkpointing.dir", &spec.checkpointing.dir),
    ] {
        if let Some(Err(error)) = place.as_ref().map(|place| place.parse::<state::StateUrl>()) {
            return Err(whole(format!("`{key}`: {error}")));
        }
    }
    Ok(spec)
}

/// The name that a script gives its job.
pub(super) fn name(text: &Text) -> String {
    job::identity(&text.script, text.file(), &[], &Own).name
}

/// What a script of the daemon's refers to is the daemon's, whoever submits it.
struct Own;

impl Surroundings for Own {
    fn env(&self, name: &str) -> Option<String> {
        World.env(name)
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        World.file(path)
    }

    fn whose(&self) -> Option<&'static str> {
        Some("the daemon")
    }

    fn sink_options(&self, connector: &str) -> Option<Vec<String>> {
        World.sink_options(connector)
    }
}

/// A name that can be a job's.
pub(super) fn fit_name(name: &str) -> Result<(), Refused> {
    let bad =
        |why: &str| Err(Refused::Bad(format!("`{}` is no job name: {why}", name.escape_debug())));
    if name.chars().count() > NAME_CHARS_MAX {
        return bad("it has over 500 characters");
    }
    if name.chars().any(char::is_control) {
        return bad("it has control characters");
    }
    match state::job_dir::directory(name) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refused::Bad(error.to_string())),
    }
}

/// Never asked: a sink that is only opened writes nothing.
struct Never;

impl model::Clock for Never {
    fn now_ms(&self) -> i64 {
        0
    }
}

fn whole(message: impl Into<String>) -> Vec<Told> {
    vec![Told { message: message.into(), line: None, column: None, excerpt: None }]
}

pub(super) fn told(errors: &ScriptErrors) -> Vec<Told> {
    errors
        .errors
        .iter()
        .map(|error| {
            let excerpt = error.excerpt.as_ref().map(|e| format!("{}\n{}", e.line, e.marks()));
            placed(&error.place, error.message.clone(), excerpt)
        })
        .collect()
}

pub(super) fn notes(spec: &JobSpec) -> Vec<Told> {
    spec.notes.iter().map(|note| placed(&note.place, note.text.clone(), None)).collect()
}

fn placed(place: &Place, message: String, excerpt: Option<String>) -> Told {
    let number = |n: usize| u64::try_from(n).ok();
    match place {
        Place::Script { line, column, .. } => {
            Told { message, line: number(*line), column: number(*column), excerpt }
        }
        Place::Override { key } => {
            Told { message: format!("{key}: {message}"), line: None, column: None, excerpt: None }
        }
        Place::Whole { .. } => Told { message, line: None, column: None, excerpt: None },
    }
}

/// The connectors of a script's sinks, each once.
pub(super) fn connectors(spec: &JobSpec) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let connectors = spec.sinks.iter().map(|sink| sink.connector.clone());
    connectors.filter(|connector| seen.insert(connector.clone())).collect()
}

/// `host:port`, the first of the script.
pub(super) fn source(spec: &JobSpec) -> Option<String> {
    spec.source.hosts.first().map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Version;

    #[test]
    fn what_is_missing_is_said_to_be_missing_for_the_daemon() {
        let script = "EXECUTE CDCSOURCE shop WITH (\n\
            'connector' = 'mysql-cdc', 'hostname' = 'h', 'username' = '${env:NOT_SET_ANYWHERE}',\n\
            'password' = '${file:/nowhere/at/all}', 'table-name' = 'shop\\..*',\n\
            'sink.connector' = 'print');";
        let version = Version { number: 1, at_ms: 0, by: None, note: String::new() };
        let text = Text { version, script: script.to_owned(), file: None, lenient: false };
        let [env, file] = &read(&text, None).unwrap_err()[..] else { panic!("two are wrong") };
        let said = "is not set in the environment of the daemon, which is the one that counts";
        assert!(env.message.ends_with(said), "{}", env.message);
        assert!(file.message.contains("cannot be read by the daemon: "), "{}", file.message);
    }

    #[test]
    fn what_only_a_sink_finds_wrong_is_told_with_its_line() {
        let script = "EXECUTE CDCSOURCE shop WITH (\n\
            'connector' = 'mysql-cdc', 'hostname' = 'h', 'username' = 'u', 'password' = 'p',\n\
            'table-name' = 'shop\\..*',\n\
            'sink[0].connector' = 'print',\n\
            'sink[1].connector' = 'file', 'sink[1].path' = '/x',\n\
            'sink[1].roll.bytes' = '0');";
        for (given, line, column) in [
            (script.to_owned(), 6, 25),
            // One that is missing is told where the sink begins.
            (script.replace("'sink[1].path' = '/x',", ""), 5, 24),
        ] {
            let version = Version { number: 1, at_ms: 0, by: None, note: String::new() };
            let text = Text { version, script: given, file: None, lenient: false };
            let [told] = &read(&text, None).unwrap_err()[..] else { panic!("one is wrong") };
            assert!(told.message.contains("sink[1]"), "{}", told.message);
            assert_eq!((told.line, told.column), (Some(line), Some(column)), "{}", told.message);
        }
    }
}
