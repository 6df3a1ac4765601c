//! `seachange events`: what happened.

use std::time::Duration;

use super::client;
use super::wait::Patience;
use crate::api::{Event, EventKind};
use crate::cli::EventsArgs;
use crate::client::{Client, ClientError, EventsAsked};
use crate::commands::show;
use crate::commands::words::time_text;

/// Between two looks.
const LOOKED_EVERY: Duration = Duration::from_millis(500);
/// The most that a daemon tells at a time.
const PAGE_EVENTS_MAX: usize = 1000;

pub(super) async fn events(args: &EventsArgs) -> anyhow::Result<()> {
    let client = client(&args.ask)?;
    let asked = EventsAsked {
        job: args.job.clone(),
        kinds: args.kind.clone(),
        limit: Some(args.limit.clamp(1, PAGE_EVENTS_MAX)),
        before: None,
    };
    let found = client.events(&asked).await?;
    if args.ask.json && !args.follow {
        return Ok(show(&found.json)?);
    }
    let mut newest = found.value.events.first().map_or(0, |event| event.id);
    tell(found.value.events, args)?;
    if !args.follow {
        return Ok(());
    }
    let mut patience = Patience::new();
    loop {
        tokio::time::sleep(LOOKED_EVERY).await;
        let news = patience.bear(since(&client, &asked, newest).await)?.unwrap_or_default();
        newest = news.first().map_or(newest, |event| event.id);
        tell(news, args)?;
    }
}

/// What happened after the event `newest`, newest first, however much it is.
async fn since(
    client: &Client,
    asked: &EventsAsked,
    newest: u64,
) -> Result<Vec<Event>, ClientError> {
    let (mut found, mut asked) = (Vec::new(), asked.clone());
    loop {
        let page = client.events(&asked).await?.value;
        let is_last = page.next.is_none() || page.events.iter().any(|event| event.id <= newest);
        found.extend(page.events.into_iter().filter(|event| event.id > newest));
        if is_last {
            return Ok(found);
        }
        asked.before = page.next;
    }
}

/// The newest last, as in a log.
fn tell(events: Vec<Event>, args: &EventsArgs) -> anyhow::Result<()> {
    for event in events.into_iter().rev() {
        if args.ask.json {
            show(serde_json::to_string(&event)?)?;
        } else {
            show(line(&event, args.job.is_none()))?;
        }
    }
    Ok(())
}

fn line(event: &Event, with_job: bool) -> String {
    let mut text = format!("{}  {:<10}", time_text(event.at_ms), kind(event.kind));
    if with_job {
        text.push_str(&format!("  {}", event.job.as_deref().unwrap_or("the daemon")));
    }
    if let Some(state) = event.state {
        text.push_str(&format!("  {}", state.name()));
    }
    text.push_str(&format!("  {}", event.text));
    if let Some(by) = event.by.as_ref().filter(|by| *by != "-") {
        text.push_str(&format!("  (by {by})"));
    }
    text
}

fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::State => "state",
        EventKind::Audit => "audit",
        EventKind::Savepoint => "savepoint",
        EventKind::Checkpoint => "checkpoint",
        EventKind::Table => "table",
        EventKind::Source => "source",
        EventKind::Alert => "alert",
    }
}
