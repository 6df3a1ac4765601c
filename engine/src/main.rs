//! `seachange`: arguments, logs, exit codes.

use std::process::ExitCode;
use std::time::Duration;

use engine::cli::{Cli, Command};
use engine::commands::{
    Usage, check, copy, edit, exit, inspect, prune, remote, run, serve, snapshots, token, tools,
    verify,
};
use engine::logging::{self, LogFormat};

/// How long what is under way has to end. A write that is stuck, on a pipe that nobody reads, must
/// not keep the process.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let cli = Cli::read();
    // The daemon logs as its configuration says.
    if !matches!(cli.command, Command::Serve(_))
        && let Err(error) = logging::begin(None, LogFormat::Text)
    {
        eprintln!("{error}");
    }
    match start(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error:#}");
            let usage = error.downcast_ref::<Usage>().is_some();
            ExitCode::from(if usage { exit::USAGE } else { exit::FAILED })
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => Box::pin(run::run(&args)).await,
            Command::Check(args) => check::run(&args).await,
            Command::Snapshots(args) => snapshots::run(&args).await,
            Command::Inspect(args) => inspect::run(&args).await,
            Command::Prune(args) => prune::run(&args).await,
            Command::Copy(args) => copy::run(&args).await,
            Command::Edit(args) => edit::run(&args).await,
            Command::Verify(args) => verify::run(&args).await,
            Command::Serve(args) => Box::pin(serve::run(&args)).await,
            Command::Token(args) => token::run(&args),
            Command::Remote(command) => Box::pin(remote::run(&command)).await,
            Command::Tool(command) => Box::pin(tools::run(&command)).await,
        }
    });
    // A failed job's tasks are dropped on threads of their own, the state's database with them. To
    // leave while it closes would end in its abort, whatever the exit code was to be.
    runtime.shutdown_timeout(CLOSED_WITHIN);
    ended
}
