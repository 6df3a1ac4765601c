//! `health`.

use crate::cli::HealthArgs;
use crate::client::{Client, Health};
use crate::commands::show;

pub(super) async fn health(args: &HealthArgs) -> anyhow::Result<()> {
    let client = Client::new(args.server.clone(), None, args.ca.as_deref())?;
    let asked = if args.ready { Health::Ready } else { Health::Alive };
    client.health(asked).await?;
    Ok(show(if args.ready { "ready" } else { "alive" })?)
}
