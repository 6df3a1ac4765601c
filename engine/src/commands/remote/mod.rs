//! The commands that ask a daemon: one file per command or group.

mod change;
mod edit;
mod events;
mod jobs;
mod output;
mod present;
mod run;
mod show;
mod snapshots;
mod submit;
mod tables;
mod versions;
mod wait;

use std::path::Path;

pub(super) use self::snapshots::list as snapshots;
use super::{Usage, exit};
use crate::api::Problem;
use crate::cli::{AskArgs, LinkArgs, RemoteCommand};
use crate::client::{Client, ClientError, ServerUrl, Token, place};

/// Does what was asked. Exit codes: 0 done, 1 failed or refused, 2 (an error of [`Usage`]) wrong
/// usage or script.
pub async fn run(command: &RemoteCommand) -> anyhow::Result<u8> {
    let done = match command {
        RemoteCommand::Submit(args) => submit::submit(args).await,
        RemoteCommand::Jobs(args) => jobs::list(args).await,
        RemoteCommand::Show(args) => show::show(args).await,
        RemoteCommand::Start(args) => run::start(args).await,
        RemoteCommand::Resume(args) => run::resume(args).await,
        RemoteCommand::Restore(args) => run::restore(args).await,
        RemoteCommand::Stop(args) => change::stop(args).await,
        RemoteCommand::Pause(args) => change::pause(args).await,
        RemoteCommand::Savepoint(args) => change::savepoint(args).await,
        RemoteCommand::Delete(args) => change::delete(args).await,
        RemoteCommand::Update(args) => edit::update(args).await,
        RemoteCommand::Versions(args) => versions::versions(args).await,
        RemoteCommand::Tables(args) => tables::tables(args).await,
        RemoteCommand::Events(args) => events::events(args).await,
        RemoteCommand::Output(args) => output::output(args).await,
    };
    done.map_err(coded)?;
    Ok(exit::DONE)
}

/// What is the user's to mend has an exit code of its own.
pub(super) fn coded(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<ClientError>() {
        Some(refused) if refused.is_usage() => Usage(refused.to_string()).into(),
        _ => error,
    }
}

fn client(ask: &AskArgs) -> Result<Client, ClientError> {
    connect(&ask.server, &ask.link)
}

fn connect(server: &ServerUrl, link: &LinkArgs) -> Result<Client, ClientError> {
    let variable = std::env::var("SEACHANGE_TOKEN").ok();
    let token = Token::find(link.token_file.as_deref(), variable.as_deref())?;
    Client::new(server.clone(), token, link.ca.as_deref())
}

/// A script as it is sent, with the name of its file, if it has one.
struct Script {
    text: String,
    file: Option<String>,
}

impl Script {
    fn read(path: &Path) -> Result<Self, Usage> {
        let unread = |why: std::io::Error| {
            Usage(format!("cannot read the job script {}: {why}", path.display()))
        };
        if path == Path::new("-") {
            let text = std::io::read_to_string(std::io::stdin()).map_err(unread)?;
            return Ok(Self { text, file: None });
        }
        let text = std::fs::read_to_string(path).map_err(unread)?;
        Ok(Self { text, file: Some(path.display().to_string()) })
    }

    /// What is wrong with it, as `run` shows it: with the path that was typed.
    fn refused(&self, error: ClientError) -> anyhow::Error {
        let faults = |problem: &Problem| !problem.errors.is_empty();
        let Some(problem) = error.problem().filter(|problem| faults(problem)) else {
            return error.into();
        };
        let file = self.file.as_deref().unwrap_or("script");
        let lines: Vec<String> =
            problem.errors.iter().map(|told| place(told, Some(file))).collect();
        Usage(lines.join("\n")).into()
    }
}
