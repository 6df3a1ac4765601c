//! Arguments of the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

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
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<SocketAddr>,
}
