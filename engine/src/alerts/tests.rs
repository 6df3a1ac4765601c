//! From observations to what arrives.

use std::time::Duration;

use super::channel::tests::Server;
use super::*;
use crate::api::JobState;
use crate::metrics::JobMetrics;

fn alerts(url: &str) -> Alerts {
    let text = format!(
        "[[rules]]\nwhen = \"failed\"\n\
         [[channels]]\nname = \"ops\"\nkind = \"slack\"\nurl = \"{url}\"\n"
    );
    Alerts::new(&toml::from_str(&text).unwrap()).unwrap()
}

fn failed(job: &str) -> Observation {
    let job = JobMetrics { name: job.to_owned(), state: JobState::Failed, run: None };
    Observation::of(&job, "the disk is full", 1, None)
}

async fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(found) = found() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came");
}

#[tokio::test]
async fn a_job_that_failed_is_an_event_and_a_message() {
    let server = Server::start(&[(200, "ok")]).await;
    let mut alerts = alerts(&server.url);
    let events = alerts.observe(&[failed("a/b")], 5000);
    let text = "failed: a/b: The job failed: the disk is full";
    assert_eq!(events, [("a/b".to_owned(), text.to_owned())]);
    let body = until(|| server.bodies().pop()).await;
    assert!(
        body.contains("*Seachange: failed: a/b*") && body.contains("the disk is full"),
        "{body}"
    );
}

#[tokio::test]
async fn a_message_that_is_refused_comes_back_as_an_event_without_the_address() {
    let server = Server::start(&[(403, "no_service")]).await;
    let mut alerts = alerts(&server.url);
    assert_eq!(alerts.observe(&[failed("a")], 5000).len(), 1);
    let events =
        until(|| Some(alerts.observe(&[failed("a")], 6000)).filter(|e| !e.is_empty())).await;
    let text = "alert not sent to `ops`: the answer was 403 Forbidden";
    assert_eq!(events, [("a".to_owned(), text.to_owned())]);
}

#[test]
fn every_example_of_the_manual_is_a_configuration() {
    let page = include_str!("../../../docs/alerts.md");
    let reference = regex::Regex::new(r"\$\{[^}]*\}").unwrap();
    let mut examples = 0;
    for block in page.split("```toml\n").skip(1) {
        let (example, _) = block.split_once("```\n").unwrap();
        let text = reference.replace_all(example, "https://hooks.example/planted");
        let mut all: toml::Table = text.parse().unwrap();
        let config: Config = all.remove("alerts").unwrap().try_into().unwrap();
        Rules::new(&config).unwrap_or_else(|error| panic!("{error} in {example}"));
        channel::all(&config).unwrap_or_else(|error| panic!("{error} in {example}"));
        assert!(all.is_empty(), "{all:?}");
        examples += 1;
    }
    assert_eq!(examples, 7);
}
