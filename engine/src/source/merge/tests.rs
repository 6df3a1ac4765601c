//! The argument of `merge.rs`, played with dice: a table is written to while its chunks are opened,
//! read (each row as of any moment that the visibility wait allows), and closed; what comes out must
//! be a changelog without a gap that ends at what the table holds.

use std::collections::BTreeMap;

use model::{Column, ColumnType, KeyBound, PackedRow, TableName};
use proptest::prelude::*;

use super::*;

fn schema() -> Arc<TableSchema> {
    let column = |name: &str| Column {
        name: name.into(),
        ty: ColumnType::Int { bytes: 8, unsigned: false },
        declared: "bigint".into(),
        nullable: false,
        generated: false,
        invisible: false,
    };
    Arc::new(TableSchema {
        name: TableName::new("d", "t"),
        columns: vec![column("k"), column("v")],
        key: vec![0],
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: vec![],
    })
}

type Row = (i64, i64);

#[derive(Debug, Clone, Copy)]
enum Write {
    Insert(Row),
    Update(Row, Row),
    Delete(Row),
}

fn packed(rows: &[Row]) -> (Bytes, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for &(k, v) in rows {
        PackedRow::write(&mut bytes, &[Cell::Int(k), Cell::Int(v)]);
        ends.push(bytes.len());
    }
    (bytes.into(), ends)
}

fn order_of(key: i64) -> Vec<u8> {
    KeyOrder::of(&schema()).unwrap().encode_local(&[Cell::Int(key), Cell::Int(0)]).unwrap()
}

fn bound(key: i64) -> KeyBound {
    KeyBound { order: order_of(key), key: vec![] }
}

fn origin() -> Origin {
    Origin { ts_ms: 0, server_id: 1, gtid: None, file: "b.000001".into(), pos: 4, first_row: 0 }
}

fn block(kind: RowsKind, rows: &[Row]) -> (RowsBlock, Vec<usize>) {
    let (data, ends) = packed(rows);
    let codec: Arc<dyn RowCodec> = Arc::new(PackedCodec);
    (RowsBlock { table: schema(), kind, codec, data, origin: origin() }, ends)
}

/// What a sink would hold, checked at every step.
#[derive(Debug, Default)]
struct Downstream {
    rows: BTreeMap<i64, i64>,
    reads: BTreeMap<i64, u32>,
}

impl Downstream {
    fn take(&mut self, blocks: Vec<RowsBlock>) -> Result<(), TestCaseError> {
        let row = |cells: Option<&[Cell<'_>]>| match cells {
            Some([Cell::Int(k), Cell::Int(v)]) => Some((*k, *v)),
            _ => None,
        };
        let mut changes = Vec::new();
        for block in &blocks {
            block
                .for_each(|c| {
                    changes.push((c.op, row(c.before), row(c.after)));
                    Ok::<_, RowError>(())
                })
                .unwrap();
        }
        for (op, before, after) in changes {
            if let Some((k, v)) = before {
                prop_assert_eq!(self.rows.remove(&k), Some(v), "{:?} of key {}", op, k);
            }
            if let Some((k, v)) = after {
                prop_assert_eq!(self.rows.insert(k, v), None, "{:?} of key {}", op, k);
                if op == model::Op::Read {
                    let reads = self.reads.entry(k).or_default();
                    *reads += 1;
                    prop_assert_eq!(*reads, 1, "key {} was read twice", k);
                }
            }
        }
        Ok(())
    }
}

/// The source: its history, and the table after each step of it.
#[derive(Debug, Default)]
struct Server {
    history: Vec<Write>,
    states: Vec<BTreeMap<i64, i64>>,
    value: i64,
}

impl Server {
    fn new(keys: &[i64]) -> Self {
        let rows = keys.iter().map(|&k| (k, -k)).collect();
        Self { history: vec![], states: vec![rows], value: 0 }
    }

    fn now(&self) -> &BTreeMap<i64, i64> {
        self.states.last().unwrap()
    }

    fn write(&mut self, key: i64, other: i64, choice: u8) {
        self.value += 1;
        let mut rows = self.now().clone();
        let write = match (rows.get(&key).copied(), choice % 3) {
            (None, _) => Write::Insert((key, self.value)),
            (Some(v), 0) => Write::Delete((key, v)),
            (Some(v), 1) if !rows.contains_key(&other) => {
                Write::Update((key, v), (other, self.value))
            }
            (Some(v), _) => Write::Update((key, v), (key, self.value)),
        };
        match write {
            Write::Insert((k, v)) => drop(rows.insert(k, v)),
            Write::Delete((k, _)) => drop(rows.remove(&k)),
            Write::Update((k, _), (k2, v2)) => {
                rows.remove(&k);
                rows.insert(k2, v2);
            }
        }
        self.history.push(write);
        self.states.push(rows);
    }
}

struct OpenChunk {
    id: ChunkId,
    range: KeyRange,
    low: usize,
    loaded: Option<(ChunkRows, usize)>,
}

/// `wait`: the visibility wait is in place.
#[expect(clippy::too_many_lines, reason = "one arm for each thing that can happen next")]
fn play(keys: &[i64], script: &[(u8, i64, i64, u8)], wait: bool) -> Result<(), TestCaseError> {
    let mut server = Server::new(keys);
    let mut table =
        SnapshotTable::new(schema(), KeyOrder::of(&schema()).unwrap(), RangeSet::default(), 0);
    let mut sink = Downstream::default();
    let mut stream = 0;
    let mut chunks: Vec<OpenChunk> = Vec::new();
    let mut next_id = 0;
    let finish = [(1u8, 0i64, 0i64, 0u8), (2, 0, 0, 0), (3, 0, 0, 0), (4, 0, 0, 0)];
    let rounds = script.len() + 400;
    for n in 0..rounds {
        let (action, key, other, dice) = script.get(n).copied().unwrap_or(finish[n % 4]);
        match action {
            0 => server.write(key, other, dice),
            1 => {
                for _ in 0..=dice % 4 {
                    let Some(write) = server.history.get(stream).copied() else { break };
                    stream += 1;
                    let (kind, rows) = match write {
                        Write::Insert(r) => (RowsKind::Insert, vec![r]),
                        Write::Delete(r) => (RowsKind::Delete, vec![r]),
                        Write::Update(b, a) => (RowsKind::Update, vec![b, a]),
                    };
                    let (block, ends) = block(kind, &rows);
                    let orders = rows.iter().map(|r| order_of(r.0)).collect();
                    let mut out = Vec::new();
                    table.push(&StreamedRows { block: &block, ends, orders }, &mut out);
                    sink.take(out)?;
                }
            }
            2 => {
                let free: Vec<KeyRange> = table
                    .gaps()
                    .into_iter()
                    .filter(|g| chunks.iter().all(|c| disjoint(g, &c.range)))
                    .collect();
                if let Some(gap) = free.into_iter().next() {
                    let id = ChunkId(next_id);
                    next_id += 1;
                    let range = match dice % 3 {
                        0 if gap.contains(&order_of(key)) => {
                            KeyRange { after: gap.after, through: Some(bound(key)) }
                        }
                        _ => gap,
                    };
                    table.open(id, range.clone());
                    chunks.push(OpenChunk { id, range, low: stream, loaded: None });
                }
            }
            3 => {
                if let Some(chunk) = chunks.iter_mut().find(|c| c.loaded.is_none()) {
                    let from = if wait { chunk.low } else { chunk.low.saturating_sub(2) };
                    let (rows, range) = select(&server, chunk, from, dice);
                    table.narrow(chunk.id, &range);
                    chunk.range = range;
                    chunk.loaded = Some((rows, server.history.len()));
                }
            }
            _ => {
                let ready =
                    chunks.iter().position(|c| c.loaded.as_ref().is_some_and(|l| l.1 <= stream));
                if let Some(at) = ready {
                    let chunk = chunks.remove(at);
                    let (rows, _) = chunk.loaded.unwrap();
                    let mut out = Vec::new();
                    table.close(chunk.id, rows, &origin(), &mut out).unwrap();
                    sink.take(out)?;
                }
            }
        }
    }
    prop_assert!(table.is_complete(), "left: {:?}", table.gaps());
    prop_assert_eq!(&sink.rows, server.now());
    Ok(())
}

fn disjoint(a: &KeyRange, b: &KeyRange) -> bool {
    let before =
        |x: &KeyRange, y: &KeyRange| matches!((&x.through, &y.after), (Some(t), Some(f)) if t <= f);
    before(a, b) || before(b, a)
}

/// Each row as of its own moment between L and now, as a locking read would return them; sometimes
/// cut short.
fn select(server: &Server, chunk: &OpenChunk, from: usize, dice: u8) -> (ChunkRows, KeyRange) {
    let moments = server.states.len() - from;
    let mut rows: Vec<Row> = Vec::new();
    let keys: std::collections::BTreeSet<i64> =
        server.states[from..].iter().flat_map(|s| s.keys().copied()).collect();
    for key in keys.into_iter().filter(|k| chunk.range.contains(&order_of(*k))) {
        let moment = from + (usize::from(dice) * 7 + usize::try_from(key).unwrap() * 13) % moments;
        if let Some(value) = server.states[moment].get(&key) {
            rows.push((key, *value));
        }
    }
    let mut range = chunk.range.clone();
    if dice.is_multiple_of(5) && rows.len() > 1 {
        rows.truncate(rows.len() / 2);
        range.through = rows.last().map(|r| bound(r.0));
    }
    let (data, _) = packed(&rows);
    let segments = if data.is_empty() { vec![] } else { vec![data] };
    (ChunkRows { segments, rows: rows.len() as u64, ..ChunkRows::default() }, range)
}

fn scripts() -> impl Strategy<Value = Vec<(u8, i64, i64, u8)>> {
    prop::collection::vec((0u8..5, 0i64..12, 0i64..12, any::<u8>()), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn rows_written_during_a_chunk_are_neither_lost_nor_doubled(
        keys in prop::collection::btree_set(0i64..12, 0..10),
        script in scripts(),
    ) {
        let keys: Vec<i64> = keys.into_iter().collect();
        play(&keys, &script, true)?;
    }
}

#[test]
fn without_the_visibility_wait_a_row_is_lost() {
    // The stream is past the insert of key 5, the SELECT does not see it yet.
    let script = [(0, 5, 5, 0), (1, 0, 0, 0), (2, 0, 0, 1), (3, 0, 0, 1), (4, 0, 0, 0)];
    assert!(play(&[1], &script, true).is_ok());
    assert!(play(&[1], &script, false).is_err());
}

#[test]
fn a_spoiled_window_is_read_again() {
    let mut table =
        SnapshotTable::new(schema(), KeyOrder::of(&schema()).unwrap(), RangeSet::default(), 0);
    table.open(ChunkId(1), KeyRange::ALL);
    table.spoil(schema(), KeyOrder::of(&schema()).unwrap());
    let mut out = Vec::new();
    let closed = table.close(ChunkId(1), ChunkRows::default(), &origin(), &mut out).unwrap();
    assert_eq!((closed, out.len(), table.is_complete()), (Closed::Again, 0, false));
}

#[test]
fn changes_of_done_keys_leave_as_few_blocks() {
    let mut done = RangeSet::default();
    done.insert(KeyRange { after: None, through: Some(bound(100)) });
    let mut table = SnapshotTable::new(schema(), KeyOrder::of(&schema()).unwrap(), done, 0);
    let rows: Vec<Row> = (98..103).map(|k| (k, 1)).collect();
    let (block, ends) = block(RowsKind::Insert, &rows);
    let orders = rows.iter().map(|r| order_of(r.0)).collect();
    let mut out = Vec::new();
    table.push(&StreamedRows { block: &block, ends, orders }, &mut out);
    let [only] = out.as_slice() else { panic!("{} blocks", out.len()) };
    assert_eq!(only.data, packed(&rows[..3]).0);
}
