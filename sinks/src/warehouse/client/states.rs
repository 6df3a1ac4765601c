//! What a label stands for, as the leader among the frontends knows it.

use hyper::Method;
use hyper::header::HeaderMap;
use tokio::time::Instant;

use super::error::ClientError;
use super::http::{Ask, To};
use super::reply::LabelState;
use super::wire::{Refusal, Wire, encoded};

impl Wire {
    pub(super) async fn state(&self, db: &str, label: &str) -> Result<LabelState, ClientError> {
        let doing = format!("the question for label `{label}` of database `{db}`");
        let target = format!("/api/{}/get_load_state?label={}", encoded(db), encoded(label));
        let ask = Ask { method: Method::GET, target, headers: HeaderMap::new(), body: None };
        let mut retries = self.retries();
        loop {
            let refusal: Refusal = match self.http.ask(&ask, To::Frontend).await {
                Ok(answer) => {
                    // Doris and StarRocks.
                    let states = ["data", "state"].into_iter();
                    let state = states.filter_map(|key| answer.fields.text(key));
                    if let Some(state) = state.filter_map(LabelState::parse).next() {
                        return Ok(state);
                    }
                    Refusal::said(&answer)
                }
                Err(failure) => failure.into(),
            };
            if !retries.again(&refusal).await {
                return Err(self.refused(&doing, &refusal).await);
            }
        }
    }

    /// Waits until a load is no longer under way; [`LabelState::Prepare`] if that takes too long.
    pub(super) async fn settled(&self, db: &str, label: &str) -> Result<LabelState, ClientError> {
        let (begun, mut looks) = (Instant::now(), self.pace.looks());
        loop {
            let state = self.state(db, label).await?;
            if state != LabelState::Prepare || begun.elapsed() > self.pace.abandoned_after {
                return Ok(state);
            }
            looks.pause().await;
        }
    }
}
