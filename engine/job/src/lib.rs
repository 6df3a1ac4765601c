//! Job scripts and their settings, parsed once into valid types.
//!
//! A script is written for people and for another engine, so reading it is where mistakes are
//! cheapest: everything that is wrong is reported at once, with its line, column and correction,
//! before a connection is made. What leaves this crate, a [`JobSpec`], needs no further checking.
//!
//! The way of a script: [`parse`] cuts it into statements (`script/split.rs`), puts variables in
//! (`script/variables.rs`), reads `SET` and `EXECUTE CDCSOURCE` (`script/set.rs`,
//! `script/cdcsource.rs`) into keys with places, and builds the job from them (`build/`). What is
//! known about a key stands in [`settings`], which is also where the manual comes from. A pipeline
//! in YAML (`pipeline.rs`) becomes the same keys with places.
//!
//! This crate knows neither sinks nor servers: which options a sink has is asked through
//! [`Surroundings`].

mod build;
mod diagnostics;
mod draft;
mod edit;
mod masking;
mod pipeline;
mod script;
mod secrets;
pub mod settings;
mod spec;
mod surroundings;
mod tables;
mod transform;
mod value;

use std::num::NonZeroU32;

pub use diagnostics::{Excerpt, Note, NoteKind, Place, ScriptError, ScriptErrors};
pub use edit::{TablesError, with_tables};
pub use masking::{MASK, Unknown as UnknownMask, masked, unmasked};
pub use spec::{
    BacklogInterval, Checkpointing, ClaimMode, Host, JobSpec, OnTableError, RestartStrategy,
    RestoreSettings, Retention, RuntimeMode, Secret, ServerIds, SinkSpec, SourceSpec, SslMode,
    StartOffset, StartupMode, Tls, TransformSpec, Written,
};
pub use surroundings::{Process, Surroundings};
pub use tables::{PatternError, TablePatterns, anywhere};
pub use value::{parse_duration, parse_size};

/// How to treat what Dinky drops in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// As an error, with its place and its correction.
    #[default]
    Strict,
    /// As Dinky does, and say so in a note.
    Lenient,
}

/// Reads a job: a script, or a pipeline in YAML where the file's name or its first line says so.
/// `overrides` are `K=V` pairs that win over the script: options of the
/// statement, `SET` keys, or variables that the script uses as `${K}`.
///
/// # Errors
/// Everything that is wrong with the script, in the order of the script.
pub fn parse(
    source: &str,
    file_name: &str,
    mode: Mode,
    overrides: &[(String, String)],
    surroundings: &dyn Surroundings,
) -> Result<JobSpec, ScriptErrors> {
    let mut draft = draft::Draft::new(mode, surroundings);
    let front = Front::of(file_name, source);
    let secrets = front.read(source, overrides, &mut draft);
    let spec = build::job(file_name, source, &mut draft);
    let lines = match front {
        Front::Script => diagnostics::Lines::new(source, &script::blanked(source), file_name),
        Front::Pipeline => diagnostics::Lines::of_pipeline(source, secrets, file_name),
    };
    let (errors, notes) = draft.report.finish(&lines);
    match spec {
        Some(mut spec) if errors.errors.is_empty() => {
            spec.notes = notes;
            let transforms = draft.transforms.into_iter();
            spec.transforms = transforms.filter_map(|one| one.placed(&lines)).collect();
            for (sink, places) in spec.sinks.iter_mut().zip(draft.sink_places) {
                let place = |(option, at)| (option, lines.place(&at));
                sink.places = places.into_iter().map(place).collect();
            }
            Ok(spec)
        }
        _ => Err(errors),
    }
}

/// Who reads the text.
#[derive(Clone, Copy)]
enum Front {
    Script,
    Pipeline,
}

impl Front {
    fn of(file_name: &str, source: &str) -> Self {
        if pipeline::is_one(file_name, source) { Self::Pipeline } else { Self::Script }
    }

    /// Returns the stretches that only the reader knows to be secret.
    fn read(
        self,
        source: &str,
        overrides: &[(String, String)],
        draft: &mut draft::Draft<'_>,
    ) -> Vec<std::ops::Range<usize>> {
        match self {
            Self::Script => {
                script::read(source, overrides, draft);
                Vec::new()
            }
            Self::Pipeline => pipeline::read(source, overrides, draft),
        }
    }
}

/// What a script says of its job's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    /// As [`Checkpointing::dir`].
    pub checkpoint_dir: Option<String>,
    /// As [`Checkpointing::num_retained`].
    pub num_retained: NonZeroU32,
}

/// Whose state a script's is, whatever else is wrong with the script: for commands that look for
/// what a job left behind, and need none of its secrets.
pub fn identity(
    source: &str,
    file_name: &str,
    overrides: &[(String, String)],
    surroundings: &dyn Surroundings,
) -> Identity {
    let mut draft = draft::Draft::new(Mode::Lenient, surroundings);
    Front::of(file_name, source).read(source, overrides, &mut draft);
    build::identity(file_name, &mut draft)
}

#[cfg(test)]
mod tests;
