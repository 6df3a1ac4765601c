//! The example with transforms, run as it is: its targets hold what `SELECT projection … WHERE filter` gives
//! on the source, whatever is written meanwhile, through a schema change and a kill; and the files are a
//! chain of changes for every key.

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tests::chain::Auditor;
use tests::changelog::{Changelog, table_of};
use tests::scene::Writers;
use tests::server::on_servers;
use tests::warehouse::{Comparison, PASSWORD, Pair, Size, System, arrived};
use tests::{Job, Kind, Server, Warehouse, say};

const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(90);
const VISIBLE_WITHIN: Duration = Duration::from_secs(20);
/// As many copies as tables have where a script does not say.
const COPIES: Size = Size { backends: 3, followers: 0 };
/// The writers' keys; an update may move a row that far again.
const KEYS: u32 = 250;
const STATUSES: [&str; 4] = ["'draft'", "'paid'", "'sent'", "NULL"];

const TABLES: &str = "CREATE DATABASE shop DEFAULT CHARACTER SET utf8mb4;\n\
    CREATE TABLE shop.orders (id INT PRIMARY KEY, customer VARCHAR(30), status VARCHAR(10), \
    price DECIMAL(10,2), quantity INT, ordered DATETIME(3));\n\
    CREATE TABLE shop.items (id INT PRIMARY KEY, name VARCHAR(30), quantity INT, \
    hidden TINYINT(1) NOT NULL)";

/// What the example's rules come to, in MySQL's words.
const SELECTED: &str = "CREATE DATABASE made;\n\
    CREATE TABLE made.orders (PRIMARY KEY (id)) SELECT id, UPPER(customer) AS customer, status, \
    price * quantity AS total, DATE_FORMAT(ordered, '%Y-%m') AS month FROM shop.orders \
    WHERE status <> 'draft' AND quantity > 0;\n\
    CREATE TABLE made.items (PRIMARY KEY (id)) SELECT *, IF(quantity > 5, 'many', 'few') AS stock \
    FROM shop.items WHERE NOT hidden";

/// Changes of rows that cross the filters and stay within them.
fn transaction(rng: &mut StdRng, table: &str) -> Vec<String> {
    let statement = |rng: &mut StdRng| {
        let id = rng.random_range(0..KEYS);
        let quantity = match rng.random_range(-2..12) {
            -2 => "NULL".to_owned(),
            number => number.to_string(),
        };
        match rng.random_range(0..10) {
            0 | 1 => format!("DELETE FROM {table} WHERE id = {id}"),
            2 => format!("UPDATE IGNORE {table} SET id = id + {KEYS} WHERE id = {id}"),
            3 => format!("UPDATE IGNORE {table} SET id = id - {KEYS} WHERE id = {id} + {KEYS}"),
            _ if table == "shop.orders" => {
                let status = STATUSES.choose(rng).unwrap_or(&"NULL");
                let (cents, day) = (rng.random_range(-9_999..99_999), rng.random_range(1..28));
                format!(
                    "INSERT INTO {table} (id, customer, status, price, quantity, ordered) VALUES ({id}, \
                     'öl & so {id}', {status}, {cents} / 100, {quantity}, '2024-{:02}-{day:02} 10:00:00') \
                     ON DUPLICATE KEY UPDATE status = VALUES(status), quantity = VALUES(quantity)",
                    rng.random_range(1..=12)
                )
            }
            _ => format!(
                "INSERT INTO {table} (id, name, quantity, hidden) VALUES ({id}, 'item {id}', \
                 {quantity}, {hidden}) ON DUPLICATE KEY UPDATE quantity = VALUES(quantity), \
                 hidden = VALUES(hidden)",
                hidden = rng.random_range(0..2)
            ),
        }
    };
    (0..rng.random_range(1..6)).map(|_| statement(rng)).collect()
}

fn start(job: &mut Job, server: &Server, doris: &Warehouse) -> Result<()> {
    job.env("MYSQL_PASSWORD", "");
    job.env("DORIS_PASSWORD", PASSWORD);
    let set = [
        "source.hostname=127.0.0.1".to_owned(),
        format!("source.port={}", server.port),
        "pipeline.name=transforms".to_owned(),
        "execution.checkpointing.interval=300".to_owned(),
        "source.scan.incremental.snapshot.chunk.size=50".to_owned(),
        format!("sink[1].path={}", job.out().display()),
    ];
    let mut arguments: Vec<String> =
        set.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect();
    arguments.extend(doris.arguments("sink[0]"));
    job.start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_hold_what_the_rules_select_from_the_source() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        server.sql(TABLES).await?;
        let mut writers =
            Writers::start(server, &[&["shop.orders"], &["shop.items"]], transaction).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let doris = Warehouse::of_size(System::Doris, COPIES).await?;
        let mut job = Job::pipeline("transforms")?;
        job.example()?;
        start(&mut job, server, &doris)?;
        job.live(PATIENCE).await?;
        job.next_checkpoint().await?;
        job.kill9()?;
        start(&mut job, server, &doris)?;
        // Of one table the star takes it in, of the other it is not selected.
        server
            .sql(
                "ALTER TABLE shop.items ADD COLUMN note VARCHAR(20);\n\
                 ALTER TABLE shop.orders ADD COLUMN secret INT FIRST;\n\
                 UPDATE shop.items SET note = 'new' WHERE id % 3 = 0",
            )
            .await?;
        job.next_checkpoint().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        writers.stop().await?;
        let last =
            "INSERT INTO shop.orders (id, status, price, quantity) VALUES (99999, 'paid', 1, 1)";
        server.sql(last).await?;
        let last = "SELECT id FROM shop.orders WHERE id = 99999";
        arrived(&mut job, &doris, last, PATIENCE).await?;
        job.sigterm().await?;

        server.sql(SELECTED).await?;
        let pairs = ["orders", "items"]
            .map(|table| Pair::new(&format!("made.{table}"), &format!("shop.{table}")));
        Comparison::equal(server, &doris, &pairs, VISIBLE_WITHIN).await?;
        ensure!(!doris.columns("shop", "orders").await?.contains(&"secret".to_owned()));
        chain(server, &job).await
    })
    .await
}

/// The files' orders form a chain, whose end is what the rules select.
async fn chain(server: &Server, job: &Job) -> Result<()> {
    let mut changelog = Changelog::of(job)?;
    changelog.lines.retain(|line| table_of(line) == "orders");
    for line in &mut changelog.lines {
        if let Some(db) = line.pointer_mut("/source/db") {
            *db = "made".into();
        }
    }
    let mut auditor = Auditor::new();
    auditor.table("made.orders", &["id"]);
    changelog.tell(&mut auditor)?;
    auditor.compare(&mut server.conn().await?).await?;
    auditor.verdict()?;
    let counts = auditor.counts();
    say(format!("{counts:?}"));
    ensure!(counts.insert.min(counts.update).min(counts.delete) > 10, "{counts:?}");
    ensure!(auditor.schema_changes() == 0, "the column that is not selected shows");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_does_not_fit_its_table_is_found_before_the_start() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid], &[], async |server| {
        server.sql(TABLES).await?;
        let mut job = Job::pipeline("unfit")?;
        job.script_text(&format!(
            "source:\n  type: mysql\n  hostname: 127.0.0.1\n  port: {}\n  username: repl\n  \
             password: secret\n  tables: shop.\\.*\ntransform:\n  - source-table: shop.orders\n    \
             projection: id, cost AS c\nsink:\n  type: print\n",
            server.port
        ))?;
        let wanted = "unfit.yaml:10:21: table shop.orders: there is no column `cost`; there are `id`, \
                      `customer`, `status`, `price`, `quantity`, `ordered`";
        let path = job.path().to_string_lossy().into_owned();
        let (code, found, _) = job.command(&["check", &path, "--json"])?;
        ensure!(code == 3 && found.contains(wanted), "check ends with {code}: {found}");
        job.start(&[])?;
        let code = job.wait_exit(PATIENCE).await?;
        ensure!(code == 1 && job.stdout().is_empty(), "run ends with {code}");
        ensure!(job.stderr().contains(wanted), "{}", job.log_tail());
        ensure!(job.snapshots()?.is_empty(), "a start that is refused leaves no snapshot");
        Ok(())
    })
    .await
}
