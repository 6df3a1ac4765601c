use model::{Date, DateTime, Decimal};

use super::*;
use crate::testing::context;
use crate::warehouse::target::testing::schema;

const SYSTEMS: [(&str, &str); 2] = [("doris", "fenodes"), ("starrocks", "load-url")];

/// What stands where these go, once the sink has made it.
fn view((connector, endpoint): (&str, &str), sources: &[TableSchema]) -> View {
    let options = [(endpoint, "fe:8030"), ("username", "u")];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let readback = crate::read_back(connector, &options, &context()).unwrap().unwrap();
    let sources: Vec<_> = sources.iter().cloned().map(Arc::new).collect();
    let table = readback.wanted(&TableName::new("dw", "emp"), &sources).unwrap();
    readback.view(table, &sources, Vec::new())
}

fn day(day: u8) -> Date {
    Date { year: 2024, month: 2, day }
}

#[test]
fn a_row_of_the_source_is_the_row_that_the_target_shows() {
    let emp =
        schema(&["id int!", "pay decimal", "at datetime(6)", "doc json", "name varchar(9)"], 1);
    let at = DateTime { date: day(29), hour: 10, minute: 0, second: 0, micros: 250_000 };
    let row = [
        Cell::Int(7),
        Cell::Decimal(Decimal::Text("12.50")),
        Cell::DateTime(at),
        Cell::Json("{\"b\": 1.0, \"a\": [null]}".into()),
        Cell::Text("a \"b\" \\".into()),
    ];
    let shown = ["7", "12.50", "2024-02-29 10:00:00.250", r#"{"a":[null],"b":1}"#, "a \"b\" \\"];
    let shown = shown.map(|text| Some(text.as_bytes().to_vec()));
    for system in SYSTEMS {
        let view = view(system, std::slice::from_ref(&emp));
        assert_eq!(view.row(0, &row).unwrap(), view.shown(&shown), "{system:?}");
        let mut other = shown.clone();
        other[4] = Some(b"a \"b\"".to_vec());
        assert_ne!(view.row(0, &row).unwrap(), view.shown(&other));
    }
}

#[test]
fn what_the_mapping_loses_is_no_difference_and_null_is_not_the_word() {
    let emp = schema(&["id int!", "at date", "name varchar(9)"], 1);
    let row = [Cell::Int(7), Cell::Date(Date::default()), Cell::Text("null".into())];
    for system in SYSTEMS {
        let view = view(system, std::slice::from_ref(&emp));
        let shown = |name: Option<&str>| {
            view.shown(&[Some(b"7".to_vec()), None, name.map(|name| name.as_bytes().to_vec())])
        };
        assert_eq!(view.row(0, &row).unwrap(), shown(Some("null")));
        assert_ne!(view.row(0, &row).unwrap(), shown(None));
    }
}

#[test]
fn a_key_of_the_target_finds_the_sources_key_in_its_own_order() {
    let emp = schema(&["name varchar(9)!", "id int!", "v int"], 2);
    for system in SYSTEMS {
        let view = view(system, std::slice::from_ref(&emp));
        let row = [Cell::Text("O'Hara".into()), Cell::Int(-3), Cell::Null];
        let key = view.key_of(0, &row).unwrap();
        assert_eq!(view.source_keys(0, &key), [row[..2].to_vec()]);
        assert!(!view.is_in_order(), "texts have a collation in the source alone");
    }
}

#[test]
fn ranges_are_compared_where_both_sides_sort_alike_and_one_table_goes_there() {
    let emp = schema(&["id int!", "day date!", "v int"], 2);
    for system in SYSTEMS {
        assert!(view(system, std::slice::from_ref(&emp)).is_in_order());
        let mut shard = emp.clone();
        shard.name = TableName::new("shop", "emp_2");
        assert!(!view(system, &[emp.clone(), shard]).is_in_order());
    }
}

#[test]
fn a_column_that_only_another_shard_has_is_null() {
    let emp = schema(&["id int!", "v int"], 1);
    let wide = schema(&["id int!", "v int", "w int"], 1);
    for system in SYSTEMS {
        let view = view(system, &[emp.clone(), wide.clone()]);
        assert_eq!(view.columns().collect::<Vec<_>>(), ["id", "v", "w"]);
        let row = view.row(0, &[Cell::Int(1), Cell::Int(2)]).unwrap();
        assert_eq!(row.cells().collect::<Vec<_>>(), [Some(&b"1"[..]), Some(b"2"), None]);
    }
}

#[test]
fn a_sink_that_keeps_no_tables_cannot_be_read_back() {
    assert!(crate::read_back("print", &BTreeMap::new(), &context()).unwrap().is_none());
}
