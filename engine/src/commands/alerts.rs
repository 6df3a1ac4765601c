//! `seachange alerts test`: whether what takes alerts takes them.

use chrono::Utc;

use super::{Usage, exit, show};
use crate::alerts::channel::{self, Digest};
use crate::alerts::{Config, Message, News, Rules};
use crate::cli::{AlertsCommand, AlertsTestArgs};
use crate::serve;

pub async fn run(command: &AlertsCommand) -> anyhow::Result<u8> {
    let AlertsCommand::Test(args) = command;
    let config = read(args)?;
    Rules::new(&config).map_err(|error| Usage(error.to_string()))?;
    let mut channels = channel::all(&config).map_err(|error| Usage(error.to_string()))?;
    let names: Vec<&str> = config.channels.iter().map(|channel| &*channel.name).collect();
    let names = names.join(", ");
    if let Some(wanted) = &args.channel {
        channels.retain(|name, _| name == wanted);
    }
    if channels.is_empty() {
        let what = match &args.channel {
            Some(wanted) => format!("there is no channel `{wanted}`; there are: {names}"),
            None => "[alerts] has no channel".to_owned(),
        };
        return Err(Usage(what).into());
    }
    let now_ms = Utc::now().timestamp_millis();
    let digest = Digest::of(&[Message {
        rule: "test".to_owned(),
        job: "none".to_owned(),
        news: News::Raised,
        text: "This is a test: alerts of this daemon arrive here.".to_owned(),
        at_ms: now_ms,
        since_ms: now_ms,
        channels: Vec::new(),
    }]);
    let mut code = exit::DONE;
    for (name, channel) in &channels {
        match channel.send(&digest, now_ms).await {
            Ok(()) => show(format!("{name}: sent"))?,
            Err(error) => {
                show(format!("{name}: not sent: {error}"))?;
                code = exit::FAILED;
            }
        }
    }
    Ok(code)
}

fn read(args: &AlertsTestArgs) -> Result<Config, Usage> {
    let usage = |errors: serve::config::ConfigErrors| Usage(errors.to_string());
    let config = serve::config::Config::read(&args.config, &job::Process).map_err(usage)?;
    match config.alerts {
        Some(alerts) => alerts.read().map_err(usage),
        None => Err(Usage(format!("{}: there is no section [alerts]", args.config.display()))),
    }
}
