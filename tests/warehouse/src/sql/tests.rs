//! The port as clients meet it: `mysql_async`, in the text and the binary protocol, and the command-line client.

mod client;
mod tables;
mod transactions;

use std::collections::BTreeSet;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value};

use super::*;
use crate::System;
use crate::cluster::{Setup, State};
use crate::ingest::{Options, ingest};
use crate::jobs::JobState;
use crate::table::TableName;
use crate::txn::{Begin, Label, State as Standing, TxnId};

const PASSWORD: &str = "p@ss:w/rd%";

/// A cluster, its port and a client.
struct Port {
    cluster: Cluster,
    system: System,
    server: Server,
    client: Conn,
    loads: u32,
}

impl Port {
    /// With the database `shop`.
    async fn open(system: System) -> Self {
        let setup = Setup { password: PASSWORD.to_owned(), ..Setup::new(system) };
        let cluster = Cluster::open(&setup).expect("a cluster");
        let server = Server::start(&cluster, &Listen::default()).await.expect("a free port");
        let client = Conn::new(options(&server, "root", PASSWORD)).await.expect("a connection");
        let mut port = Self { cluster, system, server, client, loads: 0 };
        port.run("CREATE DATABASE IF NOT EXISTS shop").await;
        port.run("USE shop").await;
        port
    }

    /// And the table `orders`: `id`, `name`, `paid`, `at`, `big`.
    async fn with_orders(system: System) -> Self {
        let mut port = Self::open(system).await;
        let (kind, time) = match system {
            System::Doris => ("UNIQUE", "DATETIME(6)"),
            System::StarRocks => ("PRIMARY", "DATETIME"),
        };
        port.run(&format!(
            "CREATE TABLE orders (id INT NOT NULL COMMENT 'key', name VARCHAR(8) DEFAULT 'none', \
             paid DECIMAL(38,10), at {time}, big LARGEINT) {kind} KEY(id) DISTRIBUTED BY HASH(id) \
             BUCKETS 1 PROPERTIES ('replication_num'='1')"
        ))
        .await;
        port
    }

    #[track_caller]
    fn run(&mut self, sql: &str) -> impl Future<Output = ()> {
        let done = self.client.query_drop(sql.to_owned());
        async { done.await.expect("a statement that is done") }
    }

    /// Every cell as text.
    async fn rows(&mut self, sql: &str) -> Vec<Vec<String>> {
        let rows: Vec<Row> =
            self.client.query(sql).await.unwrap_or_else(|why| panic!("{sql}: {why}"));
        rows.into_iter().map(|row| row.unwrap().iter().map(shown).collect()).collect()
    }

    /// The number and the text of a refusal.
    async fn refusal(&mut self, sql: &str) -> (u16, String) {
        match self.client.query_drop(sql).await {
            Err(mysql_async::Error::Server(error)) => (error.code, error.message),
            done => panic!("{sql}: {done:?}"),
        }
    }

    #[track_caller]
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.cluster.update(act).expect("a store that works")
    }

    /// Begins a load of `orders`.
    fn begin(&mut self) -> TxnId {
        self.loads += 1;
        let label = Label::new(self.system, &format!("load-{}", self.loads)).expect("a label");
        let begin = Begin {
            label,
            tables: BTreeSet::from(["orders".to_owned()]),
            coordinator: self.with(|state| state.nodes.backends[0].id),
            gather_max: None,
        };
        let system = self.system;
        self.with(|state| {
            let now = state.now;
            match system {
                System::Doris => state.doris("shop").unwrap().begin(begin, now),
                System::StarRocks => state.starrocks("shop").unwrap().begin_load(begin, now),
            }
        })
        .expect("a free label")
    }

    /// Loads a body up to `PRECOMMITTED` or `PREPARED`.
    fn prepare(&mut self, headers: &[(&str, &str)], body: &str) -> TxnId {
        let txn = self.begin();
        let system = self.system;
        self.with(|state| {
            let name = TableName::new("shop", "orders");
            let table = state.table_of_load(&name).expect("a table");
            let options = Options::parse(system, &headers.iter().copied().collect()).unwrap();
            let rows = ingest(system, &table, &options, body.as_bytes()).expect("a body").rows;
            state.store.stage(txn, &name, &table, &rows).expect("staged");
            let now = state.now;
            ledger(state).prepare(txn, None, now).expect("it gathers");
        });
        txn
    }

    fn commit(&self, txn: TxnId) {
        self.with(|state| {
            let now = state.now;
            ledger(state).commit(txn, Standing::Prepared, now).expect("it is prepared");
        });
    }

    fn load(&mut self, headers: &[(&str, &str)], body: &str) {
        let txn = self.prepare(headers, body);
        self.commit(txn);
    }

    /// Lets so many steps of a job pass.
    fn pass(&self, steps: u32) {
        for _ in 0..steps {
            self.skip(Duration::from_secs(1));
        }
    }

    fn skip(&self, time: Duration) {
        self.cluster.with(|state| state.skip_time(time)).expect("a store that works");
    }
}

fn ledger(state: &mut State) -> &mut crate::txn::Ledger {
    state.database_mut("shop").expect("a database").book.ledger_mut()
}

fn options(server: &Server, user: &str, password: &str) -> Opts {
    let port = server.frontends[0].port();
    let options = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port);
    options.user(Some(user)).pass(Some(password)).prefer_socket(false).into()
}

fn shown(value: &Value) -> String {
    if let Value::Bytes(bytes) = value {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    value.as_sql(true)
}

#[tokio::test]
async fn only_who_has_the_password_comes_in() {
    let port = Port::open(System::Doris).await;
    for (user, password) in [("root", "wrong"), ("root", ""), ("nobody", PASSWORD)] {
        match Conn::new(options(&port.server, user, password)).await {
            Err(mysql_async::Error::Server(error)) => {
                assert_eq!(error.code, 1045);
                assert!(error.message.contains("Access denied for user"), "{}", error.message);
            }
            done => panic!("{user}: {done:?}"),
        }
    }
}

#[tokio::test]
async fn a_database_is_chosen_at_the_start_or_later_and_must_be_there() {
    let mut port = Port::open(System::Doris).await;
    let at = |name: &str| {
        OptsBuilder::from_opts(options(&port.server, "root", PASSWORD)).db_name(Some(name))
    };
    let mut client = Conn::new(at("shop")).await.unwrap();
    let name: Option<String> = client.query_first("SELECT DATABASE()").await.unwrap();
    assert_eq!(name.as_deref(), Some("shop"));
    assert!(Conn::new(at("gone")).await.is_err());
    assert_eq!(port.refusal("USE gone").await.0, 1049);
    assert_eq!(port.rows("SELECT DATABASE()").await, [["shop"]]);
}

#[tokio::test]
async fn what_clients_ask_when_they_connect_is_answered() {
    let mut port = Port::open(System::StarRocks).await;
    let rows = port.rows("select @@version_comment limit 1").await;
    assert!(rows[0][0].starts_with("StarRocks"), "{rows:?}");
    port.run("SET NAMES utf8mb4").await;
    port.run("SET SESSION query_timeout = 77, @@time_zone = '+00:00'").await;
    port.run("/* ApplicationName=DBeaver */ SET autocommit=1").await;
    assert_eq!(port.rows("SELECT @@session.query_timeout, @@time_zone").await, [["77", "+00:00"]]);
    assert_eq!(
        port.rows("SHOW VARIABLES LIKE 'lower_case%'").await,
        [["lower_case_table_names", "0"]]
    );
    assert_eq!(port.rows("SELECT 1 + 1 AS two").await, [["2"]]);
    assert_eq!(port.rows("select current_version() as ver;").await, [["3.5.0 stand-in"]]);
    assert_eq!(port.rows("SHOW WARNINGS").await, Vec::<Vec<String>>::new());
    assert_eq!(port.refusal("SELECT @@no_such").await.0, 1193);
    port.client.ping().await.unwrap();
}

/// Rows 24 to 31 of Doris' checklist, as a query sees them.
#[tokio::test]
async fn a_query_sees_what_is_published_in_the_types_of_the_table() {
    let json = [("format", "json"), ("read_json_by_line", "true")];
    let body = "{\"id\":1,\"name\":\"a\\tb\",\"paid\":1234567890123456789012345678.0123456789,\
                 \"at\":\"2024-02-29 12:34:56.789012\",\"big\":170141183460469231731687303715884105727}\n\
                 {\"id\":2,\"paid\":null}\n";
    let mut port = Port::with_orders(System::Doris).await;
    let txn = port.prepare(&json, body);
    assert_eq!(port.rows("SELECT * FROM orders").await, Vec::<Vec<String>>::new());
    port.commit(txn);
    let first = [
        "1",
        "a\tb",
        "1234567890123456789012345678.0123456789",
        "2024-02-29 12:34:56.789012",
        "170141183460469231731687303715884105727",
    ];
    let second = ["2", "none", "NULL", "NULL", "NULL"];
    for sql in [
        "SELECT * FROM orders ORDER BY id",
        "SELECT * FROM `shop`.`orders` ORDER BY `orders`.`id`",
        "SELECT shop.orders.id, o.name, o.paid, o.at, o.big FROM shop.orders, orders AS o \
         WHERE orders.id = o.id ORDER BY 1",
        "WITH x AS (SELECT * FROM orders) SELECT * FROM x ORDER BY id",
        "SELECT * FROM (SELECT * FROM orders) s WHERE name <=> \"none\" OR id = 1 ORDER BY id;",
    ] {
        assert_eq!(port.rows(sql).await, [first, second], "{sql}");
    }
    port.load(&[("columns", "id,__DORIS_DELETE_SIGN__"), ("hidden_columns", "x")], "1\t1\n9\t1\n");
    let row: Row =
        port.client.query_first("SELECT count(*), max(id) FROM orders").await.unwrap().unwrap();
    let names: Vec<_> = row.columns_ref().iter().map(|column| column.name_str()).collect();
    assert_eq!(names, ["count(*)", "max(id)"], "as it was asked");
    assert_eq!(port.rows("SELECT count(*), max(id) FROM orders").await, [["1", "2"]]);
}

#[tokio::test]
async fn prepared_statements_take_parameters_and_answer_in_binary() {
    let mut port = Port::with_orders(System::StarRocks).await;
    let csv = [("column_separator", ",")];
    port.load(&csv, "1,it's,5.5,2024-01-02 03:04:05,7\n2,\\N,\\N,2024-01-02 03:04:05.5,\\N\n");
    type Found = (i32, Option<String>, Option<String>, Value, Option<String>);
    let sql = "SELECT id, name, paid, at, big FROM orders WHERE name = ? OR id = ? ORDER BY id";
    let rows: Vec<Found> = port.client.exec(sql, ("it's", 2_u64)).await.unwrap();
    let time = |micros| Value::Date(2024, 1, 2, 3, 4, 5, micros);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows,
        [
            (1, text("it's"), text("5.5000000000"), time(0), text("7")),
            (2, None, None, time(500_000), None),
        ]
    );
    let rows = port.rows("SELECT at FROM orders ORDER BY id").await;
    assert_eq!(rows, [["2024-01-02 03:04:05"], ["2024-01-02 03:04:05.500000"]]);
    let long = "x".repeat(16_000_000);
    let rest: Option<Option<u64>> =
        port.client.exec_first("SELECT length(?) + ?", ("x", Value::NULL)).await.unwrap();
    assert_eq!(rest, Some(None), "NULL");
    let length: Option<u64> = port.client.exec_first("SELECT length(?)", (&long,)).await.unwrap();
    assert_eq!(length, Some(16_000_000));
    let sql = "CREATE DATABASE prepared";
    port.client.exec_drop(sql, ()).await.unwrap();
    assert!(port.client.exec_drop(sql, ()).await.is_err(), "it is there already");
}

#[tokio::test]
async fn a_query_of_what_is_not_there_or_that_changes_something_is_refused() {
    for (system, table, column) in [
        (System::Doris, "Table [gone] does not exist in database [shop].", "Unknown column 'gone'"),
        (System::StarRocks, "Unknown table 'shop.gone'", "'gone' cannot be resolved"),
    ] {
        let mut port = Port::with_orders(system).await;
        let (_, text) = port.refusal("SELECT * FROM gone").await;
        assert!(text.contains(table), "{text}");
        let (_, text) = port.refusal("SELECT gone FROM orders").await;
        assert!(text.contains(column), "{text}");
        assert_eq!(port.refusal("SELECT * FROM gone.orders").await.0, 1049);
        let (_, text) = port.refusal("WITH staged AS (SELECT 1) DELETE FROM staged").await;
        assert!(text.contains("change something"), "{text}");
        let (_, text) = port.refusal("SELECT * FROM kept_transaction").await;
        assert!(text.contains("kept_transaction"), "{text}");
        let (_, text) = port.refusal("INSERT INTO orders VALUES (1)").await;
        assert!(text.contains("Stream Load"), "{text}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_protocol_close_their_connection_and_no_other() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut port = Port::open(System::Doris).await;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[1, 0, 0, 1, 0], &[0, 0, 0, 1], &[0xFF; 64]] {
        let mut stream = tokio::net::TcpStream::connect(port.server.frontends[0]).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    assert_eq!(port.rows("SELECT 1").await, [["1"]]);
}
