//! What a sink behind rules is told.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use model::checkpoint::SourceState;
use model::conformance::samples;
use model::row::{PackedCodec, PackedRow};
use model::sink::SinkToken;
use model::{
    Barrier, Batch, Item, Op, Origin, RowError, RowsBlock, RowsKind, SchemaChange, SinkError,
};
use proptest::prelude::*;

use super::*;

/// What it was told, a line for each.
type Told = Arc<Mutex<Vec<String>>>;

/// A row as text, by its key.
type Rows = BTreeMap<String, String>;

struct Recorder(Told);

impl Recorder {
    fn tell(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

fn columns(table: &TableSchema) -> String {
    table.columns.iter().map(|column| &*column.name).collect::<Vec<_>>().join(" ")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the tables here have no other cells")]
fn text(cells: &[Cell<'_>]) -> String {
    let text = |cell: &Cell<'_>| match cell {
        Cell::Int(v) => v.to_string(),
        Cell::Text(v) => v.to_string(),
        _ => "NULL".to_owned(),
    };
    cells.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[async_trait]
impl Sink for Recorder {
    async fn restore(&mut self, _token: Option<&SinkToken>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn begin(&mut self, source: &SourceState) -> Result<(), SinkError> {
        for table in &source.tables {
            self.tell(format!("begin {} {}", table.name(), columns(&table.schema)));
        }
        Ok(())
    }

    async fn write(&mut self, batch: Arc<Batch>) -> Result<(), SinkError> {
        for item in &batch.items {
            match item {
                Item::Schema(change) => {
                    let after = change.after.as_ref().map_or("gone".to_owned(), |t| columns(t));
                    self.tell(format!("schema {} {after} {:?}", change.table, change.renamed));
                }
                Item::Rows(block) => block.for_each(|change| {
                    let op = match change.op {
                        Op::Read => 'r',
                        Op::Create => 'c',
                        Op::Update => 'u',
                        Op::Delete => 'd',
                    };
                    let images = [change.before, change.after].into_iter().flatten();
                    let images: Vec<_> = images.map(text).collect();
                    self.tell(format!("{op}{} {}", change.row, images.join(" -> ")));
                    Ok::<_, RowError>(())
                })?,
            }
        }
        Ok(())
    }

    async fn prepare(&mut self, _barrier: &Barrier) -> Result<SinkToken, SinkError> {
        Ok(Vec::new())
    }

    async fn commit(&mut self, _token: &SinkToken) -> Result<(), SinkError> {
        Ok(())
    }

    fn rewinds(&self) -> bool {
        true
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Images of `shop.items (id, name)`.
fn block(table: &Arc<TableSchema>, kind: RowsKind, images: &[(i64, Option<&str>)]) -> Item {
    let mut data = Vec::new();
    for (id, name) in images {
        let name = name.map_or(Cell::Null, |name| Cell::Text(name.into()));
        PackedRow::write(&mut data, &[Cell::Int(*id), name]);
    }
    let origin = Origin {
        ts_ms: 0,
        server_id: 1,
        gtid: None,
        file: "binlog.000001".into(),
        pos: 4,
        first_row: 0,
    };
    let (table, data) = (Arc::clone(table), Bytes::from(data));
    Item::Rows(RowsBlock { table, kind, codec: Arc::new(PackedCodec), data, origin })
}

fn batch(items: Vec<Item>) -> Arc<Batch> {
    Arc::new(Batch { items, bytes: 0 })
}

fn sink(specs: &[TransformSpec]) -> (Box<dyn Sink>, Told) {
    let told = Told::default();
    let rules = Arc::new(rules(specs).unwrap());
    (rules.before(Box::new(Recorder(Arc::clone(&told))), "sink[0]", "print"), told)
}

/// What the sink is told behind `specs`.
async fn told(specs: &[TransformSpec], items: Vec<Item>) -> Vec<String> {
    let (mut sink, told) = sink(specs);
    sink.begin(&samples::source(4)).await.unwrap();
    sink.write(batch(items)).await.unwrap();
    let mut told = told.lock().unwrap();
    told.drain(..).collect()
}

#[tokio::test]
async fn an_update_that_crosses_the_filter_is_an_insert_or_a_delete() {
    let table = samples::items();
    let pairs = [
        (1, Some("a")),
        (1, Some("b")),
        (2, Some("x")),
        (2, Some("b")),
        (3, Some("b")),
        (3, Some("x")),
        (4, Some("x")),
        (4, None),
        (5, Some("c")),
        (6, Some("c")),
    ];
    let items = vec![
        block(
            &table,
            RowsKind::Insert,
            &[(1, Some("a")), (2, Some("x")), (3, Some("b")), (5, Some("c"))],
        ),
        block(&table, RowsKind::Update, &pairs),
        block(&table, RowsKind::Delete, &[(1, Some("b")), (4, None)]),
        block(&table, RowsKind::Read, &[(8, Some("x")), (9, Some("y"))]),
    ];
    let expected = [
        "begin shop.items id name",
        "c0 1 a",
        "c2 3 b",
        "c3 5 c",
        "u0 1 a -> 1 b",
        "c1 2 b",
        "d2 3 b",
        "d4 5 c",
        "c4 6 c",
        "d0 1 b",
        "r1 9 y",
    ];
    let read = told(&[rule("", "name <> 'x'", "")], items).await;
    assert_eq!(read, expected);
}

#[tokio::test]
async fn rows_are_told_by_the_key_behind_the_projection() {
    let table = samples::items();
    let pairs = [(1, Some("a")), (1, Some("b")), (2, Some("a")), (3, Some("a"))];
    let items = vec![block(&table, RowsKind::Update, &pairs)];
    let read = told(&[rule("UPPER(name) AS n, id + 1 AS i", "", "n")], items).await;
    assert_eq!(read, ["begin shop.items n i", "d0 A 2", "c0 B 2", "u1 A 3 -> A 4"]);
}

#[tokio::test]
async fn each_row_goes_by_the_first_rule_that_takes_it() {
    let specs = [rule("id, 'low' AS tag", "id < 10", ""), rule("id, 'mid' AS tag", "id < 20", "")];
    let items = vec![block(
        &samples::items(),
        RowsKind::Update,
        &[(5, None), (5, None), (9, None), (15, None), (15, None), (25, None)],
    )];
    let read = told(&specs, items).await;
    assert_eq!(read[1..], ["u0 5 low -> 5 low", "d1 9 low", "c1 15 mid", "d2 15 mid"]);
}

#[tokio::test]
async fn the_event_is_told_to_those_who_ask() {
    let items = vec![
        block(&samples::items(), RowsKind::Update, &[(1, None), (1, None)]),
        block(&samples::items(), RowsKind::Delete, &[(1, None)]),
    ];
    let kept = rule("id, __data_event_type__ AS event", "__data_event_type__ <> '-D'", "");
    assert_eq!(told(&[kept], items).await[1..], ["u0 1 -U -> 1 +U"]);
}

fn changed(columns: &[&str], renamed: &[(&str, &str)]) -> (Arc<TableSchema>, Item) {
    let first = samples::items();
    let mut table = TableSchema::clone(&first);
    table.columns = columns
        .iter()
        .map(|name| Column {
            name: (*name).into(),
            ..first.columns[usize::from(*name != "id")].clone()
        })
        .collect();
    let table = Arc::new(table);
    let change = SchemaChange {
        table: first.name.clone(),
        sql: "ALTER TABLE items …".into(),
        after: Some(Arc::clone(&table)),
        starts_over: false,
        truncated: false,
        renamed: renamed.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect(),
        filled: Vec::new(),
        renamed_from: None,
        origin: Origin {
            ts_ms: 0,
            server_id: 1,
            gtid: None,
            file: "f".into(),
            pos: 4,
            first_row: 0,
        },
    };
    (table, Item::Schema(change))
}

#[tokio::test]
async fn a_change_shows_as_far_as_the_projection_does() {
    let (_, added) = changed(&["id", "name", "more"], &[]);
    let star = told(&[rule("*, id + 1 AS next", "", "")], vec![added]).await;
    assert_eq!(star[1..], ["schema shop.items id name more next []"]);
    let (table, added) = changed(&["id", "more", "name"], &[]);
    let mut data = Vec::new();
    let cells = [Cell::Int(1), Cell::Text("m".into()), Cell::Text("n".into())];
    PackedRow::write(&mut data, &cells);
    let Item::Rows(row) = block(&table, RowsKind::Insert, &[]) else { unreachable!() };
    let row = Item::Rows(RowsBlock { data: data.into(), ..row });
    let named = told(&[rule("name, id", "", "")], vec![added, row]).await;
    assert_eq!(named[1..], ["c0 n 1"], "what is not projected does not show");
    let (_, renamed) = changed(&["id", "title"], &[("name", "title")]);
    let star = told(&[rule("*, id + 1 AS next", "", "")], vec![renamed]).await;
    assert_eq!(star[1..], [r#"schema shop.items id title next [("name", "title")]"#]);
    let (mut sink, _) = sink(&[rule("id, name", "", "")]);
    sink.begin(&samples::source(4)).await.unwrap();
    let (_, renamed) = changed(&["id", "title"], &[("name", "title")]);
    let error = sink.write(batch(vec![renamed])).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "sink[0]: job.yaml:9:15: table shop.items: there is no column `name`; there are `id`, `title`"
    );
}

#[tokio::test]
async fn untold_changes_are_told_whatever_the_tables_look_like() {
    let (table, Item::Schema(change)) = changed(&["id", "name", "more"], &[]) else {
        unreachable!()
    };
    let mut state = samples::source(4);
    state.tables[0].schema = table;
    state.untold = vec![change.clone()];
    let (mut sink, told) = sink(&[rule("*, id + 1 AS next", "", "")]);
    sink.begin(&state).await.unwrap();
    sink.write(batch(vec![Item::Schema(change)])).await.unwrap();
    let expected = ["begin shop.items id name more next", "schema shop.items id name more next []"];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_row_without_a_result_ends_the_job_with_its_place_and_not_its_values() {
    let (mut sink, _) = sink(&[rule("id, id * 9223372036854775807 AS much", "", "")]);
    let items = vec![block(&samples::items(), RowsKind::Insert, &[(77, None)])];
    let error = sink.write(batch(items)).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "sink[0]: job.yaml:9:18: column `much` of a row of shop.items at binlog.000001:4: the result of \
         `*` is out of range of BIGINT"
    );
}

#[tokio::test]
async fn batches_without_rows_of_transformed_tables_pass_untouched() {
    let other = samples::schema("crm", "people");
    let (mut sink, told) = sink(&[rule("id", "", "")]);
    sink.begin(&samples::source(4)).await.unwrap();
    let sent = batch(vec![block(&other, RowsKind::Insert, &[(1, Some("a"))])]);
    sink.write(Arc::clone(&sent)).await.unwrap();
    assert_eq!(told.lock().unwrap().pop().unwrap(), "c0 1 a");
}

/// One change of the source: a key, its new key, and its new value; `None` deletes.
type Wish = (i64, i64, Option<u8>);

/// A valid changelog out of wishes, cut into blocks of one kind.
fn changelog(wishes: &[Wish]) -> (Vec<Item>, BTreeMap<i64, String>) {
    let table = samples::items();
    let mut rows: BTreeMap<i64, String> = BTreeMap::new();
    let mut blocks: Vec<(RowsKind, Vec<(i64, String)>)> = Vec::new();
    for (key, new_key, value) in wishes {
        let before = rows.remove(key);
        let (kind, images) = match (before, value) {
            (None, None) => continue,
            (None, Some(value)) => (RowsKind::Insert, vec![(*key, format!("v{value}"))]),
            (Some(before), None) => (RowsKind::Delete, vec![(*key, before)]),
            (Some(before), Some(value)) => {
                let to = if rows.contains_key(new_key) { *key } else { *new_key };
                (RowsKind::Update, vec![(*key, before), (to, format!("v{value}"))])
            }
        };
        if let Some((key, value)) = images.last().filter(|_| kind != RowsKind::Delete) {
            rows.insert(*key, value.clone());
        }
        match blocks.last_mut() {
            Some((last, all)) if *last == kind => all.extend(images),
            _ => blocks.push((kind, images)),
        }
    }
    let items = blocks.iter().map(|(kind, images)| {
        let images: Vec<_> =
            images.iter().map(|(key, value)| (*key, Some(value.as_str()))).collect();
        block(&table, *kind, &images)
    });
    (items.collect(), rows)
}

/// The rows that a chain leaves; a panic where it is none.
fn replayed(told: &[String]) -> Rows {
    let mut rows = Rows::new();
    let key = |row: &str| row.split(' ').next().unwrap().to_owned();
    for line in told {
        let (op, images) = line.split_once(' ').unwrap();
        match op.chars().next().unwrap() {
            'c' => assert_eq!(rows.insert(key(images), images.to_owned()), None, "{line}"),
            'd' => assert_eq!(rows.remove(&key(images)).as_deref(), Some(images), "{line}"),
            'u' => {
                let (before, after) = images.split_once(" -> ").unwrap();
                let held = rows.insert(key(before), after.to_owned());
                assert_eq!(held.as_deref(), Some(before), "{line}");
            }
            _ => {}
        }
    }
    rows
}

proptest! {
    #[test]
    fn behind_a_filter_the_changes_of_a_key_still_form_a_chain(
        wishes in prop::collection::vec((0..6_i64, 0..6_i64, prop::option::of(0..5_u8)), 0..60),
        shape in 0..3_usize,
    ) {
        let (items, rows) = changelog(&wishes);
        let passes = |key: i64, value: &str| key != 2 && value != "v0" && value != "v3";
        let filter = "id <> 2 AND name NOT IN ('v0', 'v3')";
        let (projection, key, made): (_, _, fn(i64, &str) -> String) = match shape {
            0 => ("", "", |key, value| format!("{key} {value}")),
            1 => ("id + 100 AS i, UPPER(name) AS n", "i", |key, value| {
                format!("{} {}", key + 100, value.to_uppercase())
            }),
            _ => ("id", "", |key, _| key.to_string()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = runtime.block_on(told(&[rule(projection, filter, key)], items));
        let expected: Vec<_> =
            rows.iter().filter(|(k, v)| passes(**k, v)).map(|(k, v)| made(*k, v)).collect();
        let left: Vec<_> = replayed(&told[1..]).into_values().collect();
        prop_assert_eq!(left, expected);
    }
}
