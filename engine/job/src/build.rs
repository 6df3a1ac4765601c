//! From keys with values to a valid job. Every key is asked for once, by the code that knows it;
//! what nobody asks for is told apart by [`crate::settings`].

mod checkpointing;
mod hosts;
mod restart;
mod routing;
mod sinks;
mod source;
mod warehouse;

use std::num::NonZeroU32;

use model::TimeZone;

pub(crate) use sinks::is_sink_option;

use crate::Identity;
use crate::diagnostics::{At, NoteKind};
use crate::draft::Draft;
use crate::settings::Scope::{Set, With};
use crate::spec::{JobSpec, RuntimeMode};
use crate::value::{integer, nonempty, one_of, time_zone};

/// Readers of one job, at most: each is a connection to the server.
const PARALLELISM_MAX: u32 = 256;

/// The job, as far as it can be built. What is wrong stands in the draft's report, so a job that
/// comes with errors there is not to be used.
pub(crate) fn job(file: &str, source: &str, draft: &mut Draft<'_>) -> Option<JobSpec> {
    if !draft.has_statement {
        // Options would all be missing, which says nothing new.
        draft.report.missing(missing_statement(source));
        draft.settle();
        return None;
    }
    let name = name(file, draft);
    let source = source::source(draft);
    let sinks = sinks::sinks(draft);
    let parallelism = parallelism(draft);
    let checkpointing = checkpointing::checkpointing(draft);
    let restart = restart::restart(checkpointing.interval.is_some(), draft);
    let restore = checkpointing::restore(draft);
    let runtime_mode = runtime_mode(draft);
    let time_zone = local_time_zone(draft);
    draft.settle();
    let notes = Vec::new();
    let (source, sinks) = (source?, sinks?);
    let spec = JobSpec {
        name,
        source,
        sinks,
        parallelism,
        checkpointing,
        restart,
        runtime_mode,
        time_zone,
        restore,
        // Told with their places by whoever knows the lines.
        transforms: Vec::new(),
        notes,
    };
    draft.report.is_clean().then_some(spec)
}

fn missing_statement(source: &str) -> &'static str {
    if source.trim().is_empty() {
        "the script is empty"
    } else {
        "the script has no `EXECUTE CDCSOURCE name WITH (…)`"
    }
}

/// `pipeline.name`, else the name of the script's file; the name in the statement means nothing
/// (on Dinky the task names the job).
pub(crate) fn name(file: &str, draft: &mut Draft<'_>) -> String {
    let given = draft.get(Set, "pipeline.name", |text| {
        let path = text.trim().trim_matches('/');
        let good = |part: &str| !part.trim().is_empty() && part != "." && part != "..";
        let fine = path.split('/').all(good) && !path.contains(char::is_control);
        fine.then(|| path.to_owned())
            .ok_or_else(|| "a path of names, for instance `retail/orders/emp_sync`".to_owned())
    });
    given.unwrap_or_else(|| {
        let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        if stem.is_empty() { "job".to_owned() } else { stem.to_owned() }
    })
}

pub(crate) fn identity(file: &str, draft: &mut Draft<'_>) -> Identity {
    let name = name(file, draft);
    let settings = checkpointing::checkpointing(draft);
    Identity { name, checkpoint_dir: settings.dir, num_retained: settings.num_retained }
}

fn parallelism(draft: &mut Draft<'_>) -> NonZeroU32 {
    let few = |text: &str| {
        let few = integer(text).ok().filter(|n: &NonZeroU32| n.get() <= PARALLELISM_MAX);
        few.ok_or_else(|| format!("an integer from 1 to {PARALLELISM_MAX}"))
    };
    let set = draft.get(Set, "parallelism.default", few);
    let with = draft.get(With, "parallelism", few);
    with.or(set).unwrap_or(NonZeroU32::MIN)
}

fn runtime_mode(draft: &mut Draft<'_>) -> RuntimeMode {
    let names = [
        ("STREAMING", RuntimeMode::Streaming),
        ("BATCH", RuntimeMode::Batch),
        ("AUTOMATIC", RuntimeMode::Streaming),
    ];
    let given = draft.get(Set, "execution.runtime-mode", |text| one_of(&names, text));
    given.unwrap_or(RuntimeMode::Streaming)
}

fn local_time_zone(draft: &mut Draft<'_>) -> TimeZone {
    let given = draft.get(Set, "table.local-time-zone", |text| match text.trim() {
        // Flink's word for the zone of its JVM.
        "default" => Ok(None),
        text => time_zone(text).map(Some),
    });
    if given == Some(None) {
        draft.report.note(
            NoteKind::Default,
            At::Whole,
            "`table.local-time-zone` = `default` is UTC here, whatever the zone of the machine",
        );
    }
    given.flatten().unwrap_or_default()
}

/// A key that has to be there, and not empty.
fn required(draft: &mut Draft<'_>, key: &'static str) -> Option<String> {
    if !draft.entries(With).contains_key(key) {
        draft.report.missing(format!("option `{}` is missing", draft.named(key)));
    }
    draft.get(With, key, nonempty)
}
