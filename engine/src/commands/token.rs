//! `seachange token`: who may ask a daemon. On its file, whether the daemon runs or not.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::{Table, presets};
use model::Clock as _;
use serde_json::json;

use super::run::SystemClock;
use super::{Usage, exit, show};
use crate::api::Role;
use crate::cli::{TokenArgs, TokenCommand, TokenFileArgs, TokenRole};
use crate::serve::config::Config;
use crate::serve::token::{self, TokenError};

pub fn run(args: &TokenArgs) -> anyhow::Result<u8> {
    match &args.command {
        TokenCommand::New { name, role, file } => {
            let path = path(file)?;
            let now = DateTime::from_timestamp_millis(SystemClock.now_ms()).unwrap_or_default();
            let token = token::add(&path, name, Role::from(*role), now).map_err(usage)?;
            show(token.reveal())?;
            eprintln!(
                "`{name}` is in {}. This is the only time that its token is shown.",
                path.display()
            );
        }
        TokenCommand::List { json, file } => list(&path(file)?, *json)?,
        TokenCommand::Revoke { name, file } => {
            let path = path(file)?;
            token::remove(&path, name).map_err(usage)?;
            eprintln!("`{name}` is revoked; a daemon that runs refuses it from now on");
            if token::list(&path)?.is_empty() {
                eprintln!("that was the last one: nobody is let in until there is another");
            }
        }
    }
    Ok(exit::DONE)
}

impl From<TokenRole> for Role {
    fn from(role: TokenRole) -> Self {
        match role {
            TokenRole::Viewer => Self::Viewer,
            TokenRole::Operator => Self::Operator,
        }
    }
}

fn list(path: &std::path::Path, as_json: bool) -> anyhow::Result<()> {
    let tokens = token::list(path)?;
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    if as_json {
        let shown: Vec<_> = tokens
            .iter()
            .map(|t| json!({ "name": t.name, "role": t.role, "created": time(t.created) }))
            .collect();
        return Ok(show(serde_json::to_string_pretty(&shown)?)?);
    }
    if tokens.is_empty() {
        eprintln!("there are no tokens in {}", path.display());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["NAME", "ROLE", "CREATED"]);
    for token in tokens {
        let role = match token.role {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
        };
        table.add_row([token.name.as_str(), role, &time(token.created)]);
    }
    Ok(show(table)?)
}

/// The file that is named, else that of the configuration.
fn path(args: &TokenFileArgs) -> Result<PathBuf, Usage> {
    let config = match (&args.file, &args.config) {
        (Some(file), _) => return Ok(file.clone()),
        (None, Some(config)) => Config::read(config, &job::Process).map_err(|errors| {
            Usage(format!("{errors}\n--file names the file of tokens without the configuration"))
        })?,
        (None, None) => Config::default(),
    };
    Ok(config.tokens_file())
}

/// What the user can mend by another word is wrong usage.
fn usage(error: TokenError) -> anyhow::Error {
    match error {
        TokenError::Taken(_)
        | TokenError::Unknown { .. }
        | TokenError::BadName(_)
        | TokenError::TooMany => Usage(error.to_string()).into(),
        TokenError::Unreadable { .. }
        | TokenError::Unwritten { .. }
        | TokenError::NoTokens { .. }
        | TokenError::Open { .. }
        | TokenError::NoRandom => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_revoked_once_on_the_file_of_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("seachange.toml");
        let daemons = dir.path().join("daemon");
        std::fs::write(&config, format!("[state]\ndir = {:?}\n", daemons.display().to_string()))
            .unwrap();
        let run = |command: &dyn Fn(TokenFileArgs) -> TokenCommand| {
            let file = TokenFileArgs { config: Some(config.clone()), file: None };
            run(&TokenArgs { command: command(file) })
        };
        let new =
            |file| TokenCommand::New { name: "ops".to_owned(), role: TokenRole::Operator, file };
        let revoke = |file| TokenCommand::Revoke { name: "ops".to_owned(), file };
        assert_eq!(run(&new).unwrap(), exit::DONE);
        let made = token::list(&daemons.join("tokens.toml")).unwrap();
        assert_eq!((made[0].name.as_str(), made[0].role), ("ops", Role::Operator));
        assert!(run(&new).unwrap_err().is::<Usage>());
        assert_eq!(run(&|file| TokenCommand::List { json: true, file }).unwrap(), exit::DONE);
        assert_eq!(run(&revoke).unwrap(), exit::DONE);
        assert!(run(&revoke).unwrap_err().is::<Usage>());
        assert!(token::list(&daemons.join("tokens.toml")).unwrap().is_empty());
    }
}
