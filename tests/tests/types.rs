//! Every type: what the snapshot writes is what the binlog gives, and both are what the server
//! prints, for each declaration and value of `tests/types/matrix.tsv`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::Conn;
use mysql_async::prelude::*;
use serde_json::Value;
use tests::chain::ends_with_text;
use tests::matrix::{Cell, Table};
use tests::render::Rendering;
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say};

const DB: &str = "types";
const PATIENCE: Duration = Duration::from_secs(180);
const MARK: &str = "the last change of all";
/// Rows of a table: read by the snapshot from 1, inserted later from here, ...
const INSERTED: usize = 1000;
/// ... inserted as NULL and then updated from here.
const UPDATED: usize = 2000;
/// How many values a message shows of a long one.
const SHOWN_MAX: usize = 160;

/// How a row left the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Snapshot,
    Insert,
    Update,
    Delete,
}

/// The JSON text, or the changelog's, of `v` by table, row and way.
type Seen = BTreeMap<(String, usize, Way), String>;

#[tokio::test(flavor = "multi_thread")]
async fn every_value_is_the_same_by_snapshot_and_by_binlog_and_as_the_server_prints_it()
-> Result<()> {
    on_servers(&[Kind::MySql9Gtid, Kind::MySql56, Kind::MariaDb], &[], run).await
}

async fn run(server: &mut Server) -> Result<()> {
    let mut faults = Faults::default();
    server
        .sql(&format!(
            "CREATE DATABASE {DB} DEFAULT CHARACTER SET utf8mb4;\n\
             CREATE TABLE {DB}.mark (id INT PRIMARY KEY, v VARCHAR(40))"
        ))
        .await?;
    let mut conn = server.conn().await?;
    conn.query_drop("SET time_zone = '+00:00', sql_mode = ''").await?;
    let mut tables = Vec::new();
    for table in Table::all(server.kind)? {
        tables.extend(made(&mut conn, table, &mut faults).await?);
    }
    let mut job = Job::new("types")?;
    let lines = job.dir().join("lines");
    job.script(&two_formats("types", server, &job.out(), &lines))?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    for table in &tables {
        stream(&mut conn, table, &mut faults).await;
    }
    let printed = printed(&mut conn, &tables, &mut faults).await?;
    for table in &tables {
        let delete = format!("DELETE FROM {DB}.{} WHERE id > {INSERTED}", table.data.name);
        faults.tried(&table.data, 0, conn.query_drop(delete).await);
    }
    conn.query_drop(format!("INSERT INTO {DB}.mark VALUES (1, '{MARK}')")).await?;
    job.wait_for("the mark", PATIENCE, |job| ends_with_text(&job.out(), MARK)).await?;
    job.sigterm().await?;

    let (json, changelog) = (json_lines(&job.out())?, changelog_lines(&lines)?);
    let mut values = 0;
    for table in &tables {
        values += table.data.cells.len();
        check(table, &printed, &json, &changelog, &mut faults);
    }
    say(format!("{values} values in {} tables", tables.len()));
    faults.verdict()
}

/// A job whose changelog is written in both formats.
fn two_formats(name: &str, server: &Server, json: &Path, lines: &Path) -> Script {
    Script::new(name, server, DB, ".*")
        .option("sink[0].connector", "file")
        .option("sink[0].path", &json.to_string_lossy())
        .option("sink[0].format", "debezium-json")
        .option("sink[1].connector", "file")
        .option("sink[1].path", &lines.to_string_lossy())
        .option("sink[1].format", "changelog")
}

/// A table that the server has made.
struct Made {
    data: Table,
    rendering: Rendering,
    /// Rows that begin as NULL can be updated to their value.
    nullable: bool,
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, table: &Table, cell: Option<&Cell>, what: impl std::fmt::Display) {
        let value = cell.map_or("", |cell| &cell.value);
        let line = cell.map_or(0, |cell| cell.line);
        let declaration: String = table.declaration.chars().take(60).collect();
        let value: String = value.chars().take(60).collect();
        self.0.push(format!("{} line {line}: {declaration} := {value}: {what}", table.name));
    }

    fn tried(&mut self, table: &Table, at: usize, tried: Result<(), mysql_async::Error>) {
        if let Err(error) = tried {
            self.add(table, table.cells.get(at), error);
        }
    }

    fn verdict(&self) -> Result<()> {
        ensure!(self.0.is_empty(), "{} faults:\n{}", self.0.len(), self.0.join("\n"));
        Ok(())
    }
}

/// Makes `data` and the rows that the snapshot is to read.
async fn made(conn: &mut Conn, mut data: Table, faults: &mut Faults) -> Result<Option<Made>> {
    if let Err(error) = conn.query_drop(data.create(DB)).await {
        faults.add(&data, data.cells.first(), error);
        return Ok(None);
    }
    let facts: Option<(String, String, String, String)> = conn
        .exec_first(
            "SELECT data_type, column_type, is_nullable, extra FROM information_schema.columns \
             WHERE table_schema = ? AND table_name = ? AND column_name = 'v'",
            (DB, &data.name),
        )
        .await?;
    let (data_type, column_type, nullable, extra) = facts.context("a table without its column")?;
    let generated = extra.contains("GENERATED");
    let nullable = nullable == "YES" && !generated;
    if nullable {
        data.cells.push(Cell {
            line: 0,
            value: "NULL".to_owned(),
            expected: Some("null".to_owned()),
        });
    }
    for (at, cell) in data.cells.iter().enumerate() {
        faults.tried(&data, at, conn.query_drop(data.insert(DB, at + 1, &cell.value)).await);
    }
    Ok(Some(Made { rendering: Rendering::of(&data_type, &column_type)?, nullable, data }))
}

/// The same values again, for the binlog: inserted, and put in place of a NULL.
async fn stream(conn: &mut Conn, table: &Made, faults: &mut Faults) {
    let data = &table.data;
    for (at, cell) in data.cells.iter().enumerate() {
        let insert = data.insert(DB, INSERTED + at + 1, &cell.value);
        faults.tried(data, at, conn.query_drop(insert).await);
        if !table.updates(cell) {
            continue;
        }
        let (name, id, value) = (&data.name, UPDATED + at + 1, &cell.value);
        faults.tried(data, at, conn.query_drop(data.insert(DB, id, "NULL")).await);
        let update = format!("UPDATE {DB}.{name} SET v = {value} WHERE id = {id}");
        faults.tried(data, at, conn.query_drop(update).await);
    }
}

impl Made {
    fn updates(&self, cell: &Cell) -> bool {
        self.nullable && !cell.value.is_empty() && cell.value != "NULL"
    }

    /// Every row with its value, and the way in which it is to come.
    fn rows(&self) -> impl Iterator<Item = (usize, Way, &Cell)> {
        self.data.cells.iter().enumerate().flat_map(|(at, cell)| {
            let update = self.updates(cell).then_some((UPDATED + at + 1, Way::Update));
            [
                Some((at + 1, Way::Snapshot)),
                Some((INSERTED + at + 1, Way::Insert)),
                Some((INSERTED + at + 1, Way::Delete)),
                update,
            ]
            .into_iter()
            .flatten()
            .map(move |(id, way)| (id, way, cell))
        })
    }
}

/// What the server prints for a row, in both formats.
struct Printed {
    json: Value,
    changelog: String,
}

/// Its id, `v` for `debezium-json`, and `v` itself.
type PrintedRow = (usize, Option<Vec<u8>>, Option<Vec<u8>>);

async fn printed(
    conn: &mut Conn,
    tables: &[Made],
    faults: &mut Faults,
) -> Result<BTreeMap<(String, usize), Printed>> {
    let mut all = BTreeMap::new();
    for table in tables {
        let (name, rendering) = (&table.data.name, table.rendering);
        let expression = rendering.expression("v");
        let query = format!("SELECT id, {expression}, v FROM {DB}.{name}");
        let rows: Vec<PrintedRow> = conn.query(query).await?;
        for (id, whole, itself) in rows {
            let json = whole.map_or(Ok(Value::Null), |bytes| rendering.json(&bytes));
            let changelog =
                itself.map_or(Ok("NULL".to_owned()), |bytes| rendering.changelog(&bytes));
            match json.and_then(|json| Ok(Printed { json, changelog: changelog? })) {
                Ok(printed) => drop(all.insert((name.clone(), id), printed)),
                Err(error) => faults.add(&table.data, None, format!("row {id}: {error:#}")),
            }
        }
    }
    Ok(all)
}

fn check(
    table: &Made,
    printed: &BTreeMap<(String, usize), Printed>,
    json: &Seen,
    changelog: &Seen,
    faults: &mut Faults,
) {
    let name = &table.data.name;
    for (id, way, cell) in table.rows() {
        let fault = (|| {
            let printed = printed.get(&(name.clone(), id)).context("the server has no such row")?;
            let key = (name.clone(), id, way);
            let text = json.get(&key).context("not in debezium-json")?;
            let value = parsed(table.rendering, text)?;
            same("the server prints", &printed.json.to_string(), &value.to_string())?;
            if let Some(expected) = &cell.expected {
                let expected = parsed(table.rendering, expected)?;
                same("the matrix has", &expected.to_string(), &value.to_string())?;
            }
            let by_snapshot = json.get(&(name.clone(), 1 + (id - 1) % INSERTED, Way::Snapshot));
            same("the snapshot has", by_snapshot.map_or("nothing", |text| text), text)?;
            shortest(table.rendering, text, &value)?;
            let line = changelog.get(&key).context("not in changelog")?;
            same("the server prints, and the changelog", &printed.changelog, line)
        })();
        if let Err(error) = fault {
            faults.add(&table.data, Some(cell), format!("{way:?}: {error:#}"));
        }
    }
}

/// `serde_json` reads some floats as their neighbours.
fn parsed(rendering: Rendering, text: &str) -> Result<Value> {
    match (rendering, text.parse::<f64>()) {
        (Rendering::Float | Rendering::Double, Ok(float)) => Ok(Value::from(float)),
        _ => serde_json::from_str(text).with_context(|| format!("not JSON: {text}")),
    }
}

fn same(who: &str, theirs: &str, ours: &str) -> Result<()> {
    let short = |text: &str| text.chars().take(SHOWN_MAX).collect::<String>();
    ensure!(theirs == ours, "{who} {}, not {}", short(theirs), short(ours));
    Ok(())
}

/// Of the texts that read back as one float, none has fewer digits than ours.
fn shortest(rendering: Rendering, text: &str, value: &Value) -> Result<()> {
    let digits = |text: &str| {
        let mantissa = text.split('e').next().unwrap_or("");
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_start_matches('0').trim_end_matches('0').len()
    };
    let fewest = match (rendering, value.is_number()) {
        (Rendering::Float, true) => format!("{:e}", text.parse::<f32>()?),
        (Rendering::Double, true) => format!("{:e}", text.parse::<f64>()?),
        _ => return Ok(()),
    };
    ensure!(digits(text) == digits(&fewest), "{text} is not as short as {fewest}");
    Ok(())
}

fn json_lines(dir: &Path) -> Result<Seen> {
    let mut seen = Seen::new();
    each_line(dir, |line| {
        // Inside a string, the quotes of what is searched for would be escaped.
        let between = |from: &str, to: &str| {
            let (_, rest) = line.split_once(from)?;
            rest.split_once(to).map(|(inside, _)| inside)
        };
        let Some(op) = between(",\"op\":\"", "\"") else { return Ok(()) };
        let (before, after) =
            (between("{\"before\":", ",\"after\":"), between("\"after\":", ",\"op\":"));
        let (way, row) = match op {
            "r" => (Way::Snapshot, after),
            "c" => (Way::Insert, after),
            "u" => (Way::Update, after),
            "d" => (Way::Delete, before),
            other => bail!("op {other}"),
        };
        let table = between("\"table\":\"", "\"").context("no table")?;
        let row = row.context("no row")?;
        let id = row.strip_prefix("{\"id\":").and_then(|row| row.split_once(','));
        let (id, value) =
            id.and_then(|(id, row)| Some((id, row.split_once("\"v\":")?.1))).context("no id")?;
        let value = value.strip_suffix('}').context("no end")?;
        put(&mut seen, table, id, way, value)
    })?;
    Ok(seen)
}

fn changelog_lines(dir: &Path) -> Result<Seen> {
    let mut seen = Seen::new();
    each_line(dir, |line| {
        let (table, rest) = line.split_once("> ").context("no table")?;
        let table = table.strip_prefix("types.").context("another database")?;
        let (kind, row) = rest.split_once('[').context("no row")?;
        let row = row.strip_suffix(']').context("no end")?;
        let mut fields = row.splitn(3, ", ");
        let (id, _, Some(value)) = (fields.next().unwrap_or(""), fields.next(), fields.next())
        else {
            return Ok(());
        };
        let way = match kind {
            "+I" if id.parse::<usize>().is_ok_and(|id| id < INSERTED) => Way::Snapshot,
            "+I" => Way::Insert,
            "+U" => Way::Update,
            "-D" => Way::Delete,
            "-U" => return Ok(()),
            other => bail!("kind {other}"),
        };
        put(&mut seen, table, id, way, value)
    })?;
    Ok(seen)
}

fn put(seen: &mut Seen, table: &str, id: &str, way: Way, value: &str) -> Result<()> {
    let id = id.parse().with_context(|| format!("id {id}"))?;
    let twice = seen.insert((table.to_owned(), id, way), value.to_owned());
    ensure!(twice.is_none(), "{table} {id} came twice by {way:?}");
    Ok(())
}

fn each_line(dir: &Path, mut each: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part-")) {
            parts.push(path);
        }
    }
    parts.sort();
    for part in parts {
        for line in std::fs::read_to_string(part)?.lines() {
            let shown: String = line.chars().take(200).collect();
            each(line).with_context(|| format!("in `{shown}`"))?;
        }
    }
    Ok(())
}

/// Seconds since the epoch, what `debezium-json` shows, and what the clocks of Berlin showed: about
/// an hour that they left out, and one that they showed twice.
const MOMENTS: [(&str, &str, &str); 7] = [
    ("1", "1970-01-01T00:00:01.000Z", "1970-01-01 01:00:01.000"),
    ("1711846799.999", "2024-03-31T00:59:59.999Z", "2024-03-31 01:59:59.999"),
    ("1711846800", "2024-03-31T01:00:00.000Z", "2024-03-31 03:00:00.000"),
    ("1729987200", "2024-10-27T00:00:00.000Z", "2024-10-27 02:00:00.000"),
    ("1729990799.999", "2024-10-27T00:59:59.999Z", "2024-10-27 02:59:59.999"),
    ("1729990800", "2024-10-27T01:00:00.000Z", "2024-10-27 02:00:00.000"),
    ("2147483647", "2038-01-19T03:14:07.000Z", "2038-01-19 04:14:07.000"),
];

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_are_the_same_moments_whatever_the_zones_and_their_clock_changes() -> Result<()>
{
    let kinds = [Kind::MySql9Gtid, Kind::MySql56, Kind::MariaDb];
    on_servers(&kinds, &["--default-time-zone=+05:30"], async |server| {
        server
            .sql(&format!(
                "CREATE DATABASE {DB};\n\
                 CREATE TABLE {DB}.moments (id INT PRIMARY KEY, k INT, v TIMESTAMP(3) NULL);\n\
                 CREATE TABLE {DB}.mark (id INT PRIMARY KEY, v VARCHAR(40));\n{}",
                moments(0)
            ))
            .await?;
        let mut job = Job::new("moments")?;
        let lines = job.dir().join("lines");
        job.script(
            &two_formats("moments", server, &job.out(), &lines)
                .option("source.server-time-zone", "Europe/Berlin")
                .set("table.local-time-zone", "Europe/Berlin"),
        )?;
        job.start(&[])?;
        job.live(PATIENCE).await?;
        server
            .sql(&format!("{};\nINSERT INTO {DB}.mark VALUES (1, '{MARK}')", moments(INSERTED)))
            .await?;
        job.wait_for("the mark", PATIENCE, |job| ends_with_text(&job.out(), MARK)).await?;
        job.sigterm().await?;

        let (json, changelog) = (json_lines(&job.out())?, changelog_lines(&lines)?);
        for (n, (seconds, utc, local)) in MOMENTS.iter().enumerate() {
            for (id, way) in [(n, Way::Snapshot), (INSERTED + n, Way::Insert)] {
                let key = ("moments".to_owned(), id, way);
                let shown = |seen: &Seen| seen.get(&key).cloned().unwrap_or_default();
                same(&format!("{seconds} {way:?} is"), &format!("\"{utc}\""), &shown(&json))?;
                same(&format!("{seconds} {way:?} is"), local, &shown(&changelog))?;
            }
        }
        Ok(())
    })
    .await
}

fn moments(first: usize) -> String {
    let rows: Vec<String> = MOMENTS
        .iter()
        .enumerate()
        .map(|(n, (seconds, ..))| format!("({}, 7, FROM_UNIXTIME({seconds}))", first + n))
        .collect();
    format!("INSERT INTO {DB}.moments VALUES {}", rows.join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_their_character_set_does_not_have_stop_the_job_and_never_become_a_sign()
-> Result<()> {
    on_servers(&[Kind::MySql9Gtid, Kind::MySql56, Kind::MariaDb], &[], async |server| {
        server
            .sql(&format!(
                "CREATE DATABASE {DB};\n\
                 CREATE TABLE {DB}.odd (id INT PRIMARY KEY, k INT, v VARCHAR(9) CHARACTER SET cp1250)"
            ))
            .await?;
        let insert = format!("INSERT INTO {DB}.odd VALUES (1, 7, _cp1250 0x8081)");
        let mut streamed = Job::new("streamed")?;
        streamed.script(&Script::new("streamed", server, DB, ".*").file(&streamed.out()))?;
        streamed.start(&[])?;
        streamed.live(PATIENCE).await?;
        server.sql(&insert).await?;
        let code = streamed.wait_exit(PATIENCE).await?;
        ensure!(code == 1, "ended with {code}");
        refused(&streamed)?;
        let mut read = Job::new("read")?;
        read.script(&Script::new("read", server, DB, ".*").file(&read.out()))?;
        read.start(&[])?;
        // It is tried again and again: the table might have changed in between.
        read.wait_for("the refusal", PATIENCE, |job| refused(job).is_ok()).await?;
        read.kill9()
    })
    .await
}

/// The job has named the table and the column, and has written nothing.
fn refused(job: &Job) -> Result<()> {
    let told = job.stderr().lines().any(|line| {
        line.contains("types.odd")
            && line.contains("column `v`")
            && line.contains("its bytes are not text of its character set")
    });
    ensure!(told, "not a word of it:\n{}", job.log_tail());
    ensure!(json_lines(&job.out())?.is_empty(), "a row went out");
    Ok(())
}
