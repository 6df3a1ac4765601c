//! `seachange update`: a new version of a job's script.

use super::{Script, client};
use crate::api::{Edited, UpdateWish};
use crate::cli::UpdateArgs;
use crate::commands::show;

pub(super) async fn update(args: &UpdateArgs) -> anyhow::Result<()> {
    let script = args.script.as_deref().map(Script::read).transpose()?;
    let wish = UpdateWish {
        script: script.as_ref().map(|script| script.text.clone()),
        after: args.after,
        strategy: args.strategy,
        apply: args.apply,
        note: args.note.clone(),
    };
    let edited = client(&args.ask)?.update(&args.job, &wish).await;
    let edited = edited.map_err(|error| match &script {
        Some(script) => script.refused(error),
        None => error.into(),
    })?;
    if args.ask.json {
        return Ok(show(&edited.json)?);
    }
    Ok(show(text(&edited.value))?)
}

/// What came of it, for people.
pub(super) fn text(edited: &Edited) -> String {
    let summary = &edited.job.summary;
    let (name, version, state) = (&summary.name, summary.version, summary.state.name());
    let what = match (edited.changed, edited.applied) {
        (false, _) => "it was so already",
        (true, true) => "the job runs by it",
        (true, false) => "the job starts by it from its next start on",
    };
    format!("version {version} of {name}: {what} ({state}: {})", summary.reason)
}
