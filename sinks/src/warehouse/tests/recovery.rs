//! What becomes of loads that a run has left behind.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_row_of_a_replayed_load_does_not_undo_a_newer_one() {
    let mut far = Far::new(System::Doris);
    let mut sink = far.sink(&[("enable-2pc", "false")]).await;
    sink.restore(None).await.unwrap();
    let t = pairs();
    begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
    let (older, newer) = (at(&t, 100, (1, 1)), at(&t, 200, (1, 2)));
    for item in [&older, &newer] {
        sink.write(one(item())).await.unwrap();
        checkpoint(&mut sink, 1).await;
    }
    sink.write(one(older())).await.unwrap();
    checkpoint(&mut sink, 2).await;
    assert_eq!(far.query(ALL), ["1|2"]);
}

/// The row inserted at this offset of the binlog.
fn at(table: &Arc<TableSchema>, pos: u64, row: (i64, i64)) -> impl Fn() -> Item {
    let table = Arc::clone(table);
    move || match block(&table, RowsKind::Insert, &[row]) {
        Item::Rows(mut block) => {
            block.origin.pos = pos;
            Item::Rows(block)
        }
        other @ Item::Schema(_) => other,
    }
}

#[tokio::test]
async fn what_was_thrown_away_is_asked_for_again_and_emptied_first() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let mut sink = far.sink(&[]).await;
        sink.restore(None).await.unwrap();
        let t = pairs();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        checkpoint(&mut sink, 1).await;
        sink.write(one(block(&t, RowsKind::Insert, &[(2, 2)]))).await.unwrap();
        let token = sink.prepare(&barrier(2)).await.unwrap();
        drop(sink);
        far.cluster.with(|state| state.skip_time(Duration::from_secs(3 * 86_400))).unwrap();

        let mut sink = far.sink(&[]).await;
        sink.restore(Some(&token)).await.unwrap();
        let lost = begin(&mut sink, &[Arc::clone(&t)]).await.unwrap_err();
        let SinkError::Lost { tables, what, .. } = lost else { panic!("{system}: {lost}") };
        assert_eq!(tables, std::slice::from_ref(&t.name), "{what}");
        drop(sink);

        // The engine reads the table again, and says so.
        let mut sink = far.sink(&[]).await;
        sink.restore(Some(&token)).await.unwrap();
        let mut source = model::checkpoint::SourceState::clone(&barrier(2).source);
        source.quarantine.start_over.push(t.name.clone());
        source.tables.push(model::checkpoint::TableState {
            schema: Arc::clone(&t),
            phase: model::checkpoint::TablePhase::Live,
            unproven: None,
        });
        sink.begin(&source).await.unwrap();
        let over = SchemaChange { starts_over: true, ..change(None) };
        sink.write(one(Item::Schema(over))).await.unwrap();
        sink.write(one(block(&t, RowsKind::Read, &[(2, 2), (3, 3)]))).await.unwrap();
        checkpoint(&mut sink, 3).await;
        assert_eq!(far.query(ALL), ["2|2", "3|3"], "{system}");
    }
}

#[tokio::test]
async fn loads_that_no_checkpoint_names_are_aborted_at_the_next_start() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let mut sink = far.sink(&[]).await;
        sink.restore(None).await.unwrap();
        let t = pairs();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        sink.prepare(&barrier(1)).await.unwrap();
        drop(sink);
        let running = |far: &Far| {
            let count = |state: &mut warehouse::cluster::State| {
                state.database("shop").unwrap().book.ledger().running()
            };
            far.cluster.update(count).unwrap()
        };
        assert_eq!(running(&far), 1, "{system}");
        let mut sink = far.sink(&[]).await;
        sink.restore(None).await.unwrap();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        assert_eq!(running(&far), 0, "{system}");
    }
}
