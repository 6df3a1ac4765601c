use bytes::Bytes;
use model::{Cell, Change, Column, ColumnType, Op, PackedRow, RowError, RowsKind, TableName};
use state::RocksStore;
use tempfile::TempDir;

use super::*;

fn table(name: &str) -> Arc<TableSchema> {
    let column = |name: &str| Column {
        name: name.into(),
        ty: ColumnType::Int { bytes: 8, unsigned: false },
        declared: "bigint".into(),
        nullable: false,
        generated: false,
        invisible: false,
    };
    Arc::new(TableSchema {
        name: TableName::new("d", name),
        columns: vec![column("k"), column("v")],
        key: vec![0],
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: vec![],
    })
}

fn origin(pos: u64) -> Origin {
    Origin { ts_ms: 7, server_id: 1, gtid: None, file: "b.000001".into(), pos, first_row: 0 }
}

/// Images of rows that hold their key twice.
fn block(table: &Arc<TableSchema>, kind: RowsKind, keys: &[i64]) -> RowsBlock {
    let mut data = Vec::new();
    for &key in keys {
        PackedRow::write(&mut data, &[Cell::Int(key), Cell::Int(key)]);
    }
    let (table, codec) = (Arc::clone(table), Arc::new(PackedCodec));
    RowsBlock { table, kind, codec, data: Bytes::from(data), origin: origin(4) }
}

fn xid(name: &str) -> Xid {
    let hex: String = name.bytes().map(|b| format!("{b:02x}")).collect();
    format!("X'{hex}',X'',1").parse().unwrap()
}

async fn store(dir: &TempDir) -> HeldStore {
    RocksStore::open(dir.path(), "j").await.unwrap().held()
}

async fn empty(dir: &TempDir, run: u64) -> XaTransactions {
    XaTransactions::open(store(dir).await, run, &XaState::default()).await.unwrap()
}

async fn prepare(xa: &mut XaTransactions, name: &str, blocks: &[RowsBlock]) {
    xa.begin(true);
    for block in blocks {
        xa.hold(block).await.unwrap();
    }
    xa.prepared(xid(name)).unwrap();
}

/// What comes out of a transaction, a line a change.
async fn committed(xa: &mut XaTransactions, held: Held) -> Vec<String> {
    let mut released = xa.release(held, origin(99));
    let mut seen = Vec::new();
    while let Some(blocks) = released.next().await.unwrap() {
        for block in blocks {
            assert_eq!((block.origin.pos, block.origin.ts_ms), (99, 7));
            let name = &block.table.name.table;
            let line = |change: Change<'_, '_>| {
                let key = change.after.or(change.before).and_then(|r| r.first()).unwrap();
                let op = match change.op {
                    Op::Read => "r",
                    Op::Create => "c",
                    Op::Update => "u",
                    Op::Delete => "d",
                };
                seen.push(format!("{name} {op} {key:?} #{}", change.row));
                Ok::<_, RowError>(())
            };
            block.for_each(line).unwrap();
        }
    }
    seen
}

#[tokio::test]
async fn rows_come_out_at_the_commit_in_order_and_numbered_through() {
    let dir = TempDir::new().unwrap();
    let mut xa = empty(&dir, 1).await;
    let (t, u) = (table("t"), table("u"));
    let of_a = [
        block(&t, RowsKind::Insert, &[1, 2]),
        block(&u, RowsKind::Delete, &[3]),
        block(&t, RowsKind::Update, &[4, 4, 5, 5]),
    ];
    prepare(&mut xa, "a", &of_a).await;
    prepare(&mut xa, "b", &[block(&t, RowsKind::Insert, &[9])]).await;
    prepare(&mut xa, "none of ours", &[]).await;
    let held = xa.take(&xid("b")).unwrap();
    assert_eq!(committed(&mut xa, held).await, ["t c Int(9) #0"]);
    let held = xa.take(&xid("a")).unwrap();
    let want =
        ["t c Int(1) #0", "t c Int(2) #1", "u d Int(3) #2", "t u Int(4) #3", "t u Int(5) #4"];
    assert_eq!(committed(&mut xa, held).await, want);
    let held = xa.take(&xid("none of ours")).unwrap();
    assert!(committed(&mut xa, held).await.is_empty());
    assert!(xa.take(&xid("a")).is_none(), "settled once");
    assert_eq!((xa.in_memory, xa.bytes), (0, 0));
}

#[tokio::test]
async fn a_commit_in_one_phase_takes_what_is_open_and_a_transaction_without_an_end_is_gone() {
    let dir = TempDir::new().unwrap();
    let mut xa = empty(&dir, 1).await;
    let t = table("t");
    xa.begin(true);
    xa.hold(&block(&t, RowsKind::Insert, &[1])).await.unwrap();
    xa.begin(true);
    xa.hold(&block(&t, RowsKind::Insert, &[2])).await.unwrap();
    let held = xa.take_open().unwrap();
    assert_eq!(committed(&mut xa, held).await, ["t c Int(2) #0"]);
    xa.begin(false);
    assert!(!xa.is_open() && xa.take_open().is_none());
    assert!(xa.prepared(xid("of which the beginning was not seen")).is_err());
    assert_eq!((xa.in_memory, xa.bytes), (0, 0));
}

#[tokio::test]
async fn prepared_rows_outlive_the_run_that_held_them() {
    let dir = TempDir::new().unwrap();
    let t = table("t");
    let state = {
        let mut xa = empty(&dir, 1).await;
        prepare(&mut xa, "settled", &[block(&t, RowsKind::Insert, &[8])]).await;
        prepare(&mut xa, "a", &[block(&t, RowsKind::Insert, &[1])]).await;
        prepare(&mut xa, "none", &[]).await;
        drop(xa.take(&xid("settled")));
        xa.spill().await.unwrap();
        xa.state()
    };
    assert_eq!(state.prepared.len(), 2);
    let mut xa = XaTransactions::open(store(&dir).await, 2, &state).await.unwrap();
    assert!(xa.is_held(&xid("a")) && xa.is_held(&xid("none")) && !xa.is_held(&xid("settled")));
    prepare(&mut xa, "b", &[block(&t, RowsKind::Insert, &[2])]).await;
    xa.spill().await.unwrap();
    assert!(xa.state().next > state.next, "{:?}", xa.state());
    for (name, want) in [("b", "t c Int(2) #0"), ("a", "t c Int(1) #0")] {
        let held = xa.take(&xid(name)).unwrap();
        assert_eq!(committed(&mut xa, held).await, [want]);
    }
}

#[tokio::test]
async fn rows_that_a_checkpoint_names_and_nobody_has_are_an_error() {
    let dir = TempDir::new().unwrap();
    let id = HeldId { run: 1, number: 0 };
    let rows = Some(HeldRows { id, records: 2, bytes: 10 });
    let prepared = vec![PreparedXa { xid: xid("a").to_string(), rows }];
    let state = XaState { prepared, next: HeldId { run: 1, number: 1 } };
    let error = XaTransactions::open(store(&dir).await, 2, &state).await.unwrap_err();
    assert!(error.to_string().contains("X'61',X'',1: its rows are not in the state"), "{error}");
}

#[tokio::test]
async fn what_is_too_much_for_memory_goes_to_disk_and_keeps_its_order() {
    let dir = TempDir::new().unwrap();
    let mut xa = empty(&dir, 1).await;
    let t = table("t");
    prepare(&mut xa, "small", &[block(&t, RowsKind::Insert, &[-1])]).await;
    xa.begin(true);
    let count = 1_000_000;
    for keys in (0..count).collect::<Vec<_>>().chunks(10_000) {
        xa.hold(&block(&t, RowsKind::Insert, keys)).await.unwrap();
        assert!(xa.in_memory <= HELD_BYTES_IN_MEMORY_MAX);
    }
    xa.prepared(xid("large")).unwrap();
    let large = xa.take(&xid("large")).unwrap();
    assert!(
        large.on_disk.is_some() && !large.pending.is_empty(),
        "a part is on disk, a part is not"
    );
    let want: Vec<String> = (0..count).map(|k| format!("t c Int({k}) #{k}")).collect();
    assert!(committed(&mut xa, large).await == want);
    let small = xa.take(&xid("small")).unwrap();
    assert_eq!(committed(&mut xa, small).await, ["t c Int(-1) #0"]);
}

#[tokio::test]
async fn more_prepared_transactions_than_a_job_keeps_end_it_with_a_name() {
    let dir = TempDir::new().unwrap();
    let mut xa = empty(&dir, 1).await;
    for n in 0..PREPARED_MAX {
        prepare(&mut xa, &n.to_string(), &[]).await;
    }
    xa.begin(true);
    let error = xa.prepared(xid("x")).unwrap_err().to_string();
    assert!(error.contains("X'78',X'',1") && error.contains("start over"), "{error}");
}

#[tokio::test]
async fn what_is_awaited_is_over_when_all_of_it_is_settled() {
    let mut awaited = Awaited::new(HashSet::from([xid("a"), xid("b")]));
    awaited.expire();
    assert!(!awaited.is_over() && awaited.ask_at().is_some());
    awaited.settled(&xid("a"));
    awaited.settled(&xid("other"));
    assert!(!awaited.is_over());
    awaited.settled(&xid("b"));
    assert!(awaited.is_over() && awaited.ask_at().is_none());
    assert!(Awaited::default().is_over());
    let mut awaited = Awaited::new(HashSet::from([xid("a"), xid("without changes")]));
    assert!(awaited.still(&HashSet::from([xid("a"), xid("new")])) && !awaited.is_over());
    assert!(!awaited.still(&HashSet::from([xid("a")])));
    assert!(awaited.still(&HashSet::new()) && awaited.is_over());
    let mut awaited = Awaited::new(HashSet::from([xid("a")]));
    awaited.until = Some(Instant::now());
    awaited.expire();
    assert!(awaited.is_over(), "it is not waited for for ever");
}
