//! `seachange submit`: a script becomes a job.

use super::{Script, client, run};
use crate::api::{StartWish, SubmitWish, UpdateWish, ValidateWish};
use crate::cli::SubmitArgs;
use crate::client::Client;
use crate::commands::Usage;

/// The name is another job's, or a script that differs is there already.
const CONFLICT: u16 = 409;

pub(super) async fn submit(args: &SubmitArgs) -> anyhow::Result<()> {
    if args.wait.wait.is_some() && !args.start && !args.apply {
        let what = "--wait waits for a job that starts: say --start or --apply too";
        return Err(Usage(what.to_owned()).into());
    }
    let script = Script::read(&args.script)?;
    let client = client(&args.ask)?;
    let wish = SubmitWish {
        script: script.text.clone(),
        file: script.file.clone(),
        name: args.name.clone(),
        lenient: args.lenient,
        start: args.start,
        strategy: args.strategy.unwrap_or_default(),
        note: args.note.clone(),
    };
    match client.submit(&wish).await {
        Ok(job) => run::end(&client, job, &args.wait, &args.ask).await,
        Err(error) if error.status() == Some(CONFLICT) && (args.update || args.apply) => {
            update(&client, args, &script).await
        }
        Err(error) => Err(script.refused(error)),
    }
}

/// The job is there already, and has another script.
async fn update(client: &Client, args: &SubmitArgs, script: &Script) -> anyhow::Result<()> {
    let job = match &args.name {
        Some(name) => name.clone(),
        None => name(client, args, script).await?,
    };
    let wish = UpdateWish {
        script: Some(script.text.clone()),
        after: None,
        strategy: args.strategy,
        apply: args.apply,
        note: args.note.clone(),
    };
    let edited = client.update(&job, &wish).await.map_err(|error| script.refused(error))?;
    let job = match args.start {
        true => client.start(&job, &StartWish::default()).await?,
        false => client.job(&job).await?,
    };
    if !args.start && !edited.value.applied {
        return run::tell(&job, &args.ask);
    }
    run::end(client, job, &args.wait, &args.ask).await
}

/// What the script calls its job.
async fn name(client: &Client, args: &SubmitArgs, script: &Script) -> anyhow::Result<String> {
    let wish = ValidateWish {
        script: script.text.clone(),
        file: script.file.clone(),
        lenient: args.lenient,
        job: None,
    };
    let validated = client.validate(&wish).await?.value;
    let unnamed = "the script does not tell its job's name: say --name";
    Ok(validated.name.ok_or_else(|| Usage(unnamed.to_owned()))?)
}
