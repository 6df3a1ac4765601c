//! Schema changes, and tables that are there already.

use super::*;

fn with_note() -> Arc<TableSchema> {
    let ty = int();
    table(vec![
        column("id", "bigint", int()),
        column("n", "bigint", ty),
        column("m", "bigint", int()),
    ])
}

async fn begun(far: &mut Far, options: &[(&str, &str)], t: &Arc<TableSchema>) -> Box<dyn Sink> {
    let mut sink = far.sink(options).await;
    sink.restore(None).await.unwrap();
    begin(&mut sink, &[Arc::clone(t)]).await.unwrap();
    sink
}

#[tokio::test]
async fn a_column_that_the_source_adds_is_added_between_the_rows() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let (t, wider) = (pairs(), with_note());
        let mut sink = begun(&mut far, &[], &t).await;
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        sink.write(one(Item::Schema(change(Some(Arc::clone(&wider)))))).await.unwrap();
        let row: &[Cell<'_>] = &[Cell::Int(2), Cell::Int(2), Cell::Int(3)];
        sink.write(one(rows(&wider, RowsKind::Insert, &[row]))).await.unwrap();
        checkpoint(&mut sink, 1).await;
        let all = "SELECT id, n, m FROM \"shop.t\" ORDER BY id";
        assert_eq!(far.query(all), ["1|1|NULL", "2|2|3"], "{system}");
        // Told again after a restart.
        drop(sink);
        let mut sink = begun(&mut far, &[], &t).await;
        sink.write(one(Item::Schema(change(Some(Arc::clone(&wider)))))).await.unwrap();
        checkpoint(&mut sink, 2).await;
        assert_eq!(far.query(all).len(), 2, "{system}");
    }
}

#[tokio::test]
async fn truncate_empties_the_target_where_the_job_says_so() {
    for system in System::ALL {
        for (behavior, left) in [("evolve", &["2|2"][..]), ("lenient", &["1|1", "2|2"])] {
            let mut far = Far::new(system);
            let t = pairs();
            let options = [("schema.change.behavior", behavior)];
            let mut sink = begun(&mut far, &options, &t).await;
            sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
            let truncate = SchemaChange { truncated: true, ..change(Some(Arc::clone(&t))) };
            sink.write(one(Item::Schema(truncate))).await.unwrap();
            sink.write(one(block(&t, RowsKind::Insert, &[(2, 2)]))).await.unwrap();
            checkpoint(&mut sink, 1).await;
            assert_eq!(far.query(ALL), left, "{system} {behavior}");
        }
    }
}

#[tokio::test]
async fn a_table_that_gets_another_name_takes_its_rows_along() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let t = pairs();
        let mut sink = begun(&mut far, &[], &t).await;
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        let name = model::TableName::new("shop", "u");
        let u = Arc::new(TableSchema { name: name.clone(), ..TableSchema::clone(&t) });
        let came = SchemaChange { table: name, ..change(Some(Arc::clone(&u))) };
        let both = vec![Item::Schema(change(None)), Item::Schema(came)];
        sink.write(batch(both)).await.unwrap();
        sink.write(one(block(&u, RowsKind::Insert, &[(2, 2)]))).await.unwrap();
        checkpoint(&mut sink, 1).await;
        let rows = far.query("SELECT id, n FROM \"shop.u\" ORDER BY id");
        assert_eq!(rows, ["1|1", "2|2"], "{system}");
        assert!(!far.has_table("shop", "t"), "{system}");
    }
}

#[tokio::test]
async fn a_table_that_cannot_take_the_rows_is_told_before_the_first_of_them() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let mut narrow = TableSchema::clone(&pairs());
        narrow.columns[1].ty = model::ColumnType::Int { bytes: 1, unsigned: false };
        drop(begun(&mut far, &[], &Arc::new(narrow)).await);
        let mut sink = far.sink(&[]).await;
        sink.restore(None).await.unwrap();
        let refused = begin(&mut sink, &[pairs()]).await.unwrap_err().to_string();
        assert!(refused.contains("shop.t") && refused.contains("MODIFY COLUMN `n`"), "{refused}");
    }
}

#[tokio::test]
async fn a_table_that_is_missing_is_made_only_where_the_job_lets_it() {
    let mut far = Far::new(System::Doris);
    let mut sink = far.sink(&[("auto.create", "false")]).await;
    sink.restore(None).await.unwrap();
    let refused = begin(&mut sink, &[pairs()]).await.unwrap_err().to_string();
    assert!(refused.contains("CREATE TABLE") && refused.contains("auto.create"), "{refused}");
}

#[tokio::test]
async fn a_run_that_begins_behind_a_change_tells_it_to_the_table_as_it_was() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let mut narrow = TableSchema::clone(&pairs());
        narrow.columns[1].ty = model::ColumnType::Int { bytes: 4, unsigned: false };
        narrow.columns.push(column("old", "bigint", int()));
        let options = [("schema.change.behavior", "evolve")];
        let mut sink = begun(&mut far, &options, &Arc::new(narrow)).await;
        checkpoint(&mut sink, 1).await;
        drop(sink);

        let t = pairs();
        let sql = "ALTER TABLE t MODIFY n BIGINT, DROP COLUMN old";
        let untold = SchemaChange { sql: sql.into(), ..change(Some(Arc::clone(&t))) };
        let mut sink = far.sink(&options).await;
        sink.restore(None).await.unwrap();
        begin_behind(&mut sink, &[Arc::clone(&t)], vec![untold.clone()]).await.unwrap();
        sink.write(one(Item::Schema(untold))).await.unwrap();
        sink.write(one(block(&t, RowsKind::Insert, &[(1, i64::MAX)]))).await.unwrap();
        checkpoint(&mut sink, 2).await;
        let rows = far.query("SELECT * FROM \"shop.t\"");
        assert_eq!(rows, [format!("1|{}", i64::MAX)], "{system}");
    }
}

#[tokio::test]
async fn a_run_that_begins_behind_a_new_name_takes_the_rows_along() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let t = pairs();
        let mut sink = begun(&mut far, &[], &t).await;
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        checkpoint(&mut sink, 1).await;
        drop(sink);

        let name = model::TableName::new("shop", "u");
        let u = Arc::new(TableSchema { name: name.clone(), ..TableSchema::clone(&t) });
        let came = SchemaChange { table: name, ..change(Some(Arc::clone(&u))) };
        let untold = vec![change(None), came];
        let mut sink = far.sink(&[]).await;
        sink.restore(None).await.unwrap();
        begin_behind(&mut sink, &[Arc::clone(&u)], untold.clone()).await.unwrap();
        sink.write(batch(untold.into_iter().map(Item::Schema).collect())).await.unwrap();
        checkpoint(&mut sink, 2).await;
        assert_eq!(far.query("SELECT id, n FROM \"shop.u\""), ["1|1"], "{system}");
    }
}
