//! Tables that get other names, several in one statement, also where a run is cut short in the middle.

use warehouse::table::TableName as There;

use super::*;

fn under(name: &str, t: &TableSchema) -> Arc<TableSchema> {
    let name = model::TableName::new("shop", name);
    Arc::new(TableSchema { name, ..t.clone() })
}

fn gone(name: &str) -> SchemaChange {
    SchemaChange { table: model::TableName::new("shop", name), ..change(None) }
}

/// A table that had another name.
fn came(from: &str, now: &Arc<TableSchema>) -> SchemaChange {
    SchemaChange {
        table: now.name.clone(),
        renamed_from: Some(model::TableName::new("shop", from)),
        ..change(Some(Arc::clone(now)))
    }
}

fn told(changes: &[SchemaChange]) -> Arc<Batch> {
    batch(changes.iter().cloned().map(Item::Schema).collect())
}

impl Far {
    fn rows(&self, table: &str) -> Vec<String> {
        self.query(&format!("SELECT id, n FROM \"shop.{table}\" ORDER BY id"))
    }

    fn rename(&self, from: &str, to: &str) {
        let (from, to) = (There::new("shop", from), There::new("shop", to));
        self.cluster.update(|state| state.rename_table(&from, &to)).unwrap().unwrap();
    }

    fn remove(&self, table: &str) {
        let name = There::new("shop", table);
        assert!(self.cluster.update(|state| state.drop_table(&name)).unwrap().unwrap(), "{table}");
    }

    /// What the sink has made beside the tables of the source.
    fn of_the_sink(&self) -> Vec<String> {
        let names = self.cluster.update(|state| -> Vec<String> {
            let names = state.catalog().of("shop").map(|table| table.name.clone());
            names.filter(|name| name.starts_with("seachange_")).collect()
        });
        names.unwrap()
    }
}

/// A sink with rows in each of these tables: their number, and it once more.
async fn filled(far: &mut Far, tables: &[&str]) -> (Box<dyn Sink>, Vec<Arc<TableSchema>>) {
    let tables: Vec<_> = tables.iter().map(|name| under(name, &pairs())).collect();
    let mut sink = far.sink(&[]).await;
    sink.restore(None).await.unwrap();
    begin(&mut sink, &tables).await.unwrap();
    for (number, table) in (1..).zip(&tables) {
        sink.write(one(block(table, RowsKind::Insert, &[(number, number)]))).await.unwrap();
    }
    checkpoint(&mut sink, 1).await;
    (sink, tables)
}

/// The next run, which begins with the tables as they are behind `untold`, and is told of it.
async fn again(far: &mut Far, tables: &[Arc<TableSchema>], untold: &[SchemaChange]) {
    let mut sink = far.sink(&[]).await;
    sink.restore(None).await.unwrap();
    begin_behind(&mut sink, tables, untold.to_vec()).await.unwrap();
    sink.write(told(untold)).await.unwrap();
    for (number, table) in (10..).zip(tables) {
        sink.write(one(block(table, RowsKind::Insert, &[(number, number)]))).await.unwrap();
    }
    checkpoint(&mut sink, 2).await;
}

#[tokio::test]
async fn several_tables_get_other_names_in_one_statement_and_take_their_rows_along() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let (sink, tables) = filled(&mut far, &["a", "c", "x", "y"]).await;
        let [b, d, y, z] = ["b", "d", "y", "z"].map(|name| under(name, &pairs()));
        let changes = [
            gone("a"),
            came("a", &b),
            gone("c"),
            came("c", &d),
            gone("y"),
            came("y", &z),
            gone("x"),
            came("x", &y),
        ];
        drop((sink, tables));
        // Told, and told again to a run that does not know how far the one before it was.
        let after = [b, d, z, y];
        again(&mut far, &after, &changes).await;
        for (table, rows) in [("b", "1|1"), ("d", "2|2"), ("y", "3|3"), ("z", "4|4")] {
            assert_eq!(far.rows(table)[0], rows, "{system} {table}");
        }
        again(&mut far, &after, &changes).await;
        assert_eq!(far.rows("z"), ["4|4", "12|12"], "{system}");
        assert_eq!(far.rows("y"), ["3|3", "13|13"], "{system}");
        assert!(!far.has_table("shop", "a") && far.of_the_sink().is_empty(), "{system}");
    }
}

#[tokio::test]
async fn tables_that_swap_names_swap_rows_once_however_often_it_is_told() {
    for system in System::ALL {
        // Where the run before was cut short.
        for cut in ["before", "aside", "moved", "marked", "done"] {
            let mut far = Far::new(system);
            let (mut sink, tables) = filled(&mut far, &["t", "u"]).await;
            let [t, u] = [&tables[0], &tables[1]];
            let changes = [gone("t"), gone("u"), came("u", t), came("t", u)];
            if cut != "before" {
                sink.write(told(&changes)).await.unwrap();
                let made = far.of_the_sink();
                let mark = made[0].clone();
                assert_eq!(
                    (made.len(), &far.rows("t")[..]),
                    (1, &["2|2".to_owned()][..]),
                    "{system}"
                );
                let aside = mark.replace("_renamed_", "_aside_");
                match cut {
                    "aside" => {
                        far.rename("u", &aside);
                        far.rename("t", "u");
                        far.remove(&mark);
                    }
                    "moved" => {
                        far.rename("u", &aside);
                        far.remove(&mark);
                    }
                    "marked" => far.rename("u", &aside),
                    _ => {}
                }
            }
            drop(sink);
            again(&mut far, &tables, &changes).await;
            let at = format!("{system} {cut}");
            assert_eq!(far.rows("t"), ["2|2", "10|10"], "{at}");
            assert_eq!(far.rows("u"), ["1|1", "11|11"], "{at}");
            assert!(far.of_the_sink().is_empty(), "{at}: {:?}", far.of_the_sink());
        }
    }
}

#[tokio::test]
async fn a_table_takes_the_place_of_one_that_is_let_go() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let tables: Vec<_> = ["t", "u"].iter().map(|name| under(name, &pairs())).collect();
        let options = [("schema.change.behavior", "evolve")];
        let mut sink = far.sink(&options).await;
        sink.restore(None).await.unwrap();
        begin(&mut sink, &tables).await.unwrap();
        sink.write(one(block(&tables[1], RowsKind::Insert, &[(2, 2)]))).await.unwrap();
        checkpoint(&mut sink, 1).await;
        // `t TO elsewhere, u TO t`.
        let changes = [gone("t"), gone("u"), came("u", &tables[0])];
        for _ in 0..2 {
            drop(sink);
            sink = far.sink(&options).await;
            sink.restore(None).await.unwrap();
            begin_behind(&mut sink, &tables[..1], changes.to_vec()).await.unwrap();
            sink.write(told(&changes)).await.unwrap();
            assert_eq!(far.rows("t"), ["2|2"], "{system}");
            assert!(!far.has_table("shop", "u"), "{system}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_taken_in_the_target_is_told_and_nothing_is_lost() {
    let mut far = Far::new(System::Doris);
    let (mut sink, _) = filled(&mut far, &["t", "u"]).await;
    let v = under("v", &pairs());
    far.rename("u", "v");
    let refused = sink.write(told(&[gone("t"), came("t", &v)])).await.unwrap_err().to_string();
    assert!(refused.contains("shop.v") && refused.contains("already"), "{refused}");
    assert_eq!((far.rows("t"), far.rows("v")), (vec!["1|1".into()], vec!["2|2".into()]));
}
