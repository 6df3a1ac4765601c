//! What the loop does when an XA transaction is settled, with the argument in [`super`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use binlog::event::Xid;
use binlog::reader::Delivered;
use binlog::server::connect;
use model::{Origin, RowsBlock, Watermark};
use tokio::time::Instant;

use super::Held;
use crate::source::stream::origin;
use crate::source::tables::Phase;
use crate::source::{MySqlSource, SourceError};

/// How long a commit that the binlog holds may take to be one in the engine.
const VISIBLE_WITHIN: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);

impl MySqlSource {
    pub(in crate::source) async fn xa_commit(
        &mut self,
        xid: &Xid,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        self.awaited.settled(xid);
        if !self.tables.is_all_live() {
            self.unseen.insert(xid.clone());
        }
        match self.xa.take(xid) {
            Some(held) => self.release(held, origin(delivered)).await,
            None => self.unseen_commit(xid, delivered),
        }
    }

    /// The rows of a transaction happen at `origin`.
    pub(in crate::source) async fn release(
        &mut self,
        held: Held,
        origin: Origin,
    ) -> Result<(), SourceError> {
        let mut released = self.xa.release(held, origin);
        while let Some(blocks) = released.next().await? {
            for block in blocks {
                let (table, origin) = (Arc::clone(&block.table), block.origin.clone());
                if let Err(error) = self.settled_rows(block).await {
                    self.set_apart(error, self.place(&origin))?;
                }
                self.tables.apart.dropped(&table.name);
                if self.batcher.is_full() {
                    self.batcher.flush().await?;
                }
            }
        }
        Ok(())
    }

    async fn settled_rows(&mut self, mut block: RowsBlock) -> Result<(), SourceError> {
        if let Some(followed) = self.tables.followed.get(&block.table.name) {
            if followed.schema != block.table {
                let table = block.table.name.clone();
                let what = "its definition changed while an XA transaction that changed rows of \
                            it was prepared"
                    .to_owned();
                return Err(SourceError::UnknownSchema { table, what });
            }
            block.table = Arc::clone(&followed.schema);
        }
        self.change(block).await
    }

    /// The commit of rows that were prepared before the stream began (see [`super::xa`]).
    fn unseen_commit(&mut self, xid: &Xid, delivered: &Delivered) -> Result<(), SourceError> {
        let at = format!("{}:{}", delivered.file, delivered.end);
        if self.beginning || self.tables.is_unread() {
            tracing::info!(%xid, at, "an XA transaction that was prepared before the job began is committed before anything is read");
        } else {
            return Err(SourceError::XaUnseen { xid: xid.to_string(), at });
        }
        for (name, followed) in &mut self.tables.followed {
            match &mut followed.phase {
                Phase::Snapshot(table) => table.reread(),
                // Its position may lie before this.
                Phase::Pass(pass) if pass.is_begun() => {
                    return Err(SourceError::PassBroken { table: name.clone() });
                }
                Phase::Pass(_) | Phase::Live => {}
            }
        }
        Ok(())
    }

    /// Waits until what XA committed before the stream's position is visible to new statements.
    ///
    /// Other than a transaction's own commit, that by name can be in the binlog, and in the positions
    /// that [`binlog::visibility`] waits for, before it is one in the engine (MariaDB source,
    /// `ha_commit_or_rollback_by_xid`: the binlog first, each engine after it). Once the server does
    /// not list the name as prepared, it is through. Where the server lists nothing to us, MySQL from
    /// 8.0 on, the commit is part of the group commit, and the positions tell.
    pub(in crate::source) async fn see_commits(&mut self) -> Result<(), SourceError> {
        self.unseen.retain(|xid| !self.xa.is_held(xid));
        let started = Instant::now();
        while !self.unseen.is_empty() {
            let Some(prepared) = self.prepared_now().await? else {
                self.unseen.clear();
                break;
            };
            self.unseen.retain(|xid| prepared.contains(xid));
            if self.unseen.is_empty() {
                break;
            }
            if started.elapsed() > VISIBLE_WITHIN {
                // Its name is in use again, or the server is stuck.
                tracing::warn!(
                    xids = self.unseen.len(),
                    "XA transactions are committed, and still listed as prepared"
                );
                self.unseen.clear();
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Asks again which of the awaited transactions are prepared: one that changed nothing is settled
    /// without a word in the binlog.
    pub(in crate::source) async fn ask_for_awaited(&mut self) -> Result<(), SourceError> {
        if self.awaited.ask_at().is_none_or(|at| Instant::now() < at) {
            return Ok(());
        }
        let prepared = self.prepared_now().await?.unwrap_or_default();
        if self.awaited.still(&prepared) {
            // The verdict of what is gone, if it has one, lies before here.
            let mut conn = connect(&self.options).await?;
            let end = self.server.binlog_end(&mut conn).await?;
            self.opens_after = Some(Watermark::Binlog(end));
            self.catalog = Some(conn);
        }
        self.awaited.expire();
        Ok(())
    }

    async fn prepared_now(&mut self) -> Result<Option<HashSet<Xid>>, SourceError> {
        if let Some(mut conn) = self.catalog.take()
            && let Ok(prepared) = self.server.prepared(&mut conn).await
        {
            self.catalog = Some(conn);
            return Ok(prepared);
        }
        let mut conn = connect(&self.options).await?;
        let prepared = self.server.prepared(&mut conn).await?;
        self.catalog = Some(conn);
        Ok(prepared)
    }
}
