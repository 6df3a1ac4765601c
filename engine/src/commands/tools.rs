//! `seachange completions`, `seachange man`: what is made from the command line itself.

use clap::Command;

use super::{Usage, alerts, exit, show};
use crate::cli::{self, CompletionsArgs, ManArgs, Shell, ToolCommand};

/// Columns of the help in `docs/commands.md`.
const WIDTH: usize = 100;

pub async fn run(command: &ToolCommand) -> anyhow::Result<u8> {
    match command {
        ToolCommand::Alerts { command } => return alerts::run(command).await,
        ToolCommand::Completions(args) => completions(args)?,
        ToolCommand::Man(args) => man(args)?,
    }
    Ok(exit::DONE)
}

fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "seachange", &mut text);
    Ok(show(String::from_utf8_lossy(&text).trim_end())?)
}

fn man(args: &ManArgs) -> anyhow::Result<()> {
    let Some(directory) = &args.directory else { return Ok(show(markdown().trim_end())?) };
    let unfit = |why: std::io::Error| {
        Usage(format!("cannot write manual pages to {}: {why}", directory.display()))
    };
    std::fs::create_dir_all(directory).map_err(unfit)?;
    clap_mangen::generate_to(plain(cli::command()), directory).map_err(unfit)?;
    Ok(())
}

/// The same without what the environment says at present.
fn plain(command: Command) -> Command {
    let names: Vec<String> =
        command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| arg.hide_env_values(true));
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, plain))
}

/// The text of `docs/commands.md`: each command's help.
pub fn markdown() -> String {
    let mut command = plain(cli::command()).term_width(WIDTH);
    command.build();
    let mut out = "\
# Commands

What `seachange COMMAND --help` says. Made from the commands themselves and kept in step by a test; renew it:
`seachange man --markdown > docs/commands.md`. Which command for which purpose: [operations.md](operations.md) for a job in
a process of its own, [daemon.md](daemon.md) for the jobs of a daemon.

```text
"
    .to_owned();
    out.push_str(&help(&mut command));
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    for mut sub in subcommands.into_iter().filter(|sub| sub.get_name() != "help") {
        out.push_str(&format!("```\n\n## seachange {}\n\n```text\n", sub.get_name()));
        out.push_str(&help(&mut sub));
    }
    out.push_str("```\n");
    out
}

fn help(command: &mut Command) -> String {
    let text = command.render_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_commands_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/commands.md");
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page == markdown(), "renew it: seachange man --markdown > docs/commands.md");
    }

    #[test]
    fn every_command_has_a_manual_page_and_each_shell_completes_it() {
        let directory = tempfile::tempdir().unwrap();
        let args = ManArgs { directory: Some(directory.path().join("man1")), markdown: false };
        man(&args).unwrap();
        for shell in
            [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish]
        {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut cli::command(), "seachange", &mut text);
            let text = String::from_utf8(text).unwrap();
            for sub in cli::command().get_subcommands() {
                let name = sub.get_name();
                assert!(text.contains(name), "{shell} does not know {name}");
                let page = directory.path().join(format!("man1/seachange-{name}.1"));
                assert!(page.exists(), "no {}", page.display());
            }
        }
    }
}
