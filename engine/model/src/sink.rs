//! The port to a destination.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::change::Batch;
use crate::checkpoint::{Barrier, SourceState};
use crate::row::RowError;
use crate::table::TableName;

/// What a sink leaves in the checkpoint when it prepares: small, opaque to everyone else, readable
/// by later versions of the same sink.
pub type SinkToken = Vec<u8>;

/// Why a sink could not go on. After any error the sink is not used again: the job restarts from
/// its newest checkpoint, which is always safe.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// May go away by itself: the job restarts as its restart strategy says.
    #[error("{sink}: {what}")]
    Transient {
        sink: String,
        what: String,
        #[source]
        source: Option<std::io::Error>,
    },
    /// Only an operator can help.
    #[error("{sink}: {what}")]
    Definite { sink: String, what: String },
    /// What was prepared for a checkpoint that is stored has been thrown away by the far side, which
    /// waited too long for its commit: rows of these tables, which no changelog brings again. Said
    /// by [`Sink::begin`]: the job then begins anew at once, with these tables in
    /// `quarantine.start_over`, by which the sink knows that they are read from the start.
    #[error("{sink}: what was prepared for a stored checkpoint is lost: {what}")]
    Lost { sink: String, tables: Vec<TableName>, what: String },
    #[error(transparent)]
    Row(#[from] RowError),
}

/// A destination. Driven by one task, so nothing here runs at the same time as anything else.
///
/// Order of calls: maybe `check`, `restore` once, `begin` once, then any number of `write` and
/// `prepare`; `commit` once the checkpoint that holds the token is stored. Between a `prepare` and its
/// `commit` more writes come.
#[async_trait]
pub trait Sink: Send {
    /// Refuses what [`Sink::restore`] would refuse for good, and changes nothing that the job has
    /// written: asked before a start makes an older snapshot the newest, so that a start which is
    /// refused leaves the job where it was.
    async fn check(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        let _ = token;
        Ok(())
    }

    /// Sets the far side to what the checkpoint says: commits `token` and discards everything that
    /// this job wrote after it. `None`: a fresh start, nothing of this job is to remain visible
    /// after the point where it begins. Idempotent. A prepared part that is gone is no error here:
    /// [`Sink::begin`] tells ([`SinkError::Lost`]).
    async fn restore(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError>;

    /// The run begins with this state of the source, freshly or where [`Sink::restore`] has set the
    /// sink to: the server, the place, every followed table with its definition. Of the tables in
    /// `quarantine.start_over` a change that starts them over comes before anything else; and so do
    /// the changes in `untold`, which the definitions hold already.
    async fn begin(&mut self, source: &SourceState) -> Result<(), SinkError> {
        let _ = source;
        Ok(())
    }

    /// Takes the batch. `Ok` means accepted, in order; it does not mean durable.
    async fn write(&mut self, batch: Arc<Batch>) -> Result<(), SinkError>;

    /// Makes everything written before `barrier` durable on the far side, invisible where the sink
    /// can stage.
    async fn prepare(&mut self, barrier: &Barrier) -> Result<SinkToken, SinkError>;

    /// Makes a prepared part visible. Idempotent: after a crash it is called again, through
    /// `restore`, with the token from the checkpoint.
    async fn commit(&mut self, token: &SinkToken) -> Result<(), SinkError>;

    /// True where rows become visible at [`Sink::commit`], or those of before a schema change must not be
    /// told again behind it. The sink then hears of a schema change when all that came before it is
    /// committed: nothing is open or prepared. There is one exception, a
    /// change while the rows of another table, one without a key, come in its one pass: no checkpoint
    /// can be taken then, and the sink has to commit by itself what is in its way.
    fn stages(&self) -> bool {
        false
    }

    /// True where [`Sink::restore`] with an older token takes back what was committed after it. Where
    /// it does not, a run that goes back to an older snapshot repeats what is out already, and is
    /// refused unless the user names that snapshot.
    fn rewinds(&self) -> bool;

    /// Called when input pauses, and when [`Sink::flush_due`] says so: a sink that people watch (print)
    /// shows what it holds.
    async fn flush(&mut self) -> Result<(), SinkError>;

    /// In how long [`Sink::flush`] is to be called though input neither pauses nor comes; `None`: not at
    /// all. Asked between any two calls, so it costs next to nothing; after `flush` it is more than zero.
    fn flush_due(&self) -> Option<Duration> {
        None
    }
}
