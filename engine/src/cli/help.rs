//! The whole command line, and a help that lists the commands by what they work on.

use clap::{CommandFactory as _, FromArgMatches as _};

use super::Cli;

const GROUPS: [(&str, &[&str]); 3] = [
    (
        "Here, one job in this process, or a state",
        &["run", "check", "verify", "snapshots", "inspect", "prune", "copy", "edit"],
    ),
    (
        "A daemon, and its jobs",
        &[
            "serve",
            "token",
            "alerts",
            "submit",
            "jobs",
            "show",
            "start",
            "stop",
            "pause",
            "resume",
            "savepoint",
            "restore",
            "update",
            "versions",
            "tables",
            "events",
            "output",
            "delete",
            "health",
        ],
    ),
    ("Beside the work", &["completions", "man", "help"]),
];

impl Cli {
    /// What was typed. Wrong usage ends the process with exit code 2, `--help` with 0.
    pub fn read() -> Self {
        let matches = command().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The command line, as clap knows it.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    let listing = listing(&command);
    Cli::command().help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{listing}\
         \x1b[1m\x1b[4mOptions:\x1b[0m\n{{options}}{{after-help}}"
    ))
}

fn listing(command: &clap::Command) -> String {
    let mut out = String::new();
    for (heading, names) in GROUPS {
        out.push_str(&format!("\x1b[1m\x1b[4m{heading}:\x1b[0m\n"));
        for name in names {
            let Some(found) = command.find_subcommand(name) else { continue };
            let about = found.get_about().map(ToString::to_string).unwrap_or_default();
            out.push_str(&format!("  \x1b[1m{name:<12}\x1b[0m {about}\n"));
        }
        out.push('\n');
    }
    out
}
