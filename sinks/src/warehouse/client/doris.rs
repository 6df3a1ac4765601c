//! Doris: a load is one request; with `two_phase_commit` it stays invisible until it is committed.
//!
//! A label names a load for good. What came of a request that was not answered, or was answered with
//! less than certainty, is asked of the label; then the same request is sent again under it: what was
//! done already is refused by its headers, with the transaction in the words.

use hyper::Method;
use hyper::header::HeaderMap;

use super::error::ClientError;
use super::http::{Answer, Ask, Failure, To};
use super::pace::Setback;
use super::reply::{LabelState, txn_in};
use super::settings::Compression;
use super::verdict::Verdict;
use super::wire::{Refusal, Wire, encoded, of_load, of_staged};
use super::{Load, Outcome, SEQUENCE_COLUMN, Staged};

pub(super) struct Doris<'a>(pub(super) &'a Wire);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phases {
    One,
    Two,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Commit,
    Abort,
}

/// What came of a load.
enum Loaded {
    Visible,
    Staged(Option<u64>),
}

/// What one request for a load came to.
enum Reply {
    Loaded(Loaded),
    /// The label is of a load that is under way.
    Running,
    Refused(Refusal),
}

/// See [`Reply::Running`].
struct UnderWay;

impl Setback for UnderWay {
    fn verdict(&self) -> Verdict {
        Verdict::Soon
    }

    fn node(&self) -> &str {
        ""
    }

    fn why(&self) -> String {
        "a load is under way and does not end".to_owned()
    }
}

impl Doris<'_> {
    pub(super) async fn stage(&self, load: &Load) -> Result<Staged, ClientError> {
        match self.send(load, Phases::Two).await? {
            Loaded::Staged(txn) => Ok(load.staged(txn)),
            Loaded::Visible => Err(self.0.transient(format!(
                "Doris: {} is committed, which nobody asked for: another job uses its label, or the \
                 server does not know `two_phase_commit`; choose another label prefix, or use \
                 at-least-once",
                of_load(load)
            ))),
        }
    }

    pub(super) async fn load(&self, load: &Load) -> Result<(), ClientError> {
        match self.send(load, Phases::One).await? {
            Loaded::Visible => Ok(()),
            Loaded::Staged(_) => Err(self.0.transient(format!(
                "Doris: {} waits to be committed, which nobody asked for: another job uses its label; \
                 choose another label prefix",
                of_load(load)
            ))),
        }
    }

    async fn send(&self, load: &Load, phases: Phases) -> Result<Loaded, ClientError> {
        let (doing, db, label) = (of_load(load), &load.table.db, load.label.as_str());
        let ask = self.request(load, phases).await?;
        let mut retries = self.0.retries();
        let mut was_staged = false;
        loop {
            let refusal = match self.send_once(&ask, &doing, phases).await? {
                Reply::Loaded(loaded) => return Ok(loaded),
                Reply::Running => None,
                Reply::Refused(refusal) if matches!(refusal.verdict(), Verdict::Never(_)) => {
                    return Err(self.0.refused(&doing, &refusal).await);
                }
                Reply::Refused(refusal) => Some(refusal),
            };
            match self.0.settled(db, label).await? {
                LabelState::Committed => return Ok(Loaded::Visible),
                // The same request is told which transaction it is.
                LabelState::Staged if !was_staged => {
                    was_staged = true;
                    continue;
                }
                LabelState::Prepare => self.abandon(load).await?,
                LabelState::Staged | LabelState::Unknown | LabelState::Aborted => {}
            }
            let again = match &refusal {
                Some(refusal) => retries.again(refusal).await,
                None => retries.again(&UnderWay).await,
            };
            if !again {
                return Err(match refusal {
                    Some(refusal) => self.0.refused(&doing, &refusal).await,
                    None => {
                        self.0.transient(format!("Doris: {doing} is under way and does not end"))
                    }
                });
            }
        }
    }

    async fn request(&self, load: &Load, phases: Phases) -> Result<Ask, ClientError> {
        let two_phase = if phases == Phases::Two { "true" } else { "false" };
        let mut ours = vec![
            ("two_phase_commit", two_phase),
            ("read_json_by_line", "true"),
            ("strip_outer_array", "false"),
            ("merge_type", "APPEND"),
            // The table may ask for it, and then labels and phases mean nothing.
            ("group_commit", "off_mode"),
        ];
        if load.columns.iter().any(|name| **name == *SEQUENCE_COLUMN) {
            ours.push(("function_column.sequence_col", SEQUENCE_COLUMN));
        }
        match self.0.settings.compression {
            Compression::None => {}
            Compression::Gzip => ours.push(("compress_type", "gz")),
            Compression::Lz4 => ours.push(("compress_type", "lz4")),
        }
        let (db, table) = (encoded(&load.table.db), encoded(&load.table.table));
        Ok(Ask {
            method: Method::PUT,
            target: format!("/api/{db}/{table}/_stream_load"),
            headers: self.0.load_headers(load, &ours)?,
            body: Some(self.0.body(load).await?),
        })
    }

    async fn send_once(
        &self,
        ask: &Ask,
        doing: &str,
        phases: Phases,
    ) -> Result<Reply, ClientError> {
        let backend = match self.backend().await {
            Ok(backend) => backend,
            Err(failure) => return Ok(Reply::Refused(failure.into())),
        };
        let to = backend.as_deref().map_or(To::Frontend, To::Backend);
        let answer = match self.0.http.ask(ask, to).await {
            Ok(answer) => answer,
            Err(failure) => return Ok(Reply::Refused(failure.into())),
        };
        let fields = &answer.fields;
        Ok(match fields.status() {
            "Success" | "Publish Timeout" if !answer.had_body => {
                return Err(self.0.answered_as_backend(&answer, doing));
            }
            "Success" if phases == Phases::Two && fields.text("twophasecommit") == Some("true") => {
                Reply::Loaded(Loaded::Staged(fields.txn()))
            }
            "Success" | "Publish Timeout" => Reply::Loaded(Loaded::Visible),
            "Label Already Exists" => match fields.existing_job_status() {
                "FINISHED" => Reply::Loaded(Loaded::Visible),
                "PRECOMMITTED" => Reply::Loaded(Loaded::Staged(txn_in(fields.message()))),
                _ => Reply::Running,
            },
            _ => Reply::Refused(Refusal::said(&answer)),
        })
    }

    /// The one that is asked; `None`: one that a frontend chooses.
    async fn backend(&self) -> Result<Option<String>, Failure> {
        let backends = &self.0.http.backends;
        backends.turn();
        let named = backends.order().into_iter().next();
        if named.is_some() || self.0.settings.auto_redirect {
            return Ok(named);
        }
        let target = "/api/backends?is_alive=true".to_owned();
        let ask = Ask { method: Method::GET, target, headers: HeaderMap::new(), body: None };
        let answer = self.0.http.ask(&ask, To::Frontend).await?;
        Ok(backends.pick(&self.0.http.listed(&answer)?))
    }

    /// Nobody waits any more for what is under way: the node that worked on it is gone, or hangs.
    async fn abandon(&self, load: &Load) -> Result<(), ClientError> {
        self.abort(&load.staged(None)).await.map(drop)
    }

    pub(super) async fn commit(&self, staged: &Staged) -> Result<Outcome, ClientError> {
        let doing = format!("commit of {}", of_staged(staged));
        let mut retries = self.0.retries();
        let mut by_id = true;
        loop {
            let refusal = match self.end(staged, End::Commit, by_id).await {
                Ok(answer) if is_success(&answer) => return Ok(Outcome::Visible),
                Ok(answer) => match already(answer.fields.message()) {
                    Some(LabelState::Committed) => return Ok(Outcome::Visible),
                    Some(LabelState::Aborted) => return Ok(Outcome::Lost(answer.fields.words())),
                    _ => Refusal::said(&answer),
                },
                Err(refusal) => refusal,
            };
            if matches!(refusal.verdict(), Verdict::Never(_)) {
                return Err(self.0.refused(&doing, &refusal).await);
            }
            match self.0.state(&staged.db, &staged.label).await? {
                LabelState::Committed => return Ok(Outcome::Visible),
                LabelState::Aborted => return Ok(Outcome::Lost(refusal.words())),
                LabelState::Unknown => {
                    let words = refusal.words();
                    return Ok(Outcome::Lost(format!("the label is forgotten ({words})")));
                }
                LabelState::Staged | LabelState::Prepare => {}
            }
            by_id = !by_id;
            if !retries.again(&refusal).await {
                return Err(self.0.refused(&doing, &refusal).await);
            }
        }
    }

    pub(super) async fn abort(&self, staged: &Staged) -> Result<bool, ClientError> {
        let doing = format!("abort of {}", of_staged(staged));
        let mut retries = self.0.retries();
        let mut by_id = true;
        loop {
            let refusal = match self.end(staged, End::Abort, by_id).await {
                Ok(answer) if is_success(&answer) => return Ok(true),
                Ok(answer) => match already(answer.fields.message()) {
                    Some(LabelState::Committed) => return Ok(false),
                    Some(LabelState::Aborted) => return Ok(true),
                    _ => Refusal::said(&answer),
                },
                Err(refusal) => refusal,
            };
            if matches!(refusal.verdict(), Verdict::Never(_)) {
                return Err(self.0.refused(&doing, &refusal).await);
            }
            match self.0.state(&staged.db, &staged.label).await? {
                LabelState::Committed => return Ok(false),
                LabelState::Aborted | LabelState::Unknown => return Ok(true),
                LabelState::Staged | LabelState::Prepare => {}
            }
            by_id = !by_id;
            if !retries.again(&refusal).await {
                return Err(self.0.refused(&doing, &refusal).await);
            }
        }
    }

    /// `by_id` where there is one: older servers know no other way, and after an upgrade of the
    /// frontends the other one may be what helps.
    async fn end(&self, staged: &Staged, end: End, by_id: bool) -> Result<Answer, Refusal> {
        let mut headers = HeaderMap::new();
        let operation = match end {
            End::Commit => "commit",
            End::Abort => "abort",
        };
        let txn = staged.txn.filter(|_| by_id).map(|txn| txn.to_string());
        let (name, value) = match &txn {
            Some(txn) => ("txn_id", &**txn),
            None => ("label", &*staged.label),
        };
        for (name, value) in [("txn_operation", operation), (name, value)] {
            // Both are of digits, letters, `_` and `-`.
            self.0.put_header(&mut headers, name, value).map_err(|error| {
                let why = error.to_string();
                Refusal::Failure(Failure::Unreached { node: String::new(), why })
            })?;
        }
        let target = format!("/api/{}/_stream_load_2pc", encoded(&staged.db));
        let ask = Ask { method: Method::PUT, target, headers, body: None };
        // Where redirects lead to no place that can be reached, this one does not either.
        let backend = if self.0.settings.auto_redirect { None } else { self.backend().await? };
        let to = backend.as_deref().map_or(To::Frontend, To::Backend);
        Ok(self.0.http.ask(&ask, to).await?)
    }
}

fn is_success(answer: &Answer) -> bool {
    answer.fields.status().eq_ignore_ascii_case("success")
}

/// `transaction [7] is already VISIBLE, …`: a reason that follows may hold any words.
fn already(message: &str) -> Option<LabelState> {
    let (_, rest) = message.split_once("is already ")?;
    let word = rest.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    LabelState::parse(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transaction_is_already_is_not_taken_for_something_else() {
        let committed = Some(LabelState::Committed);
        let aborted = Some(LabelState::Aborted);
        assert_eq!(already("transaction [7] is already visible, not pre-committed."), committed);
        assert_eq!(already("transaction [7] is already COMMITTED, could not abort."), committed);
        let after = "transaction [7] is already aborted, abort reason: label is already visible";
        assert_eq!(already(after), aborted);
        assert_eq!(already("transaction [7] is prepare, not pre-committed."), None);
        assert_eq!(already("transaction [7] not found"), None);
    }
}
