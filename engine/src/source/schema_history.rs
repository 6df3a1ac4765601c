//! The schema in force at the stream's position (invariant `schema-at`).
//!
//! A statement that changes a followed table is applied to the definition in force before it
//! ([`super::definition`]), which holds however far the stream lags. Where it cannot be, for its
//! words are not known to us or the definition before it is not proven, the definition is read from
//! the server again. The server tells what the table is *now*, so such a definition is only used for
//! rows that fit it (the table map in front of them says types, widths and, with
//! `binlog_row_metadata=FULL`, names); rows that do not fit end the job with the reason.

use std::sync::Arc;

use binlog::event::QueryEvent;
use binlog::reader::Delivered;
use binlog::server::{Server, connect};
use model::checkpoint::Quarantined;
use model::{BinlogPosition, TableName, TableSchema};
use mysql_async::Conn;

use super::catalog::{self, CatalogTable};
use super::ddl::{self, Logged, Touch};
use super::definition::{self, Altered};
use super::tables::{Followed, Phase, Redefined};
use super::{MySqlSource, SourceError};

mod renames;
mod told;

use self::renames::Hop;
pub(super) use self::told::Rows;
use self::told::Told;

impl MySqlSource {
    /// Takes a statement of the binlog.
    pub(super) async fn statement(
        &mut self,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        let for_mariadb = (!self.server.is_mariadb() && query.sql.contains("/*M!")).then(|| {
            // A comment that MariaDB would have run: here it is one like any other.
            QueryEvent { sql: query.sql.replace("/*M!", "/* M!"), ..query.clone() }
        });
        let query = for_mariadb.as_ref().unwrap_or(query);
        match ddl::read(&query.sql, &query.db) {
            Logged::Other => {}
            // Bytes outside the statement's character set: its names may be other names.
            Logged::Touches(_) if !query.sql_exact => self.unreadable(query, delivered).await?,
            Logged::Touches(touches) => {
                for (n, touch) in touches.iter().enumerate() {
                    let hop = Hop::of(&touches, n);
                    self.touch_or_set_apart(touch.clone(), hop, query, delivered).await?;
                }
                self.reader.replan();
            }
            Logged::RowsAsStatement { verb, tables } => {
                let creates = verb.starts_with("CREATE");
                for (n, table) in tables.iter().enumerate() {
                    let table = self.tables.stored(table);
                    // The one that is created comes first.
                    let new = creates
                        && n == 0
                        && self.tables.patterns.matches(&table)
                        && !self.tables.apart.has(&table)
                        && !self.tables.passes_over(&table);
                    if new || self.tables.followed.contains_key(&table) {
                        self.rows_unlogged(&verb, table, query, delivered)?;
                    }
                }
            }
            Logged::Unreadable => self.unreadable(query, delivered).await?,
            Logged::UnreadableRows { verb } => {
                for table in self.named_in(&query.sql) {
                    self.rows_unlogged(&verb, table, query, delivered)?;
                }
            }
            Logged::RowsOfFunction => {
                let at = format!("{}:{}", delivered.file, delivered.end);
                return Err(SourceError::RowsOfFunction { at, sql: shortened(&query.sql) });
            }
        }
        Ok(())
    }

    /// Rows of `table` may have changed, and are not in the binlog.
    fn rows_unlogged(
        &mut self,
        verb: &str,
        table: TableName,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        let at = format!("{}:{}", delivered.file, delivered.end);
        let (verb, sql) = (verb.to_owned(), shortened(&query.sql));
        let error = SourceError::Statement { verb, table, at, sql };
        self.set_apart(error, self.place_of(delivered))
    }

    /// A table that cannot follow its statement may be set apart; one that the statement drops or
    /// renames is then gone all the same.
    async fn touch_or_set_apart(
        &mut self,
        touch: Touch,
        hop: Hop,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        let Err(error) = self.touch(touch.clone(), hop.clone(), query, delivered).await else {
            return Ok(());
        };
        self.set_apart(error, self.place_of(delivered))?;
        let gone = if let Touch::Drop(from) | Touch::Rename { from, .. } = &touch {
            self.tables.apart.has(&self.tables.stored(from))
        } else {
            false
        };
        if gone { self.touch(touch, hop, query, delivered).await } else { Ok(()) }
    }

    /// A change that we cannot read: every followed table that it may be about is read again.
    async fn unreadable(
        &mut self,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        tracing::warn!(sql = shortened(&query.sql), at = %delivered.end,
            "a statement could not be read; the tables that it names are read from the server again");
        let named = self.named_in(&query.sql);
        for table in named {
            if let Err(error) = self.redefine(&table, None, Rows::Kept, query, delivered).await {
                self.set_apart(error, self.place_of(delivered))?;
            }
        }
        self.reread_shadows(&query.sql).await?;
        self.reader.replan();
        Ok(())
    }

    /// Followed tables whose name stands anywhere in a text.
    fn named_in(&self, sql: &str) -> Vec<TableName> {
        let sql = sql.to_lowercase();
        let followed = self.tables.followed.keys();
        followed.filter(|t| sql.contains(&t.table.to_lowercase())).cloned().collect()
    }

    async fn touch(
        &mut self,
        touch: Touch,
        hop: Hop,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        // Through a name in between nothing is cut over.
        if !hop.goes_on && self.touch_online(&touch, query, delivered).await? {
            return Ok(());
        }
        match touch {
            Touch::Create { table, anew } => {
                let table = self.tables.stored(&table);
                if !anew && self.tables.apart.has(&table) {
                    return Ok(());
                }
                if self.let_go_of_quarantined(&table).is_some() {
                    self.announce_dropped(&table, query, delivered);
                }
                if self.tables.followed.contains_key(&table) {
                    if !anew {
                        return Ok(());
                    }
                    // MariaDB's CREATE OR REPLACE.
                    let new = self.created(&table, query).map(Altered::from);
                    self.redefine(&table, new, Rows::Gone, query, delivered).await
                } else if self.tables.patterns.matches(&table) {
                    self.born(&table, query, delivered).await
                } else {
                    Ok(())
                }
            }
            Touch::Alter(table) => {
                let table = self.tables.stored(&table);
                if !self.tables.followed.contains_key(&table) {
                    return Ok(());
                }
                let altered = self.altered(&table, query);
                self.redefine(&table, altered, Rows::Kept, query, delivered).await
            }
            Touch::Drop(table) => {
                let table = self.tables.stored(&table);
                self.refuse_blind_trust(&table, query)?;
                self.let_go(&table, query, delivered).await;
                Ok(())
            }
            Touch::Database(db) => {
                self.dialect.forget_database(&self.tables.stored(&TableName::new(db, "")).db);
                Ok(())
            }
            Touch::DropDatabase(db) => {
                let db = self.tables.stored(&TableName::new(db, "")).db;
                self.dialect.forget_database(&db);
                let followed = self.tables.followed.keys().filter(|t| t.db == db).cloned();
                let gone: Vec<TableName> =
                    followed.chain(self.tables.apart.of_database(&db)).collect();
                for table in gone {
                    self.let_go(&table, query, delivered).await;
                }
                Ok(())
            }
            Touch::Truncate(table) => {
                let table = self.tables.stored(&table);
                self.truncated(&table, query, delivered).await
            }
            Touch::Rename { from, to } => {
                let (from, to) = (self.tables.stored(&from), self.tables.stored(&to));
                self.refuse_blind_trust(&from, query)?;
                self.renamed(&from, to, hop, query, delivered).await
            }
        }
    }

    /// Follows a table from its birth.
    async fn born(
        &mut self,
        table: &TableName,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        let Some(schema) = self.created(table, query) else {
            return self.follow(table, false, query, delivered).await;
        };
        tracing::info!(%table, "a new table matches and is followed from here on");
        let schema = Arc::new(schema);
        let followed = Followed::live(CatalogTable::born(Arc::clone(&schema)));
        self.tables.followed.insert(table.clone(), followed);
        self.announce(table, Told::of(schema), query, delivered);
        self.plan(table).await;
        Ok(())
    }

    pub(super) fn created(&self, table: &TableName, query: &QueryEvent) -> Option<TableSchema> {
        if !query.sql_exact {
            return None;
        }
        let here = &self.reader.position().binlog;
        definition::created(table, query, &self.dialect, |other| {
            let other = self.tables.followed.get(&self.tables.stored(other))?;
            other.is_proven_at(here).then(|| Arc::clone(&other.schema))
        })
    }

    fn altered(&self, table: &TableName, query: &QueryEvent) -> Option<Altered> {
        let before = self.tables.followed.get(table)?;
        let proven = query.sql_exact && before.is_proven_at(&self.reader.position().binlog);
        proven.then(|| definition::altered(&before.schema, query, &self.dialect)).flatten()
    }

    /// Follows a table from here on with the server's definition: from its birth, or (`has_rows`)
    /// with what it holds.
    async fn follow(
        &mut self,
        table: &TableName,
        has_rows: bool,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        let (found, read_at) = self.definition(table).await?;
        let Some(found) = found else {
            // Gone again by now. If rows of it come before the statement that drops it, `plan`
            // says what is wrong.
            tracing::warn!(%table, "a table was created that is already gone");
            return Ok(());
        };
        tracing::info!(%table, "a new table matches and is followed from here on");
        let read = has_rows && self.reads_tables;
        let mut followed = if read { Followed::to_read(found) } else { Followed::live(found) };
        followed.read_at(read_at);
        let schema = Arc::clone(&followed.schema);
        self.tables.followed.insert(table.clone(), followed);
        self.announce(table, Told::of(schema), query, delivered);
        self.plan(table).await;
        Ok(())
    }

    /// `altered`: what the statement makes of the table, if it can be told from its words.
    pub(super) async fn redefine(
        &mut self,
        table: &TableName,
        altered: Option<Altered>,
        rows: Rows,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        self.refuse_inside_a_pass(table)?;
        if let Some(altered) = altered {
            return self.derive(table, altered, rows, query, delivered).await;
        }
        self.refuse_blind_trust(table, query)?;
        let (found, read_at) = self.definition(table).await?;
        let Some(followed) = self.tables.followed.get_mut(table) else { return Ok(()) };
        let mut redefined = Redefined::AsBefore;
        match found {
            Some(found) => {
                followed.unknown = None;
                followed.read_at(read_at);
                redefined = followed.redefine(Arc::clone(&found.schema));
            }
            None => {
                let sql = shortened(&query.sql);
                followed.unknown = Some(format!("it was changed, and dropped since then: {sql}"));
            }
        }
        let told = Told { rows, ..Told::of(Arc::clone(&followed.schema)) };
        self.planned_anew(table, redefined).await?;
        self.announce(table, told, query, delivered);
        Ok(())
    }

    async fn derive(
        &mut self,
        table: &TableName,
        Altered { schema, renamed, filled }: Altered,
        rows: Rows,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        let Some(followed) = self.tables.followed.get_mut(table) else { return Ok(()) };
        let schema = Arc::new(schema);
        (followed.unknown, followed.unproven) = (None, None);
        let redefined = followed.redefine(Arc::clone(&schema));
        self.planned_anew(table, redefined).await?;
        self.announce(table, Told { rows, renamed, filled, ..Told::of(schema) }, query, delivered);
        Ok(())
    }

    /// Draws the consequence of a new definition for the table's chunks.
    async fn planned_anew(
        &mut self,
        table: &TableName,
        redefined: Redefined,
    ) -> Result<(), SourceError> {
        self.weights.forget();
        match redefined {
            Redefined::AsBefore => Ok(()),
            Redefined::PlanAnew => {
                self.plan(table).await;
                Ok(())
            }
            Redefined::KeyLost => Err(SourceError::KeyLost { table: table.clone() }),
        }
    }

    /// A table changes for the second time before the stream has caught up with the first: the
    /// definition that we read in between may have been that of the second change already, and a
    /// column in another column's place does not show without names in the binlog.
    pub(super) fn refuse_blind_trust(
        &self,
        table: &TableName,
        query: &QueryEvent,
    ) -> Result<(), SourceError> {
        let names_known = self.server.variable("binlog_row_metadata") == Some("FULL");
        let position = &self.reader.position().binlog;
        let blind =
            self.tables.followed.get(table).is_some_and(|t| {
                t.unproven.as_ref().is_some_and(|u| u.used && *position < u.until)
            });
        if names_known || !blind || !ddl::may_move_columns(&query.sql) {
            return Ok(());
        }
        let what = format!(
            "it changed again before the stream had caught up with its last change, and \
             binlog_row_metadata=MINIMAL hides which columns the rows between had: {}",
            shortened(&query.sql)
        );
        Err(SourceError::UnknownSchema { table: table.clone(), what })
    }

    async fn truncated(
        &mut self,
        table: &TableName,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        self.refuse_inside_a_pass(table)?;
        let Some(followed) = self.tables.followed.get_mut(table) else { return Ok(()) };
        // What is open of a snapshot was read before or after it: read it again.
        let schema = Arc::clone(&followed.schema);
        let redefined = followed.redefine(Arc::clone(&schema));
        let told = Told { rows: Rows::Gone, ..Told::of(schema) };
        self.announce(table, told, query, delivered);
        self.planned_anew(table, redefined).await
    }

    /// Rows of a pass that are out already do not fit the table any more.
    fn refuse_inside_a_pass(&self, table: &TableName) -> Result<(), SourceError> {
        match self.tables.followed.get(table).map(|t| &t.phase) {
            Some(Phase::Pass(pass)) if pass.is_emitting() => {
                Err(SourceError::PassBroken { table: table.clone() })
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn let_go(
        &mut self,
        table: &TableName,
        query: &QueryEvent,
        delivered: &Delivered,
    ) {
        if let Some(followed) = self.tables.followed.remove(table) {
            tracing::info!(%table, "the table was dropped and is let go");
            self.shared.planner.lock().await.remove(followed.plan);
            self.announce_dropped(table, query, delivered);
        } else if self.let_go_of_quarantined(table).is_some() {
            self.announce_dropped(table, query, delivered);
        }
    }

    /// The table that is in quarantine under this name, if one is, is no more.
    fn let_go_of_quarantined(&mut self, table: &TableName) -> Option<Quarantined> {
        let known = self.tables.apart.leave(table)?;
        tracing::warn!(%table, events_dropped = known.events_dropped,
            "the table is gone, and out of quarantine");
        Some(known)
    }

    /// The table as it is now, and how far the binlog was when that was read.
    pub(super) async fn definition(
        &mut self,
        table: &TableName,
    ) -> Result<(Option<CatalogTable>, BinlogPosition), SourceError> {
        let first = match self.catalog.take() {
            Some(mut conn) => {
                read_definition(&self.server, &mut conn, table).await.map(|d| (d, conn)).ok()
            }
            None => None,
        };
        let (definition, conn) = match first {
            Some(done) => done,
            None => {
                let mut conn = connect(&self.options).await?;
                (read_definition(&self.server, &mut conn, table).await?, conn)
            }
        };
        self.catalog = Some(conn);
        Ok(definition)
    }
}

async fn read_definition(
    server: &Server,
    conn: &mut Conn,
    table: &TableName,
) -> Result<(Option<CatalogTable>, BinlogPosition), SourceError> {
    let found = catalog::read_one(conn, table).await?;
    Ok((found, server.binlog_end(conn).await?))
}

/// A statement for a message: one line, not too long.
fn shortened(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 200 {
        return line;
    }
    line.chars().take(200).chain("…".chars()).collect()
}
