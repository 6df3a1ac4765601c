//! The jobs under `examples/` are read as they stand.

use super::*;

/// The world of the examples: every password is there.
struct Passwords;

impl Surroundings for Passwords {
    fn env(&self, name: &str) -> Option<String> {
        name.ends_with("_PASSWORD").then(|| "secret".to_owned())
    }

    fn file(&self, path: &str) -> io::Result<String> {
        World.file(path)
    }

    fn sink_options(&self, connector: &str) -> Option<Vec<String>> {
        World.sink_options(connector)
    }
}

#[track_caller]
fn read_example(name: &str) -> JobSpec {
    let job = parse(&example(name), name, Mode::Strict, &[], &Passwords);
    job.unwrap_or_else(|errors| panic!("{errors}"))
}

fn goes(job: &JobSpec, sink: usize, source: &str) -> String {
    let (db, table) = source.split_once('.').unwrap();
    job.sinks[sink].routes.target(&TableName::new(db, table)).to_string()
}

#[test]
fn every_example_is_a_job() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut read = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".sql") || name.ends_with(".yaml") {
            read_example(&name);
            read += 1;
        }
    }
    assert_eq!(read, 8);
}

#[test]
fn the_example_for_doris_names_its_tables_and_maps_its_options() {
    let job = read_example("doris.sql");
    assert_eq!(goes(&job, 0, "emp_1.employees_2"), "ods_emp_1.ods_employees_2");
    let options = &job.sinks[0].options;
    assert_eq!(
        (options["label-prefix"].as_str(), options["enable-2pc"].as_str()),
        ("employees", "true")
    );
    assert_eq!(job.notes, [], "nothing in it is without effect");
}

#[test]
fn the_example_for_starrocks_routes_shards_and_the_rest() {
    let job = read_example("starrocks.yaml");
    assert_eq!(goes(&job, 0, "shop.order_items_7"), "ods.order_items");
    assert_eq!(goes(&job, 0, "crm.customers"), "ods.customers");
    assert_eq!(job.sinks[0].options["buffer-flush.interval"], "15000ms");
    assert_eq!(job.notes, []);
}

#[test]
fn the_example_of_shards_merges_them() {
    let job = read_example("shards.sql");
    let shards = ["orders_0", "orders_15"].map(|table| TableName::new("shop_3", table));
    let merges = job.sinks[0].routes.merges(&shards);
    assert_eq!(merges.len(), 1);
    assert_eq!(merges[0].target, TableName::new("shop", "orders"));
    assert_eq!(job.sinks[0].source_column.as_deref(), Some("source_table"));
}

#[test]
fn the_example_of_two_warehouses_has_rules_for_each() {
    let job = read_example("doris-and-starrocks.yaml");
    assert_eq!(goes(&job, 0, "emp_1.employees_1"), "emp_1.ods_employees_1");
    assert_eq!(goes(&job, 1, "emp_1.employees_1"), "emp_1.employees_1");
    assert_eq!(job.sinks[1].options["enable-2pc"], "false");
}
