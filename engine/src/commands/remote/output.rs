//! `seachange output`: what `print` wrote of late.

use std::time::Duration;

use super::client;
use super::wait::Patience;
use crate::api::Line;
use crate::cli::OutputArgs;
use crate::commands::show;
use crate::commands::words::count;

/// Between two looks.
const LOOKED_EVERY: Duration = Duration::from_millis(250);
/// The most that a daemon tells at a time.
const PAGE_LINES_MAX: usize = 5000;

pub(super) async fn output(args: &OutputArgs) -> anyhow::Result<()> {
    let client = client(&args.ask)?;
    let mut page = client.output(&args.job, 0, PAGE_LINES_MAX).await?;
    if args.ask.json && !args.follow {
        return Ok(show(&page.json)?);
    }
    let mut patience = Patience::new();
    let mut after = 0;
    loop {
        let found = page.value;
        let more = !found.lines.is_empty();
        let gone = found.lines.first().map_or(0, |line| line.number.saturating_sub(after + 1));
        if gone > 0 {
            eprintln!("{} before these are no longer kept", count(gone, "line"));
        }
        after = found.lines.last().map_or(after, |line| line.number);
        tell(&found.lines, args)?;
        if !more && !args.follow {
            return Ok(());
        }
        page = loop {
            if !more {
                tokio::time::sleep(LOOKED_EVERY).await;
            }
            let asked = client.output(&args.job, after, PAGE_LINES_MAX).await;
            let Some(page) = patience.bear(asked)? else { continue };
            // A daemon that was started again counts from 1.
            if page.value.next < after {
                after = 0;
                continue;
            }
            break page;
        };
    }
}

fn tell(lines: &[Line], args: &OutputArgs) -> anyhow::Result<()> {
    for line in lines {
        if args.ask.json {
            show(serde_json::to_string(line)?)?;
        } else {
            show(&line.text)?;
        }
    }
    Ok(())
}
