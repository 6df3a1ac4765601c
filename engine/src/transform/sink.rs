//! A sink behind the rules. It is told of the tables as they are behind the projection, and of the rows
//! that go on; all else it does as it does without rules.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::checkpoint::SourceState;
use model::sink::SinkToken;
use model::{
    Barrier, Batch, Item, RowsBlock, SchemaChange, Sink, SinkError, TableName, TableSchema,
};

use super::Transforms;
use super::block::{self, Trouble};
use super::plan::Plan;

/// What an item costs beside its rows, as in the source's batches.
const ITEM_OVERHEAD: usize = 160;

pub(super) struct Transforming {
    sink: Box<dyn Sink>,
    rules: Arc<Transforms>,
    name: String,
    needs_key: bool,
    /// By the address of the definition, which is kept alive beside its plan.
    plans: HashMap<usize, Planned>,
    /// The tables as the sink was told of them last.
    told: BTreeMap<TableName, Arc<TableSchema>>,
}

#[derive(Clone)]
struct Planned {
    schema: Arc<TableSchema>,
    /// `None`: its rows go on as they are.
    plan: Option<Arc<Plan>>,
}

impl Planned {
    /// The table behind the rules.
    fn behind(&self) -> &Arc<TableSchema> {
        self.plan.as_ref().map_or(&self.schema, |plan| &plan.schema)
    }
}

impl Transforming {
    pub(super) fn new(
        sink: Box<dyn Sink>,
        rules: Arc<Transforms>,
        name: String,
        needs_key: bool,
    ) -> Self {
        Self { sink, rules, name, needs_key, plans: HashMap::new(), told: BTreeMap::new() }
    }

    fn definite(&self, what: String) -> SinkError {
        SinkError::Definite { sink: self.name.clone(), what }
    }

    fn planned(&mut self, schema: &Arc<TableSchema>) -> Result<Planned, SinkError> {
        let address = Arc::as_ptr(schema).addr();
        if let Some(planned) = self.plans.get(&address) {
            return Ok(planned.clone());
        }
        let plan = self.rules.plan(schema, self.needs_key).map_err(|wrong| self.definite(wrong))?;
        // What was told of the table stays its definition where it is the same.
        let plan = plan.map(|mut plan| {
            if let Some(told) = self.told.get(&schema.name).filter(|told| ***told == *plan.schema) {
                plan.schema = Arc::clone(told);
            }
            Arc::new(plan)
        });
        let planned = Planned { schema: Arc::clone(schema), plan };
        self.plans.insert(address, planned.clone());
        Ok(planned)
    }

    fn batch(&mut self, batch: &Batch) -> Result<Batch, SinkError> {
        let mut items = Vec::with_capacity(batch.items.len());
        for item in &batch.items {
            match item {
                Item::Rows(block) => self.rows(block, &mut items)?,
                Item::Schema(change) => items.extend(self.change(change)?.map(Item::Schema)),
            }
        }
        let bytes = |item: &Item| match item {
            Item::Rows(block) => block.data.len() + ITEM_OVERHEAD,
            Item::Schema(_) => ITEM_OVERHEAD,
        };
        let bytes = items.iter().map(bytes).sum();
        Ok(Batch { items, bytes })
    }

    fn rows(&mut self, block: &RowsBlock, items: &mut Vec<Item>) -> Result<(), SinkError> {
        let planned = self.planned(&block.table)?;
        let Some(plan) = planned.plan else {
            items.push(Item::Rows(block.clone()));
            return Ok(());
        };
        block::through(&plan, block, items).map_err(|trouble| match trouble {
            Trouble::Row(error) => SinkError::Row(error),
            Trouble::Stuck(stuck) => self.definite(format!(
                "{} of a row of {} at {}:{}: {}",
                stuck.what, block.table.name, block.origin.file, block.origin.pos, stuck.why
            )),
        })
    }

    /// The change as it shows behind the rules; `None` where it does not.
    fn change(&mut self, change: &SchemaChange) -> Result<Option<SchemaChange>, SinkError> {
        self.plans.retain(|_, planned| planned.schema.name != change.table);
        let Some(after) = &change.after else {
            // Where the table starts over, its rows come with whatever definition it has by then.
            self.told.remove(&change.table);
            return Ok(Some(change.clone()));
        };
        let planned = self.planned(after)?;
        let (before, behind) = (self.told.get(&change.table), planned.behind());
        let is_hidden = planned.plan.is_some() && before.is_some_and(|told| told == behind);
        if is_hidden && !change.truncated {
            return Ok(None);
        }
        let behind = Arc::clone(behind);
        self.told.insert(change.table.clone(), Arc::clone(&behind));
        let keeps = |name: &str| planned.plan.as_ref().is_none_or(|plan| plan.keeps(name));
        let renamed = change.renamed.iter().filter(|(_, to)| keeps(to));
        let filled = change.filled.iter().filter(|(column, _)| keeps(column));
        Ok(Some(SchemaChange {
            renamed: renamed.cloned().collect(),
            filled: filled.cloned().collect(),
            after: Some(behind),
            ..change.clone()
        }))
    }

    /// The state with its tables as they are behind the rules.
    fn state(&mut self, source: &SourceState) -> Result<SourceState, SinkError> {
        (self.plans, self.told) = (HashMap::new(), BTreeMap::new());
        let mut state = source.clone();
        for table in &mut state.tables {
            table.schema = Arc::clone(self.planned(&table.schema)?.behind());
        }
        for change in &mut state.untold {
            if let Some(after) = &mut change.after {
                *after = Arc::clone(self.planned(after)?.behind());
            }
        }
        let known = state.tables.iter().map(|t| (t.name().clone(), Arc::clone(&t.schema)));
        // What the sink knows of tables with untold changes is what was before them.
        let is_told = |name: &TableName| state.untold.iter().all(|change| change.table != *name);
        self.told = known.filter(|(name, _)| is_told(name)).collect();
        Ok(state)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Sink for Transforming {
    async fn check(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        self.sink.check(token).await
    }

    async fn restore(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        self.sink.restore(token).await
    }

    async fn begin(&mut self, source: &SourceState) -> Result<(), SinkError> {
        let state = self.state(source)?;
        self.sink.begin(&state).await
    }

    async fn write(&mut self, batch: Arc<Batch>) -> Result<(), SinkError> {
        let mut touched = false;
        for item in &batch.items {
            touched |= match item {
                Item::Rows(block) => self.planned(&block.table)?.plan.is_some(),
                Item::Schema(_) => true,
            };
            if touched {
                break;
            }
        }
        if !touched {
            return self.sink.write(batch).await;
        }
        let batch = self.batch(&batch)?;
        if batch.items.is_empty() {
            return Ok(());
        }
        self.sink.write(Arc::new(batch)).await
    }

    async fn prepare(&mut self, barrier: &Barrier) -> Result<SinkToken, SinkError> {
        self.sink.prepare(barrier).await
    }

    async fn commit(&mut self, token: &SinkToken) -> Result<(), SinkError> {
        self.sink.commit(token).await
    }

    fn stages(&self) -> bool {
        self.sink.stages()
    }

    fn rewinds(&self) -> bool {
        self.sink.rewinds()
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.sink.flush().await
    }

    fn flush_due(&self) -> Option<Duration> {
        self.sink.flush_due()
    }
}
