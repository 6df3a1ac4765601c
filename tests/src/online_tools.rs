//! gh-ost and pt-online-schema-change, step by step, so that a test can put something between two.
//!
//! The statements are those of the tools, with their comments and names. What gh-ost reads from the
//! binlog and replays is here the difference of the two tables.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::Conn;
use mysql_async::prelude::*;
use tokio::task::JoinSet;

use crate::Server;

/// Keys that a tool copies with one statement.
const NIBBLE: u64 = 6_000;

/// gh-ost, of table `d.t`.
pub struct GhOst<'s> {
    pub server: &'s Server,
    /// Those that both tables have, with the key first: `id, v`.
    pub columns: &'static str,
    /// What comes behind `ALTER TABLE t`.
    pub alter: &'static str,
}

impl GhOst<'_> {
    /// Makes the shadow, changed, and the tool's own table.
    pub async fn prepare(&self) -> Result<()> {
        let sql = "drop /* gh-ost */ table if exists `d`.`_t_gho`;\n\
             drop /* gh-ost */ table if exists `d`.`_t_del`;\n\
             drop /* gh-ost */ table if exists `d`.`_t_ghc`;\n\
             create /* gh-ost */ table `d`.`_t_ghc` (\n\
             \tid bigint unsigned auto_increment,\n\
             \tlast_update timestamp not null DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,\n\
             \thint varchar(64) charset ascii not null,\n\
             \tvalue varchar(4096) charset ascii not null,\n\
             \tprimary key(id),\n\tunique key hint_uidx(hint)\n) auto_increment=256\n\
             comment='gh-ost changelog';\n\
             create /* gh-ost */ table `d`.`_t_gho` like `d`.`t`";
        self.server.sql(sql).await?;
        self.server.sql(&format!("alter /* gh-ost */ table `d`.`_t_gho` {}", self.alter)).await?;
        self.note("state", "GhostTableMigrated").await
    }

    async fn note(&self, hint: &str, value: &str) -> Result<()> {
        let sql = format!(
            "insert /* gh-ost */ into `d`.`_t_ghc` (hint, value) values ('{hint}', '{value}') \
             on duplicate key update last_update=NOW(), value=VALUES(value)"
        );
        self.server.sql(&sql).await
    }

    /// Copies the rows that are there.
    pub async fn copy(&self) -> Result<()> {
        let mut conn = self.server.conn().await?;
        let columns = self.columns;
        for from in nibbles(&mut conn).await? {
            let to = from + NIBBLE;
            let sql = format!(
                "insert /* gh-ost `d`.`t` */ ignore into `d`.`_t_gho` ({columns}) \
                 (select {columns} from `d`.`t` force index (`PRIMARY`) \
                 where id >= {from} and id < {to} lock in share mode)"
            );
            patiently(&mut conn, &sql).await?;
            self.note("heartbeat", &from.to_string()).await?;
        }
        Ok(())
    }

    /// What writers changed since the copy.
    pub async fn apply(&self) -> Result<()> {
        self.apply_with(&mut self.server.conn().await?).await
    }

    /// What gh-ost replays from the binlog, as it writes it. `reads` may hold the table's lock.
    pub async fn apply_with(&self, reads: &mut Conn) -> Result<()> {
        let mut conn = self.server.conn().await?;
        let (table, shadow) =
            (self.image(reads, "t").await?, self.image(&mut conn, "_t_gho").await?);
        let news: Vec<&String> = table
            .iter()
            .filter(|(id, row)| shadow.get(id) != Some(row))
            .map(|(_, row)| row)
            .collect();
        for rows in news.chunks(200) {
            let rows: Vec<String> = rows.iter().map(|row| format!("({row})")).collect();
            let sql = format!(
                "replace /* gh-ost `d`.`_t_gho` */ into `d`.`_t_gho` ({}) values {}",
                self.columns,
                rows.join(", ")
            );
            patiently(&mut conn, &sql).await?;
        }
        for id in shadow.keys().filter(|id| !table.contains_key(id)) {
            let sql =
                format!("delete /* gh-ost `d`.`_t_gho` */ from `d`.`_t_gho` where ((`id` = {id}))");
            patiently(&mut conn, &sql).await?;
        }
        Ok(())
    }

    /// Each row as the values of an INSERT.
    async fn image(&self, conn: &mut Conn, table: &str) -> Result<BTreeMap<i64, String>> {
        let quoted: Vec<String> =
            self.columns.split(", ").map(|c| format!("IFNULL(QUOTE({c}), 'NULL')")).collect();
        let sql = format!("SELECT id, CONCAT_WS(', ', {}) FROM d.{table}", quoted.join(", "));
        let rows: Vec<(i64, String)> = conn.query(sql).await?;
        Ok(rows.into_iter().collect())
    }

    /// The atomic one: a sentry keeps the name of the old table until the shadow is up to date.
    pub async fn cut_over(&self) -> Result<()> {
        let mut holder = self.server.conn().await?;
        let sentry = "create /* gh-ost */ table `d`.`_t_del` (\n\tid int auto_increment primary key\n\
             ) engine=InnoDB comment='ghost-cut-over-sentry'";
        holder.query_drop("drop /* gh-ost */ table if exists `d`.`_t_del`").await?;
        holder.query_drop(sentry).await?;
        holder.query_drop("lock /* gh-ost */ tables `d`.`t` write, `d`.`_t_del` write").await?;
        self.apply_with(&mut holder).await?;
        let mut renamer = self.server.conn().await?;
        let mut rename = JoinSet::new();
        rename.spawn(async move {
            let sql = "rename /* gh-ost */ table `d`.`t` to `d`.`_t_del`, `d`.`_t_gho` to `d`.`t`";
            renamer.query_drop(sql).await
        });
        let waiting = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
             WHERE INFO LIKE 'rename %' AND STATE LIKE 'Waiting for table%'";
        while self.server.value::<u64>(waiting).await? == 0 {
            let early = rename.try_join_next();
            ensure!(early.is_none(), "the rename did not wait: {early:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        holder.query_drop("drop /* gh-ost */ table if exists `d`.`_t_del`").await?;
        // From the sentry's lock the rename goes on to that of the table, where it is first in line.
        // A writer that is there before it would change what the shadow does not get.
        tokio::time::sleep(Duration::from_millis(200)).await;
        holder.query_drop("unlock /* gh-ost */ tables").await?;
        while let Some(renamed) = rename.join_next().await {
            renamed??;
        }
        self.server.sql("drop /* gh-ost */ table if exists `d`.`_t_ghc`").await
    }
}

/// pt-online-schema-change, of table `d.t`.
pub struct PtOsc<'s> {
    pub server: &'s Server,
    /// Those that both tables have, with the key first: `id, v`.
    pub columns: &'static str,
    /// What comes behind `ALTER TABLE t`.
    pub alter: &'static str,
}

impl PtOsc<'_> {
    /// Makes the shadow, changed, and the triggers that follow the writers into it.
    pub async fn prepare(&self) -> Result<()> {
        let mut conn = self.server.conn().await?;
        let shown: Option<(String, String)> = conn.query_first("SHOW CREATE TABLE d.t").await?;
        let (_, create) = shown.context("no table")?;
        let create = create.replacen("CREATE TABLE `t` (", "CREATE TABLE `d`.`_t_new` (", 1);
        conn.query_drop("USE d").await?;
        conn.query_drop(create).await?;
        conn.query_drop(format!("ALTER TABLE `d`.`_t_new` {}", self.alter)).await?;
        let new: Vec<String> = self.columns.split(", ").map(|c| format!("NEW.`{c}`")).collect();
        let replace =
            format!("REPLACE INTO `d`.`_t_new` ({}) VALUES ({})", self.columns, new.join(", "));
        let gone = "DELETE IGNORE FROM `d`.`_t_new` WHERE";
        let same = "`d`.`_t_new`.`id` <=> OLD.`id`";
        let bodies = [
            ("del", "DELETE", format!("{gone} {same};")),
            ("upd", "UPDATE", format!("{gone} !(OLD.`id` <=> NEW.`id`) AND {same}; {replace};")),
            ("ins", "INSERT", format!("{replace};")),
        ];
        for (suffix, event, body) in bodies {
            let sql = format!(
                "CREATE TRIGGER `pt_osc_d_t_{suffix}` AFTER {event} ON `d`.`t` FOR EACH ROW BEGIN \
                 DECLARE CONTINUE HANDLER FOR 1146 begin end; {body} END "
            );
            conn.query_drop(sql).await?;
        }
        Ok(())
    }

    /// Copies the rows that are there.
    pub async fn copy(&self) -> Result<()> {
        let mut conn = self.server.conn().await?;
        let columns = self.columns;
        for from in nibbles(&mut conn).await? {
            let sql = format!(
                "INSERT LOW_PRIORITY IGNORE INTO `d`.`_t_new` ({columns}) SELECT {columns} FROM \
                 `d`.`t` FORCE INDEX(`PRIMARY`) WHERE ((`id` >= {from})) AND ((`id` < {})) \
                 LOCK IN SHARE MODE /*pt-online-schema-change 7 copy nibble*/",
                from + NIBBLE
            );
            patiently(&mut conn, &sql).await?;
        }
        Ok(())
    }

    /// Puts the shadow in the place of the table.
    pub async fn cut_over(&self) -> Result<()> {
        let sql = "ANALYZE TABLE `d`.`_t_new` /* pt-online-schema-change */;\n\
             RENAME TABLE `d`.`t` TO `d`.`_t_old`, `d`.`_t_new` TO `d`.`t`;\n\
             DROP TABLE IF EXISTS `d`.`_t_old`;\n\
             DROP TRIGGER IF EXISTS `d`.`pt_osc_d_t_del`;\n\
             DROP TRIGGER IF EXISTS `d`.`pt_osc_d_t_upd`;\n\
             DROP TRIGGER IF EXISTS `d`.`pt_osc_d_t_ins`";
        self.server.sql(sql).await
    }
}

/// First keys of the pieces that the table is copied in.
async fn nibbles(conn: &mut Conn) -> Result<Vec<u64>> {
    let last: Option<u64> = conn.query_first("SELECT MAX(id) FROM d.t").await?;
    let last = last.context("no rows")?;
    Ok((0..=last / NIBBLE).map(|n| n * NIBBLE).collect())
}

/// Writers and a tool may lock each other out; both tools try again.
async fn patiently(conn: &mut Conn, sql: &str) -> Result<()> {
    const DEADLOCK: u16 = 1213;
    const LOCK_WAIT: u16 = 1205;
    for _ in 0..50 {
        match conn.query_drop(sql).await {
            Err(mysql_async::Error::Server(e)) if [DEADLOCK, LOCK_WAIT].contains(&e.code) => {}
            other => return other.context(sql.chars().take(120).collect::<String>()),
        }
    }
    bail!("no luck with {sql}")
}
