//! Schema changes, and tables that are there already.

use model::change::Filled;

use super::*;

fn with_note() -> Arc<TableSchema> {
    let ty = int();
    table(vec![
        column("id", "bigint", int()),
        column("n", "bigint", ty),
        column("m", "bigint", int()),
    ])
}

fn under(name: &str, t: &TableSchema) -> Arc<TableSchema> {
    let name = model::TableName::new("shop", name);
    Arc::new(TableSchema { name, ..t.clone() })
}

/// A table that had another name.
fn came(from: &str, now: &Arc<TableSchema>) -> SchemaChange {
    SchemaChange {
        table: now.name.clone(),
        renamed_from: Some(model::TableName::new("shop", from)),
        ..change(Some(Arc::clone(now)))
    }
}

async fn begun(far: &mut Far, options: &[(&str, &str)], t: &Arc<TableSchema>) -> Box<dyn Sink> {
    let mut sink = far.sink(options).await;
    sink.restore(None).await.unwrap();
    begin(&mut sink, &[Arc::clone(t)]).await.unwrap();
    sink
}

#[tokio::test]
async fn rows_that_are_there_hold_the_default_of_a_column_that_comes() {
    for system in System::ALL {
        for behavior in ["lenient", "evolve"] {
            let mut far = Far::new(system);
            let (t, wider) = (pairs(), with_note());
            let options = [("schema.change.behavior", behavior)];
            let mut sink = begun(&mut far, &options, &t).await;
            sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
            let filled = vec![("m".into(), Filled::Literal("5".into()))];
            let add = SchemaChange { filled, ..change(Some(Arc::clone(&wider))) };
            sink.write(one(Item::Schema(add.clone()))).await.unwrap();
            let rows = |rows: &[[Cell<'_>; 3]]| {
                let rows: Vec<&[Cell<'_>]> = rows.iter().map(|row| &row[..]).collect();
                one(crate::testing::rows(&wider, RowsKind::Insert, &rows))
            };
            let row = |id, m| [Cell::Int(id), Cell::Int(id), m];
            sink.write(rows(&[row(2, Cell::Int(7)), row(3, Cell::Null)])).await.unwrap();
            checkpoint(&mut sink, 1).await;
            let all = "SELECT id, n, m FROM \"shop.t\" ORDER BY id";
            assert_eq!(far.query(all), ["1|1|5", "2|2|7", "3|3|NULL"], "{system} {behavior}");

            // Told again after a restart.
            drop(sink);
            let mut sink = far.sink(&options).await;
            sink.restore(None).await.unwrap();
            begin_behind(&mut sink, &[Arc::clone(&wider)], vec![add.clone()]).await.unwrap();
            sink.write(one(Item::Schema(add))).await.unwrap();
            checkpoint(&mut sink, 2).await;
            assert_eq!(far.query(all), ["1|1|5", "2|2|7", "3|3|NULL"], "{system} {behavior}");
        }
    }
}

#[tokio::test]
async fn a_column_with_a_default_can_be_widened() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let t = pairs();
        let mut narrow = TableSchema::clone(&with_note());
        narrow.columns[2].ty = model::ColumnType::Int { bytes: 4, unsigned: false };
        let mut sink = begun(&mut far, &[], &t).await;
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        let filled = vec![("m".into(), Filled::Literal("5".into()))];
        let add = SchemaChange { filled, ..change(Some(Arc::new(narrow))) };
        sink.write(one(Item::Schema(add))).await.unwrap();
        let wide = with_note();
        sink.write(one(Item::Schema(change(Some(Arc::clone(&wide)))))).await.unwrap();
        let row: &[Cell<'_>] = &[Cell::Int(2), Cell::Int(2), Cell::Int(i64::MAX)];
        sink.write(one(rows(&wide, RowsKind::Insert, &[row]))).await.unwrap();
        checkpoint(&mut sink, 1).await;
        let all = "SELECT id, m FROM \"shop.t\" ORDER BY id";
        assert_eq!(far.query(all), ["1|5".to_owned(), format!("2|{}", i64::MAX)], "{system}");
    }
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
        let u = under("u", &t);
        let came = came("t", &u);
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

        let u = under("u", &t);
        let came = came("t", &u);
        let untold = vec![change(None), came];
        let mut sink = far.sink(&[]).await;
        sink.restore(None).await.unwrap();
        begin_behind(&mut sink, &[Arc::clone(&u)], untold.clone()).await.unwrap();
        sink.write(batch(untold.into_iter().map(Item::Schema).collect())).await.unwrap();
        checkpoint(&mut sink, 2).await;
        assert_eq!(far.query("SELECT id, n FROM \"shop.u\""), ["1|1"], "{system}");
    }
}

#[tokio::test]
async fn a_change_that_is_followed_is_told_once_with_what_was_run_and_its_place() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let told = Arc::<std::sync::Mutex<Vec<crate::Applied>>>::default();
        let to = Arc::clone(&told);
        far.watcher =
            crate::Watcher::default().and_applied(move |what| to.lock().unwrap().push(what));
        let (narrow, wide) = (pairs(), with_note());
        let mut sink = begun(&mut far, &[], &narrow).await;
        let add = SchemaChange { sql: "ALTER TABLE t ADD m TEXT".into(), ..change(Some(wide)) };
        for _ in 0..2 {
            sink.write(one(Item::Schema(add.clone()))).await.unwrap();
        }
        let told = told.lock().unwrap();
        let [one] = &told[..] else { panic!("{system}: {told:?}") };
        assert_eq!((one.table.to_string(), &*one.sink), ("shop.t".to_owned(), "sink[0]"));
        assert_eq!(&*one.statement, "ALTER TABLE t ADD m TEXT");
        assert!(one.applied.starts_with("ALTER TABLE ") && one.applied.contains("`m`"), "{one:?}");
        assert_eq!(one.place, format!("{}:{}", add.origin.file, add.origin.pos));
    }
}

#[tokio::test]
async fn a_change_that_is_not_followed_is_told_with_its_table_and_its_statement() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let told = Arc::<std::sync::Mutex<Vec<crate::Unapplied>>>::default();
        let to = Arc::clone(&told);
        far.watcher = crate::Watcher::new(move |what| to.lock().unwrap().push(what));
        let (wide, narrow) = (with_note(), pairs());
        let mut sink = begun(&mut far, &[("schema.change.behavior", "lenient")], &wide).await;
        let drop = SchemaChange {
            sql: "ALTER TABLE t DROP COLUMN m".into(),
            ..change(Some(Arc::clone(&narrow)))
        };
        sink.write(one(Item::Schema(drop))).await.unwrap();
        let told = told.lock().unwrap();
        let [one] = &told[..] else { panic!("{system}: {told:?}") };
        assert_eq!((one.table.to_string(), &*one.sink), ("shop.t".to_owned(), "sink[0]"));
        assert_eq!(&*one.statement, "ALTER TABLE t DROP COLUMN m");
        assert!(one.why.contains("column `m` stays"), "{}", one.why);
    }
}
