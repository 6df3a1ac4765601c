//! Arguments of the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::values::address;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration; all defaults without one (deploy/seachange.toml tells them)
    #[arg(long, value_name = "FILE", env = "SEACHANGE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print what the configuration says, and end
    #[arg(long)]
    pub check_config: bool,
    /// Listen here, whatever the configuration says: a port, or an address with one
    #[arg(long, value_name = "ADDR", env = "SEACHANGE_LISTEN", value_parser = address)]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    pub command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token, and print it: it cannot be shown again
    New {
        /// Whose it is: events and logs name it
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: TokenRole,
        #[command(flatten)]
        file: TokenFileArgs,
    },
    /// List names and roles
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: TokenFileArgs,
    },
    /// Refuse a token from now on
    Revoke {
        name: String,
        #[command(flatten)]
        file: TokenFileArgs,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokenRole {
    /// Look, and change nothing
    Viewer,
    /// Everything
    Operator,
}

/// Which file of tokens.
#[derive(Debug, Args)]
pub struct TokenFileArgs {
    /// The daemon's configuration, which names the file
    #[arg(long, value_name = "FILE", env = "SEACHANGE_CONFIG")]
    pub config: Option<PathBuf>,
    /// The file of tokens itself
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}
