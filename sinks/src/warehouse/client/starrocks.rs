//! StarRocks: a staged load is a transaction of three calls, begin, load and prepare.
//!
//! Whether rows of a load that was not answered are in its transaction cannot be asked. So wherever a
//! call before the prepare ends in doubt the transaction is rolled back, and all of it begins again:
//! the label is free as soon as its transaction is aborted. From the prepare on the state of the
//! label tells everything.

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use tokio::time::Instant;

use super::error::ClientError;
use super::http::{Answer, Ask, To};
use super::pace::Setback;
use super::reply::LabelState;
use super::settings::Compression;
use super::verdict::Verdict;
use super::wire::{Refusal, Wire, encoded, of_load, of_staged};
use super::{Load, Outcome, Staged};

pub(super) struct StarRocks<'a>(pub(super) &'a Wire);

/// How long the server keeps a transaction that gathers data, unless the user says otherwise.
const GATHER_SECONDS: &str = "600";
const OK: &str = "OK";
const IN_PROCESSING: &str = "TXN_IN_PROCESSING";

impl StarRocks<'_> {
    pub(super) async fn stage(&self, load: &Load) -> Result<Staged, ClientError> {
        let doing = of_load(load);
        let body = self.0.body(load).await?;
        let mut retries = self.0.retries();
        loop {
            let refusal = match self.attempt(load, &body, &doing).await? {
                Ok(staged) => return Ok(staged),
                Err(refusal) => refusal,
            };
            if matches!(refusal.verdict(), Verdict::Never(_)) {
                // The server has aborted it; if it has not, it expires.
                return Err(self.0.refused(&doing, &refusal).await);
            }
            if !self.abort(&load.staged(None)).await? {
                return Err(self.0.transient(format!(
                    "StarRocks: {doing} is committed, which nobody asked for: another job uses its \
                     label; choose another label prefix"
                )));
            }
            if !retries.again(&refusal).await {
                return Err(self.0.refused(&doing, &refusal).await);
            }
        }
    }

    /// One transaction, from its beginning.
    async fn attempt(
        &self,
        load: &Load,
        body: &Bytes,
        doing: &str,
    ) -> Result<Result<Staged, Refusal>, ClientError> {
        let staged = load.staged(None);
        let backend = self.backend();
        // It gathers the data, so it gets all of it.
        let to = backend.as_deref().map_or(To::Frontend, To::Backend);
        let begun = match self.0.http.ask(&self.call("begin", &staged)?, to).await {
            Ok(answer) => answer,
            Err(failure) => return Ok(Err(failure.into())),
        };
        if begun.fields.status() != OK {
            return Ok(Err(Refusal::said(&begun)));
        }
        let loading = Ask {
            method: Method::PUT,
            target: "/api/transaction/load".to_owned(),
            headers: self.load_headers(load)?,
            body: Some(body.clone()),
        };
        match self.unless_busy(&loading, to).await {
            Ok(answer) if answer.fields.status() == OK && !answer.had_body => {
                return Err(self.0.answered_as_backend(&answer, doing));
            }
            Ok(answer) if answer.fields.status() == OK => {}
            Ok(answer) => return Ok(Err(Refusal::said(&answer))),
            Err(refusal) => return Ok(Err(refusal)),
        }
        let staged = Staged { txn: begun.fields.txn(), ..staged };
        let prepared = self.prepare(&staged, load.rows, to).await?;
        Ok(prepared.map(|()| staged))
    }

    async fn prepare(
        &self,
        staged: &Staged,
        rows: u64,
        to: To<'_>,
    ) -> Result<Result<(), Refusal>, ClientError> {
        let call = self.call("prepare", staged)?;
        let mut retries = self.0.retries();
        loop {
            let refusal = match self.unless_busy(&call, to).await {
                Ok(answer) if answer.fields.status() == OK => {
                    return Ok(counted(&answer, rows));
                }
                Ok(answer) => Refusal::said(&answer),
                Err(refusal) => refusal,
            };
            match self.0.state(&staged.db, &staged.label).await? {
                LabelState::Staged => return Ok(Ok(())),
                LabelState::Prepare if retries.again(&refusal).await => {}
                LabelState::Prepare
                | LabelState::Unknown
                | LabelState::Committed
                | LabelState::Aborted => return Ok(Err(refusal)),
            }
        }
    }

    /// Another call of the transaction may be running: then nothing was done, and it is waited for.
    async fn unless_busy(&self, ask: &Ask, to: To<'_>) -> Result<Answer, Refusal> {
        let (begun, mut looks) = (Instant::now(), self.0.pace.looks());
        loop {
            let answer = self.0.http.ask(ask, to).await?;
            let busy = answer.fields.status() == IN_PROCESSING;
            if !busy || begun.elapsed() > self.0.pace.abandoned_after {
                return Ok(answer);
            }
            looks.pause().await;
        }
    }

    pub(super) async fn load(&self, load: &Load) -> Result<(), ClientError> {
        let (doing, db, label) = (of_load(load), &load.table.db, load.label.as_str());
        let ask = Ask {
            method: Method::PUT,
            target: format!(
                "/api/{}/{}/_stream_load",
                encoded(&load.table.db),
                encoded(&load.table.table)
            ),
            headers: self.load_headers(load)?,
            body: Some(self.0.body(load).await?),
        };
        let mut retries = self.0.retries();
        loop {
            let backend = self.backend();
            let to = backend.as_deref().map_or(To::Frontend, To::Backend);
            let refusal: Refusal = match self.0.http.ask(&ask, to).await {
                Ok(answer) => match answer.fields.status() {
                    "Success" | "Publish Timeout" if !answer.had_body => {
                        return Err(self.0.answered_as_backend(&answer, &doing));
                    }
                    "Success" | "Publish Timeout" => return Ok(()),
                    // Under way or done, which the state tells.
                    _ => Refusal::said(&answer),
                },
                Err(failure) => failure.into(),
            };
            if matches!(refusal.verdict(), Verdict::Never(_)) {
                return Err(self.0.refused(&doing, &refusal).await);
            }
            match self.0.settled(db, label).await? {
                LabelState::Committed => return Ok(()),
                LabelState::Prepare | LabelState::Staged => {
                    self.abort(&load.staged(None)).await?;
                }
                LabelState::Unknown | LabelState::Aborted => {}
            }
            if !retries.again(&refusal).await {
                return Err(self.0.refused(&doing, &refusal).await);
            }
        }
    }

    pub(super) async fn commit(&self, staged: &Staged) -> Result<Outcome, ClientError> {
        let doing = format!("commit of {}", of_staged(staged));
        let call = self.call("commit", staged)?;
        let mut retries = self.0.retries();
        loop {
            let refusal: Refusal = match self.0.http.ask(&call, To::Frontend).await {
                Ok(answer) if answer.fields.status() == OK => return Ok(Outcome::Visible),
                Ok(answer) => Refusal::said(&answer),
                Err(failure) => failure.into(),
            };
            // It says that it failed also where it only waited in vain for rows to be visible.
            match self.0.state(&staged.db, &staged.label).await? {
                LabelState::Committed => return Ok(Outcome::Visible),
                LabelState::Aborted => return Ok(Outcome::Lost(refusal.words())),
                LabelState::Unknown => {
                    let words = refusal.words();
                    return Ok(Outcome::Lost(format!("the label is forgotten ({words})")));
                }
                LabelState::Staged | LabelState::Prepare => {}
            }
            if !retries.again(&refusal).await {
                return Err(self.0.refused(&doing, &refusal).await);
            }
        }
    }

    pub(super) async fn abort(&self, staged: &Staged) -> Result<bool, ClientError> {
        let doing = format!("rollback of {}", of_staged(staged));
        let rollback = self.call("rollback", staged)?;
        // It needs no backend: the one that gathered the data may be gone.
        let table = if staged.table.is_empty() { "_" } else { &*staged.table };
        let (db, label) = (encoded(&staged.db), encoded(&staged.label));
        let cancel = Ask {
            method: Method::POST,
            target: format!("/api/{db}/{}/_cancel?label={label}", encoded(table)),
            headers: HeaderMap::new(),
            body: None,
        };
        let mut retries = self.0.retries();
        for ask in [&rollback, &cancel].into_iter().cycle() {
            let refusal: Refusal = match self.0.http.ask(ask, To::Frontend).await {
                Ok(answer) if answer.fields.status() == OK => return Ok(true),
                Ok(answer) => Refusal::said(&answer),
                Err(failure) => failure.into(),
            };
            match self.0.state(&staged.db, &staged.label).await? {
                LabelState::Committed => return Ok(false),
                LabelState::Aborted | LabelState::Unknown => return Ok(true),
                LabelState::Staged | LabelState::Prepare => {}
            }
            if !retries.again(&refusal).await {
                return Err(self.0.refused(&doing, &refusal).await);
            }
        }
        Ok(false)
    }

    /// The next in turn, where they are named.
    fn backend(&self) -> Option<String> {
        let backends = &self.0.http.backends;
        backends.turn();
        backends.order().into_iter().next()
    }

    /// A call without data.
    fn call(&self, name: &str, staged: &Staged) -> Result<Ask, ClientError> {
        let mut headers = HeaderMap::new();
        let given = self.0.settings.headers.iter().map(|(name, value)| (&**name, &**value));
        let names = [("db", &*staged.db), ("table", &*staged.table), ("label", &*staged.label)];
        // A transaction that was found by its label alone: which table it is of matters to no call for it.
        let names = names.into_iter().filter(|(_, name)| !name.is_empty());
        for (name, value) in [("timeout", GATHER_SECONDS)].into_iter().chain(given).chain(names) {
            self.0.put_header(&mut headers, name, value)?;
        }
        let target = format!("/api/transaction/{name}");
        Ok(Ask { method: Method::POST, target, headers, body: None })
    }

    fn load_headers(&self, load: &Load) -> Result<HeaderMap, ClientError> {
        let mut ours = vec![
            ("db", &*load.table.db),
            ("table", &*load.table.table),
            ("strip_outer_array", "true"),
            ("ignore_json_size", "true"),
        ];
        match self.0.settings.compression {
            Compression::None => {}
            Compression::Gzip => ours.push(("compression", "gzip")),
            Compression::Lz4 => ours.push(("compression", "lz4_frame")),
        }
        self.0.load_headers(load, &ours)
    }
}

/// A request of an attempt that was given up may arrive late, in the transaction of the next.
fn counted(prepared: &Answer, rows: u64) -> Result<(), Refusal> {
    let total = prepared.fields.number("numbertotalrows");
    match total.and_then(|total| u64::try_from(total).ok()) {
        Some(total) if total != rows => Err(Refusal::Said {
            node: prepared.node.clone(),
            words: format!("{total} rows are in the transaction instead of {rows}"),
            error_url: None,
        }),
        _ => Ok(()),
    }
}
