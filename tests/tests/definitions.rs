//! A table's definition after a statement is worked out from the statement's own words, for the
//! server only tells what it is now. Here each server is asked after each of many statements, written
//! by hand and by dice, whether we read it as it did.

use anyhow::{Context, Result, ensure};
use binlog::event::QueryEvent;
use binlog::server::Server as Probed;
use engine::source::catalog;
use engine::source::definition::{altered, created};
use engine::source::dialect::Dialect;
use model::TableName;
use model::table::TableSchema;
use mysql_async::Conn;
use mysql_async::prelude::*;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tests::{Server, for_each_server, say};

const STATEMENTS: u32 = 800;

/// How many times the dice are played: `ROUNDS=…` looks further.
fn rounds() -> Result<u32> {
    std::env::var("ROUNDS").map_or(Ok(1), |rounds| Ok(rounds.parse()?))
}

/// Each is run on a table `t` as [`FIRST`] makes it.
const BY_HAND: &[&str] = &[
    "ALTER TABLE t ADD COLUMN x INT",
    "ALTER TABLE t ADD x INT UNSIGNED NOT NULL DEFAULT 5 COMMENT 'AFTER a, DROP b' FIRST",
    "ALTER TABLE t ADD (x TINYINT(1), y VARCHAR(20) NOT NULL DEFAULT '(,', KEY (x))",
    "ALTER TABLE t ADD x INT AFTER a, ADD y INT AFTER x, ADD z INT FIRST",
    "ALTER TABLE t DROP COLUMN b, ADD COLUMN b BIGINT UNSIGNED",
    "ALTER TABLE t MODIFY a INT AFTER c, MODIFY b VARCHAR(30) AFTER a",
    "ALTER TABLE t CHANGE a b2 INT, CHANGE b a VARCHAR(10)",
    "ALTER TABLE t CHANGE COLUMN id ident BIGINT NOT NULL AUTO_INCREMENT",
    "ALTER TABLE t MODIFY COLUMN c DECIMAL(12,4) UNSIGNED ZEROFILL, ENGINE=InnoDB COMMENT='x, DROP a'",
    "ALTER TABLE t DROP PRIMARY KEY, MODIFY id INT NOT NULL, ADD PRIMARY KEY (b, id)",
    "ALTER TABLE t ADD UNIQUE KEY (a, b), ADD UNIQUE (a), ADD INDEX (a)",
    "ALTER TABLE t ADD CONSTRAINT u_c UNIQUE (c), ADD CONSTRAINT UNIQUE KEY named (b(3))",
    "ALTER TABLE t DROP INDEX u_b, ADD UNIQUE INDEX u_b (b DESC, a) USING BTREE COMMENT 'x'",
    "ALTER TABLE t DROP COLUMN u, DROP COLUMN a",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "ALTER TABLE t CONVERT TO CHARACTER SET latin1",
    "ALTER TABLE t DEFAULT CHARACTER SET = gbk",
    "ALTER TABLE t DEFAULT CHARSET=latin1 COLLATE latin1_bin, ADD x VARCHAR(9), ADD y CHAR(3) CHARSET utf8mb4",
    "ALTER TABLE t ADD x ENUM('a','b''c','日本 ') NOT NULL, ADD y SET('p','q') CHARACTER SET latin1",
    "ALTER TABLE t ADD x DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)",
    "ALTER TABLE t ADD x TIMESTAMP NULL, ADD y TIME(6), ADD z YEAR, ADD w DATE",
    "ALTER TABLE t ADD x FLOAT, ADD y FLOAT(30), ADD z DOUBLE PRECISION, ADD w FLOAT(7,3), ADD v REAL UNSIGNED",
    "ALTER TABLE t ADD x BIT, ADD y BIT(17), ADD z BINARY(4), ADD w VARBINARY(40), ADD v BINARY",
    "ALTER TABLE t ADD x TEXT, ADD y TINYTEXT CHARACTER SET latin1, ADD z LONGBLOB, ADD w MEDIUMTEXT, ADD v BLOB",
    "ALTER TABLE t ADD x BOOL NOT NULL DEFAULT TRUE, ADD y INTEGER, ADD z DEC, ADD w NUMERIC(5), ADD v CHARACTER VARYING(7)",
    "ALTER TABLE t ADD x INT ZEROFILL, ADD y INT(5), ADD z TINYINT(1) UNSIGNED, ADD w SMALLINT(3) UNSIGNED ZEROFILL",
    "ALTER TABLE t ADD x POINT, ADD y GEOMETRY",
    "ALTER TABLE t ADD x INT GENERATED ALWAYS AS (id + 1) VIRTUAL, ADD y INT AS (id * (2 + 3)) STORED",
    "ALTER TABLE t ADD x JSON",
    "ALTER TABLE t ADD COLUMN `odd name` INT, ADD COLUMN `日 本` INT, ADD COLUMN `q``q` INT",
    "ALTER TABLE t ALTER a SET DEFAULT 7, ALTER COLUMN b DROP DEFAULT",
    "ALTER TABLE t RENAME COLUMN a TO a2",
    "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a",
    "ALTER TABLE t RENAME INDEX u_b TO u_b2",
    "ALTER TABLE t ADD x INT INVISIBLE",
    "ALTER TABLE t ALGORITHM=INPLACE, LOCK=NONE, ADD x INT",
    "ALTER TABLE t ROW_FORMAT=DYNAMIC KEY_BLOCK_SIZE=0 STATS_PERSISTENT=1, FORCE",
    "ALTER TABLE t ORDER BY a, b",
    "ALTER TABLE t ADD x INT /*!50100 UNSIGNED */ NOT NULL",
    "ALTER TABLE t ADD x INT DEFAULT -5, ADD y CHAR(2) DEFAULT _latin1'ab', ADD z BIT(4) DEFAULT b'101'",
    "ALTER TABLE t ADD FULLTEXT KEY ft (b), ADD x INT",
    "ALTER TABLE t ADD x BIGINT UNSIGNED UNIQUE",
    "ALTER TABLE t ADD x INT CHECK (x > 0)",
    "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE CASCADE",
    "ALTER TABLE t MODIFY id BIGINT UNSIGNED NOT NULL",
    "ALTER IGNORE TABLE t ADD x INT",
    "CREATE UNIQUE INDEX u_n ON t (a, c)",
    "CREATE INDEX n ON t (a)",
    "DROP INDEX u_b ON t",
    "ALTER TABLE t DROP FOREIGN KEY nothing",
    "ALTER TABLE t PARTITION BY HASH(id) PARTITIONS 3",
    "ALTER TABLE t ADD x UUID, ADD y INET6, ADD z INET4",
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT, ADD COLUMN IF NOT EXISTS x INT, DROP COLUMN IF EXISTS nothing",
    "ALTER TABLE t ADD UNIQUE ((a + 1)), ADD x INT",
    "ALTER TABLE t ADD INDEX n ((a + 1)), ADD x INT",
];

/// Each is run on what those before it left of [`FIRST`].
const BEGINNINGS_AND_EXPRESSIONS: &[&str] = &[
    "ALTER TABLE t ADD x BLOB, ADD UNIQUE beginning (x(9)), ADD UNIQUE both (x(9), a)",
    "ALTER TABLE t DROP COLUMN x",
    "ALTER TABLE t ADD y VARCHAR(9) UNIQUE, ADD UNIQUE beginning (y(3))",
    "ALTER TABLE t DROP y, ADD beginning INT UNIQUE",
    "ALTER TABLE t ADD INDEX e ((a + 1), b), ADD UNIQUE f (b, (a + 1)), ADD INDEX g ((a + 2))",
    "ALTER TABLE t DROP COLUMN b",
    "ALTER TABLE t ADD z INT",
];

const FIRST: &str = "CREATE TABLE t (
  id INT NOT NULL AUTO_INCREMENT, a INT, b VARCHAR(10) NOT NULL, c DECIMAL(10,2),
  u INT NOT NULL, PRIMARY KEY (id), UNIQUE KEY u_b (b), UNIQUE KEY u_u (u, a)
) DEFAULT CHARSET=utf8mb4";

const CREATIONS: &[&str] = &[
    FIRST,
    "CREATE TABLE t (id SERIAL, v VARCHAR(5) COLLATE latin1_bin)",
    "CREATE TABLE IF NOT EXISTS t (a INT KEY, b CHAR(3) UNIQUE, c INT, INDEX (c)) ENGINE=InnoDB",
    "CREATE TABLE `t` (`a` int(11) NOT NULL, `b` text) COLLATE=utf8_general_ci COMMENT='(x'",
    "CREATE TABLE t (a INT, b INT, PRIMARY KEY (b, a)) CHARSET latin1 PARTITION BY KEY() PARTITIONS 2",
    "CREATE TABLE t (a TIMESTAMP, b TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, c TIMESTAMP NULL)",
    "CREATE TABLE t LIKE parent",
];

struct Judge {
    conn: Conn,
    dialect: Dialect,
    name: TableName,
    run: u32,
    unread: Vec<String>,
    misread: Vec<String>,
}

fn event(sql: &str) -> QueryEvent {
    QueryEvent {
        thread_id: 0,
        error_code: 0,
        db: "d".to_owned(),
        sql: sql.to_owned(),
        sql_exact: true,
        sql_mode: None,
        charset: None,
        default_collation_for_utf8mb4: None,
        database_collation: None,
    }
}

impl Judge {
    async fn new(server: &Server) -> Result<Self> {
        let mut conn = server.conn().await?;
        conn.query_drop("CREATE DATABASE d DEFAULT CHARACTER SET latin1").await?;
        conn.query_drop("USE d").await?;
        conn.query_drop("CREATE TABLE parent (id INT NOT NULL PRIMARY KEY, v VARCHAR(7))").await?;
        let probed = Probed::probe(&mut conn).await?;
        let dialect = Dialect::read(&mut conn, &probed).await?;
        let name = TableName::new("d", "t");
        Ok(Self { conn, dialect, name, run: 0, unread: vec![], misread: vec![] })
    }

    async fn now(&mut self, name: &TableName) -> Result<TableSchema> {
        let table = catalog::read_one(&mut self.conn, name).await?.context("no such table")?;
        Ok(TableSchema::clone(&table.schema))
    }

    async fn renew(&mut self) -> Result<()> {
        self.conn.query_drop("DROP TABLE IF EXISTS t").await?;
        Ok(self.conn.query_drop(FIRST).await?)
    }

    /// Runs a statement; what we make of it must be what the server makes of it. A statement that
    /// the server refuses is in no binlog.
    async fn alter(&mut self, sql: &str) -> Result<()> {
        let name = self.name.clone();
        let before = self.now(&name).await?;
        if self.conn.query_drop(sql).await.is_err() {
            return Ok(());
        }
        let after = self.now(&name).await?;
        let ours = altered(&before, &event(sql), &self.dialect).map(|altered| altered.schema);
        self.judge(sql, ours, &after);
        Ok(())
    }

    async fn create(&mut self, sql: &str) -> Result<()> {
        self.conn.query_drop("DROP TABLE IF EXISTS t").await?;
        let parent = std::sync::Arc::new(self.now(&TableName::new("d", "parent")).await?);
        if self.conn.query_drop(sql).await.is_err() {
            return Ok(());
        }
        let name = self.name.clone();
        let after = self.now(&name).await?;
        let like = |_: &TableName| Some(std::sync::Arc::clone(&parent));
        let ours = created(&name, &event(sql), &self.dialect, like);
        self.judge(sql, ours, &after);
        Ok(())
    }

    async fn play(&mut self, dice: &mut StdRng) -> Result<()> {
        for n in 0..STATEMENTS {
            if n % 40 == 0 {
                self.renew().await?;
            }
            let name = self.name.clone();
            let columns: Vec<String> =
                self.now(&name).await?.columns.iter().map(|c| c.name.to_string()).collect();
            let sql = by_dice(dice, &columns);
            self.alter(&sql).await?;
        }
        Ok(())
    }

    fn judge(&mut self, sql: &str, ours: Option<TableSchema>, after: &TableSchema) {
        self.run += 1;
        match ours {
            None => self.unread.push(sql.to_owned()),
            Some(ours) if ours == *after => {}
            Some(ours) => self.misread.push(format!("{sql}\n{}", difference(&ours, after))),
        }
    }
}

fn difference(ours: &TableSchema, server: &TableSchema) -> String {
    let lines = |schema: &TableSchema| -> Vec<String> {
        let columns = schema.columns.iter().map(|c| format!("{c:?}"));
        let indexes = schema.indexes.iter().map(|i| format!("{i:?}"));
        let rest = [format!("{:?} {:?} {:?}", schema.collation, schema.key_index, schema.key)];
        columns.chain(indexes).chain(rest).collect()
    };
    let (ours, server) = (lines(ours), lines(server));
    let only = |sign: &str, these: &[String], those: &[String]| -> String {
        these.iter().filter(|l| !those.contains(l)).map(|l| format!("  {sign} {l}\n")).collect()
    };
    let all = only("we read   ", &ours, &server) + &only("the server", &server, &ours);
    if all.is_empty() { "  the same, in another order\n".to_owned() } else { all }
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_follow_statements_as_the_server_does() -> Result<()> {
    for_each_server(&[], async |server| {
        let mut judge = Judge::new(server).await?;
        for sql in CREATIONS {
            judge.create(sql).await?;
        }
        for sql in BY_HAND {
            judge.renew().await?;
            judge.alter(sql).await?;
        }
        judge.renew().await?;
        for sql in BEGINNINGS_AND_EXPRESSIONS {
            judge.alter(sql).await?;
        }
        let unread = judge.unread.join("\n      ");
        say(format!("{} statements by hand, left to the server:\n      {unread}", judge.run));
        ensure!(judge.misread.is_empty(), "{}", judge.misread.join("\n"));
        // Widening every TEXT, and what only one server knows.
        ensure!(judge.unread.len() <= 6, "too many are not read");

        (judge.run, judge.unread) = (0, vec![]);
        for _ in 0..rounds()? {
            judge.play(&mut StdRng::seed_from_u64(tests::seed()?)).await?;
        }
        ensure!(judge.misread.is_empty(), "{}", judge.misread.join("\n"));
        let left = judge.unread.len();
        ensure!(judge.run > rounds()? * STATEMENTS / 4, "the server refused nearly all");
        // What CONVERT does beside other clauses is no two servers' the same.
        judge.unread.retain(|sql| !sql.contains("CONVERT"));
        let others = judge.unread.len();
        say(format!("{} by dice, {left} left to the server, {others} without CONVERT", judge.run));
        ensure!(judge.unread.len() * 10 < judge.run as usize, "{:#?}", judge.unread);
        Ok(())
    })
    .await
}

/// Statements, and the columns that keep their values under another name.
const RENAMES: &[(&str, &[(&str, &str)])] = &[
    ("ALTER TABLE t RENAME COLUMN a TO a2", &[("a", "a2")]),
    ("ALTER TABLE t CHANGE A a2 BIGINT FIRST, MODIFY b VARCHAR(30)", &[("a", "a2")]),
    ("ALTER TABLE t CHANGE a u INT, CHANGE u a INT", &[("a", "u"), ("u", "a")]),
    ("ALTER TABLE t CHANGE a a2 INT, ADD a INT DEFAULT 99", &[("a", "a2")]),
    ("ALTER TABLE t DROP COLUMN a, CHANGE u a INT", &[("u", "a")]),
    ("ALTER TABLE t CHANGE b B VARCHAR(10) NOT NULL", &[("b", "B")]),
    ("ALTER TABLE t MODIFY a BIGINT FIRST, ADD x INT, RENAME INDEX u_b TO u_b2", &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_keep_their_values_under_another_name_are_told() -> Result<()> {
    for_each_server(&[], async |server| {
        let mut judge = Judge::new(server).await?;
        for (sql, expected) in RENAMES {
            judge.renew().await?;
            let row = "INSERT INTO t (id, a, b, u) VALUES (1, 2, 'three', 4)";
            judge.conn.query_drop(row).await?;
            let before = judge.now(&judge.name.clone()).await?;
            let value = async |conn: &mut Conn, column: &str| -> Result<Option<String>> {
                Ok(conn.query_first(format!("SELECT {column} FROM t")).await?)
            };
            let mut values = Vec::new();
            for (from, _) in *expected {
                values.push(value(&mut judge.conn, from).await?);
            }
            if judge.conn.query_drop(*sql).await.is_err() {
                continue;
            }
            let Some(ours) = altered(&before, &event(sql), &judge.dialect) else { continue };
            let told: Vec<(&str, &str)> = ours.renamed.iter().map(|(f, t)| (&**f, &**t)).collect();
            ensure!(told == *expected, "{sql}: {told:?}");
            for ((_, to), before) in expected.iter().zip(values) {
                ensure!(value(&mut judge.conn, to).await? == before, "{sql}: {to}");
            }
        }
        Ok(())
    })
    .await
}

const TYPES: &[&str] = &[
    "INT",
    "BIGINT UNSIGNED",
    "TINYINT(1)",
    "VARCHAR(20)",
    "CHAR(5) CHARACTER SET latin1",
    "VARCHAR(30) COLLATE utf8mb4_bin",
    "DECIMAL(9,3)",
    "DATETIME(2)",
    "TIMESTAMP NULL",
    "DOUBLE",
    "ENUM('x','y')",
    "SET('x','y','z')",
    "VARBINARY(12)",
    "BIT(9)",
    "DATE",
    "TIME",
    "YEAR",
    "SMALLINT UNSIGNED",
    "MEDIUMINT",
    "FLOAT",
    "BLOB",
    "TINYTEXT",
];

fn by_dice(dice: &mut StdRng, columns: &[String]) -> String {
    let mut pick = |from: &[&str]| (*from.choose(dice).unwrap_or(&"INT")).to_owned();
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let column = pick(&names);
    let other = pick(&names);
    let fresh = format!("c{}", pick(&["1", "2", "3", "4", "5", "6", "7", "8"]));
    let ty = pick(TYPES);
    let null = pick(&["", " NOT NULL", " NULL"]);
    let place = match pick(&["", "", "F", "A"]).as_str() {
        "F" => " FIRST".to_owned(),
        "A" => format!(" AFTER {other}"),
        _ => String::new(),
    };
    let index = format!("i{}", pick(&["1", "2", "3"]));
    let clauses: Vec<String> = vec![
        format!("ADD COLUMN {fresh} {ty}{null}{place}"),
        format!("ADD {fresh} {ty}{null}"),
        format!("ADD {fresh} {ty} UNIQUE"),
        format!("DROP COLUMN {column}"),
        format!("MODIFY {column} {ty}{null}{place}"),
        format!("CHANGE {column} {fresh} {ty}{null}{place}"),
        format!("RENAME COLUMN {column} TO {fresh}"),
        format!("ADD UNIQUE KEY {index} ({column}, {other})"),
        format!("ADD UNIQUE ({column})"),
        format!("ADD INDEX ({column})"),
        format!("DROP INDEX {index}"),
        format!("ADD PRIMARY KEY ({column})"),
        "DROP PRIMARY KEY".to_owned(),
        "CONVERT TO CHARACTER SET utf8mb4".to_owned(),
        "DEFAULT CHARACTER SET latin1".to_owned(),
        "COMMENT = 'ADD x INT'".to_owned(),
    ];
    let count = dice.random_range(1..=3);
    let chosen: Vec<&str> = clauses.choose_multiple(dice, count).map(String::as_str).collect();
    format!("ALTER TABLE t {}", chosen.join(", "))
}
