//! The walkthrough on a daemon by `curl` alone: what the page of the API says is all it takes.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::daemon::at;
use tests::walk::{self, Hands};
use tests::{Daemon, for_each_server};

/// A path, as one segment.
const JOB: &str = "/api/v1/jobs/retail%2Femp_1";

struct Curl<'d>(&'d Daemon);

impl Curl<'_> {
    fn get(&self, path: &str) -> Result<Value> {
        let answer = self.0.curl("GET", path, None)?;
        ensure!(answer.status == 200, "GET {path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.0.curl("POST", path, Some(&body.to_string()))?;
        let done = [200, 201].contains(&answer.status);
        ensure!(done, "POST {path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }
}

impl Hands for Curl<'_> {
    fn submit(&self, script: &str) -> Result<()> {
        let body = json!({"script": script, "name": "retail/emp_1", "start": true});
        let job = self.post("/api/v1/jobs", &body)?;
        ensure!(at(&job, "/name") == "retail/emp_1" && at(&job, "/version") == 1, "{job}");
        Ok(())
    }

    fn stop(&self) -> Result<u64> {
        let halted = self.post(&format!("{JOB}/stop"), &json!({"kind": "smart"}))?;
        at(&halted, "/savepoint/id").as_u64().with_context(|| format!("no savepoint: {halted}"))
    }

    fn cancel(&self) -> Result<()> {
        let halted = self.post(&format!("{JOB}/stop"), &json!({"kind": "cancel"}))?;
        ensure!(at(&halted, "/savepoint").is_null(), "{halted}");
        Ok(())
    }

    fn start(&self) -> Result<()> {
        self.post(&format!("{JOB}/start"), &json!({})).map(drop)
    }

    fn savepoint(&self) -> Result<u64> {
        let savepoint = self.post(&format!("{JOB}/savepoints"), &json!({"note": "by hand"}))?;
        at(&savepoint, "/id").as_u64().with_context(|| format!("no id: {savepoint}"))
    }

    fn restore(&self, snapshot: u64) -> Result<()> {
        let body = json!({"snapshot": snapshot.to_string()});
        let job = self.post(&format!("{JOB}/restore"), &body)?;
        ensure!(at(&job, "/strategy") == "latest", "later starts are as they were: {job}");
        Ok(())
    }

    fn snapshots(&self) -> Result<Vec<Value>> {
        let found = self.get(&format!("{JOB}/snapshots"))?;
        at(&found, "/snapshots").as_array().cloned().with_context(|| format!("no list: {found}"))
    }

    fn output(&self) -> Result<Vec<String>> {
        let found = self.get(&format!("{JOB}/output?after=0"))?;
        let lines =
            at(&found, "/lines").as_array().with_context(|| format!("no lines: {found}"))?;
        Ok(lines.iter().filter_map(|line| at(line, "/text").as_str().map(str::to_owned)).collect())
    }

    fn state(&self) -> Result<String> {
        Ok(at(&self.get(JOB)?, "/state").as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_led_through_savepoint_cancel_and_restore_by_curl_alone() -> Result<()> {
    for_each_server(&[], async |server| {
        let mut daemon = Daemon::begin().await?;
        walk::through(server, &daemon, &Curl(&daemon)).await?;
        daemon.sigterm().await
    })
    .await
}
