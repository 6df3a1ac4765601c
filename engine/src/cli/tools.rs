//! Arguments of what is beside the work: completions and manuals.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum ToolCommand {
    /// Print a shell's completions of these commands
    #[command(after_help = "\
Examples:
  seachange completions bash > ~/.local/share/bash-completion/completions/seachange
  seachange completions zsh > ~/.zfunc/_seachange
  seachange completions fish > ~/.config/fish/completions/seachange.fish")]
    Completions(CompletionsArgs),
    /// Write manual pages of these commands
    #[command(after_help = "\
Examples:
  seachange man ~/.local/share/man/man1 && man seachange-run
  seachange man --markdown > docs/commands.md")]
    Man(ManArgs),
    /// Try the channels of a daemon's alerts
    #[command(after_help = "\
Examples:
  seachange alerts test --config /etc/seachange/seachange.toml
  seachange alerts test --config seachange.toml --channel ops

Exit codes: 0 all took it, 1 one did not, 2 wrong usage or configuration.")]
    Alerts {
        #[command(subcommand)]
        command: AlertsCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// Send a test message to each channel, or to one
    Test(AlertsTestArgs),
}

#[derive(Debug, Args)]
pub struct AlertsTestArgs {
    /// The daemon's configuration
    #[arg(long, value_name = "FILE", env = "SEACHANGE_CONFIG")]
    pub config: PathBuf,
    /// This channel alone
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where the pages go: seachange.1, seachange-run.1, …; made if it is not there
    #[arg(value_name = "DIR", required_unless_present = "markdown")]
    pub directory: Option<PathBuf>,
    /// Print one page in Markdown instead
    #[arg(long, conflicts_with = "directory")]
    pub markdown: bool,
}
