//! What a sink had prepared for a stored checkpoint, and what is not there any more.
//!
//! The checkpoint says that those rows are in the sink, so the binlog does not bring them again: their
//! tables are read from the start, as `--resnapshot` has it. That is no failure of the job, and no
//! restart strategy has a say in it. The sink hears of it with [`Sink::begin`], for the tables then
//! start over, and empties them when the stream says so; the snapshot that is stored in between
//! carries the word through a crash.
//!
//! [`Sink::begin`]: model::Sink::begin

use std::collections::BTreeSet;

use model::checkpoint::{SourceState, TablePhase, TableState};
use model::{RangeSet, SinkError, TableName};
use tracing::warn;

use crate::error::EngineError;

/// Tables of which a sink has lost rows, over all attempts of a run.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// To be read again by the next attempt; no snapshot says so yet.
    unsaid: BTreeSet<TableName>,
    /// All that this run has found lost.
    known: BTreeSet<TableName>,
}

impl Lost {
    /// Takes what an attempt failed of. `Ok`: the next one mends it, and may begin at once.
    ///
    /// # Errors
    /// What is no such loss; or one of a table that this run has had to read again before.
    pub(super) fn mend(&mut self, error: EngineError) -> Result<(), EngineError> {
        let EngineError::Sink(SinkError::Lost { sink, tables, what }) = error else {
            return Err(error);
        };
        let names = listed(&tables);
        let again = tables.iter().find(|table| self.known.contains(table));
        if again.is_some() || tables.is_empty() {
            let what = format!(
                "what was prepared for a stored checkpoint is lost ({what}), of {names}, and this \
                 run has read what was lost from the start before. See why the sink keeps it for a \
                 shorter time than a checkpoint or a pause of the job takes, then start again"
            );
            return Err(EngineError::Sink(SinkError::Definite { sink, what }));
        }
        warn!(%sink, tables = %names,
            "the sink has LOST ROWS that it had prepared for a stored checkpoint ({what}): it empties \
             its copy of {names}, and these tables are read from the start again, now; until that is \
             done it shows less of them than the source has. Other tables are not touched");
        self.known.extend(tables.iter().cloned());
        self.unsaid.extend(tables);
        Ok(())
    }

    /// `snapshot` with these tables to be read from the start.
    ///
    /// # Errors
    /// One that the snapshot does not know.
    pub(super) fn unread_in(
        &self,
        snapshot: Option<&SourceState>,
    ) -> Result<Option<SourceState>, EngineError> {
        let Some(mut state) = snapshot.cloned() else { return self.refuse_unknown(None) };
        for table in &self.unsaid {
            let of_it = |known: &&mut TableState| known.name() == table;
            match state.tables.iter_mut().find(of_it) {
                Some(known) => {
                    known.phase = TablePhase::Snapshot { done: RangeSet::default(), rows: 0 };
                }
                None if state.quarantine.tables.iter().any(|apart| apart.table == *table) => {}
                None => return self.refuse_unknown(Some(table)),
            }
            if !state.quarantine.start_over.contains(table) {
                state.quarantine.start_over.push(table.clone());
            }
        }
        Ok(Some(state))
    }

    fn refuse_unknown(
        &self,
        table: Option<&TableName>,
    ) -> Result<Option<SourceState>, EngineError> {
        match table.or(self.unsaid.first()) {
            None => Ok(None),
            Some(table) => Err(EngineError::Job(format!(
                "a sink has lost rows of {table}, which the snapshot does not know, so it cannot be \
                 read again; `--from none` starts over"
            ))),
        }
    }

    /// What the next snapshot is to say.
    pub(super) fn unsaid(&self) -> impl Iterator<Item = String> {
        self.unsaid.iter().map(ToString::to_string)
    }

    /// A snapshot says it.
    pub(super) fn said(&mut self) {
        self.unsaid.clear();
    }
}

fn listed(tables: &[TableName]) -> String {
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
