use super::*;
use crate::System::{Doris, StarRocks};
use crate::table::{Column, KeyModel, Sequence, Type, Value};

fn column(name: &str, ty: Type, nullable: bool) -> Column {
    Column { name: name.to_owned(), ty, nullable, is_key: name == "id", default: None }
}

/// `id INT NOT NULL` is the key; `name VARCHAR(8)`, `qty TINYINT` may be NULL.
fn orders() -> Table {
    Table {
        name: "orders".to_owned(),
        columns: vec![
            column("id", Type::Int, false),
            column("name", Type::Varchar(8), true),
            column("qty", Type::TinyInt, true),
        ],
        model: KeyModel::Unique,
        sequence: None,
        details: crate::table::Details::default(),
    }
}

fn load(
    system: System,
    table: &Table,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Ingested, Refusal> {
    let options = Options::parse(system, &headers.iter().copied().collect())?;
    ingest(system, table, &options, body.as_bytes())
}

/// The rows as text, `-` before a deletion.
fn shown(ingested: &Ingested) -> Vec<String> {
    let row = |row: &Row| {
        let values = row.values.iter().map(|value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Text(text) => text.clone(),
            Value::Bytes(bytes) => bytes.escape_ascii().to_string(),
        });
        let sign = if row.operation == Operation::Delete { "-" } else { "" };
        format!("{sign}{}", values.collect::<Vec<_>>().join("|"))
    };
    ingested.rows.iter().map(row).collect()
}

#[track_caller]
fn loads(system: System, headers: &[(&str, &str)], body: &str, rows: &[&str]) {
    let ingested = load(system, &orders(), headers, body).expect("a load");
    assert_eq!(ingested.log, [""; 0], "{body}");
    assert_eq!(shown(&ingested), rows, "{body} in {system:?}");
}

#[track_caller]
fn filters(system: System, headers: &[(&str, &str)], body: &str, line: &str) {
    let ingested = load(system, &orders(), headers, body).expect("a load");
    assert_eq!(ingested.log, [line], "{body} in {system:?}");
    assert_eq!((ingested.total, ingested.filtered), (1, 1));
    assert!(ingested.rows.is_empty());
}

const JSON: (&str, &str) = ("format", "json");
const COMMA: (&str, &str) = ("column_separator", ",");
const STRICT: (&str, &str) = ("strict_mode", "true");
const QUOTED: (&str, &str) = ("enclose", "\"");
const ESCAPED: (&str, &str) = ("escape", "\\");

/// Row 25 of Doris' checklist, 31 of StarRocks'.
#[test]
fn csv_tells_null_from_empty_and_keeps_what_is_enclosed() {
    for system in [Doris, StarRocks] {
        loads(system, &[], "1\ta\t5\n2\t\\N\t\\N\n3\t\t1", &["1|a|5", "2|NULL|NULL", "3||1"]);
        let quoted = [COMMA, QUOTED, ESCAPED];
        loads(system, &quoted, "1,\"a,\nb\",5\n", &["1|a,\nb|5"]);
        loads(system, &quoted, "1,\"a\\\"b\",5\n", &["1|a\"b|5"]);
        loads(system, &quoted, "1,\"\\\\N\",5\n2,\\N,5\n", &["1|\\N|5", "2|NULL|5"]);
        loads(system, &[COMMA], "1,\"a\",5\n", &["1|\"a\"|5"]);
    }
    loads(StarRocks, &[COMMA, QUOTED], "1,\"a\"\"b\",5\n", &["1|a\"b|5"]);
    let control = [("column_separator", "\\x01"), ("line_delimiter", "\\x02")];
    loads(Doris, &control, "1\u{1}a\nb\u{1}5\u{2}", &["1|a\nb|5"]);
    loads(Doris, &[COMMA, ("skip_lines", "1")], "id,name,qty\n1,a,5\n", &["1|a|5"]);
    loads(Doris, &[COMMA, ("empty_field_as_null", "true")], "1,,5\n", &["1|NULL|5"]);
    loads(Doris, &[COMMA, ("trim_double_quotes", "true")], "1,\"a\",5\n", &["1|a|5"]);
}

#[test]
fn csv_of_another_width_is_filtered_with_both_numbers() {
    filters(
        Doris,
        &[COMMA],
        "1,a\n",
        "Reason: actual column number in csv file is  less than  schema column number.actual \
         number: 2, schema column number: 3; line delimiter: [\\n], column separator: [,]. \
         src line [1,a]; ",
    );
    filters(
        StarRocks,
        &[COMMA],
        "1,a,5,6\n",
        "Error: Target column count: 3 doesn't match source value column count: 4. \
         Column separator: ',', Row delimiter: '\\n'. Row: 1,a,5,6",
    );
}

#[test]
fn csv_that_is_no_text_is_filtered() {
    let options = Options::parse(Doris, &[COMMA].into_iter().collect()).unwrap();
    let ingested = ingest(Doris, &orders(), &options, b"1,\xff,5\n2,b,6\n").unwrap();
    assert_eq!(shown(&ingested), ["2|b|6"]);
    assert!(ingested.log[0].contains("Unable to display"));
}

/// Row 22 of Doris' checklist, 25 of StarRocks'.
#[test]
fn what_does_not_parse_is_null_unless_the_load_is_strict() {
    for system in [Doris, StarRocks] {
        loads(system, &[COMMA], "1,a,x\n2,b,300\n", &["1|a|NULL", "2|b|NULL"]);
    }
    filters(
        Doris,
        &[COMMA, STRICT],
        "1,a,300\n",
        "Reason: column(qty) value is incorrect while strict mode is true, src value is 300. \
         src line [1,a,300]; ",
    );
    filters(
        StarRocks,
        &[COMMA, STRICT],
        "1,a,x\n",
        "Error: Value 'x' is out of range. The type of 'qty' is TINYINT. Row: 1,a,x",
    );
}

/// Row 24 of Doris' checklist, 25 of StarRocks'.
#[test]
fn what_is_too_long_is_filtered_by_doris_and_null_to_starrocks_unless_strict() {
    let long = "1,😀😀😀,5\n";
    filters(
        Doris,
        &[COMMA],
        long,
        "Reason: column_name[name], the length of input is too long than schema. first 32 bytes \
         of input str: [😀😀😀] schema length: 8; actual length: 12; . src line [1,😀😀😀,5]; ",
    );
    loads(StarRocks, &[COMMA], long, &["1|NULL|5"]);
    filters(
        StarRocks,
        &[COMMA, STRICT],
        long,
        "Error: String '😀😀😀'(length: 12) is too long. The type of 'name' is VARCHAR(8). \
         Row: 1,😀😀😀,5",
    );
}

#[test]
fn a_null_where_none_may_be_is_filtered_strict_or_not() {
    filters(
        Doris,
        &[COMMA],
        "\\N,a,5\n",
        "Reason: column(id) values is null while columns is not nullable. src line [\\N,a,5]; ",
    );
    filters(
        StarRocks,
        &[COMMA],
        "x,a,5\n",
        "Error: NULL value in non-nullable column 'id'. Row: x,a,5",
    );
}

/// Row 26 of Doris' checklist, 30 of StarRocks'.
#[test]
fn json_keys_are_exact_unknown_ones_ignored_and_missing_ones_null() {
    let body = r#"{"id": 1, "Name": "x", "more": {"a": 1}, "qty": null}"#;
    for system in [Doris, StarRocks] {
        loads(system, &[JSON], body, &["1|NULL|NULL"]);
    }
    filters(
        Doris,
        &[JSON],
        r#"{"name":"a"}"#,
        "Reason: The column `id` is not nullable, but it's not found in jsondata.. \
         src line [{\"name\":\"a\"}]; ",
    );
    filters(
        Doris,
        &[JSON],
        r#"{"id":null}"#,
        "Reason: Json value is null, but the column `id` is not nullable.. \
         src line [{\"id\":null}]; ",
    );
    filters(
        Doris,
        &[JSON],
        r#"{"ID":1}"#,
        "Reason: All fields is null, this is a invalid row.. src line [{\"ID\":1}]; ",
    );
    filters(Doris, &[JSON], "7", "Reason: Not object item. src line [7]; ");
}

#[test]
fn a_missing_key_takes_the_default_in_doris_and_null_in_starrocks() {
    let mut table = orders();
    table.columns[2].default = Some("7".to_owned());
    for (system, row) in [(Doris, "1|NULL|7"), (StarRocks, "1|NULL|NULL")] {
        let ingested = load(system, &table, &[JSON], r#"{"id":1}"#).unwrap();
        assert_eq!(shown(&ingested), [row], "{system:?}");
    }
}

/// Row 26 of Doris' checklist, 31 of StarRocks'.
#[test]
fn json_numbers_keep_their_text() {
    let mut table = orders();
    table.columns[1].ty = Type::LargeInt;
    table.columns[2].ty = Type::Decimal { precision: 38, scale: 10 };
    let digits = "1234567890123456789012345678.0123456789";
    let largest = i128::MAX;
    let body = format!(r#"{{"id":1,"name":{largest},"qty":{digits}}}"#);
    for system in [Doris, StarRocks] {
        let ingested = load(system, &table, &[JSON, STRICT], &body).unwrap();
        assert_eq!(shown(&ingested), [format!("1|{largest}|{digits}")]);
    }
}

#[test]
fn json_that_is_not_flat_becomes_text() {
    let mut table = orders();
    table.columns[1].ty = Type::Varchar(64);
    let body = r#"{"id":1,"name":{"a": [1, "x \" y"]},"qty":true}"#;
    for (system, row) in
        [(Doris, r#"1|{"a": [1, "x \" y"]}|1"#), (StarRocks, r#"1|{"a":[1,"x \" y"]}|1"#)]
    {
        assert_eq!(shown(&load(system, &table, &[JSON], body).unwrap()), [row]);
    }
}

#[test]
fn a_column_of_json_takes_every_kind_of_document_as_it_stands_in_starrocks() {
    let mut table = orders();
    table.columns[1].ty = Type::Json;
    for document in [r#""x \" y""#, "true", "7", r#"{"a":[1,null]}"#] {
        let body = format!(r#"{{"id":1,"name":{document}}}"#);
        let ingested = load(StarRocks, &table, &[JSON, STRICT], &body).unwrap();
        assert_eq!(shown(&ingested), [format!("1|{document}|NULL")]);
    }
}

/// Row 27 of both checklists.
#[test]
fn json_comes_in_lines_as_documents_or_as_one_array() {
    let rows = ["1|NULL|NULL", "2|NULL|NULL"];
    let array = [JSON, ("strip_outer_array", "true")];
    for system in [Doris, StarRocks] {
        loads(system, &[JSON], "{\"id\":1}\n{\"id\":2}\n", &rows);
        loads(system, &array, r#" [{"id":1}, {"id":2}] "#, &rows);
        assert!(load(system, &orders(), &array, "{\"id\":1}").is_err());
    }
    loads(StarRocks, &[JSON], r#"{"id":1} {"id":2}"#, &rows);
    loads(Doris, &[JSON], "\u{FEFF}{\"id\":1}\n\n{\"id\":2}", &rows);
    let ingested = load(Doris, &orders(), &[JSON], "{\"id\":1}\n{\"id\":\n{\"id\":2}").unwrap();
    assert_eq!((shown(&ingested).len(), ingested.filtered), (2, 1), "a bad line is one bad row");
}

#[test]
fn a_fuzzy_parse_believes_that_all_objects_have_the_keys_of_the_first_in_its_order() {
    let fuzzy = [JSON, ("strip_outer_array", "true"), ("fuzzy_parse", "true")];
    let array = r#"[{"qty":5,"id":1,"name":"a"},{"qty":6,"id":2,"name":"b"}]"#;
    loads(Doris, &fuzzy, array, &["1|a|5", "2|b|6"]);
    let mixed = r#"[{"id":1,"name":"a"},{"name":"7","id":2}]"#;
    loads(Doris, &fuzzy, mixed, &["1|a|NULL", "7|2|NULL"]);
    // Objects in lines are read by their keys all the same.
    loads(
        Doris,
        &[JSON, fuzzy[2]],
        "{\"id\":1}\n{\"name\":\"b\",\"id\":2}",
        &["1|NULL|NULL", "2|b|NULL"],
    );
}

/// Row 28 of Doris' checklist.
#[test]
fn the_delete_sign_is_the_last_field_unless_columns_are_named() {
    let hidden = ("hidden_columns", "__DORIS_DELETE_SIGN__");
    loads(Doris, &[COMMA, hidden], "1,a,5,0\n2,b,6,1\n", &["1|a|5", "-2|b|6"]);
    loads(
        Doris,
        &[JSON, hidden],
        "{\"id\":1}\n{\"id\":2,\"__DORIS_DELETE_SIGN__\":1}",
        &["1|NULL|NULL", "-2|NULL|NULL"],
    );
    loads(Doris, &[COMMA, hidden, ("columns", "id,qty")], "1,5\n", &["1|NULL|5"]);
    let columns = ("columns", "__DORIS_DELETE_SIGN__,id");
    loads(Doris, &[COMMA, columns], "1,7\n", &["-7|NULL|NULL"]);
    loads(Doris, &[COMMA, ("merge_type", "delete")], "1,a,5\n", &["-1|a|5"]);
}

/// Row 28 of StarRocks' checklist.
#[test]
fn op_is_a_key_of_json_a_named_field_of_csv_or_a_constant() {
    loads(
        StarRocks,
        &[JSON],
        r#"{"id":1}{"id":2,"__op":1}{"id":3,"__op":"0"}"#,
        &["1|NULL|NULL", "-2|NULL|NULL", "3|NULL|NULL"],
    );
    let named = ("columns", "id,name,qty,__op");
    loads(StarRocks, &[COMMA, named], "1,a,5,0\n2,b,6,1\n", &["1|a|5", "-2|b|6"]);
    let constant = ("columns", "id,name,qty,__op='delete'");
    loads(StarRocks, &[COMMA, constant], "1,a,5\n", &["-1|a|5"]);
    let ingested = load(StarRocks, &orders(), &[COMMA], "1,a,5,1\n").unwrap();
    assert_eq!(ingested.filtered, 1, "without the name it is a column too many");
}

/// Row 37 of Doris' checklist.
#[test]
fn doris_refuses_a_column_that_the_table_lacks_and_starrocks_drops_it() {
    let columns = ("columns", "id,nosuch");
    assert_eq!(
        load(Doris, &orders(), &[COMMA, columns], "1,a\n").unwrap_err().to_string(),
        "[ANALYSIS_ERROR]TStatus: errCode = 2, detailMessage = \
         Unknown column 'nosuch' in 'orders'"
    );
    loads(StarRocks, &[COMMA, columns], "1,a\n", &["1|NULL|NULL"]);
}

#[test]
fn a_column_that_must_be_given_is_missed() {
    for system in [Doris, StarRocks] {
        let refusal = load(system, &orders(), &[COMMA, ("columns", "name")], "a\n").unwrap_err();
        assert!(refusal.message.ends_with("Column has no default value. column: id"));
    }
}

#[test]
fn a_sequence_is_asked_for_and_read_wherever_it_stands() {
    let sequence = |row: &Row| row.sequence.clone();
    let hidden = Table { sequence: Some(Sequence::Hidden(Type::BigInt)), ..orders() };
    let refusal = load(Doris, &hidden, &[COMMA], "1,a,5\n").unwrap_err();
    assert!(
        refusal
            .message
            .ends_with("Table orders has sequence column, need to specify the sequence column")
    );

    let both = ("hidden_columns", "__DORIS_DELETE_SIGN__,__DORIS_SEQUENCE_COL__");
    for unsaid in [both, ("columns", "id,name,qty,__DORIS_DELETE_SIGN__,__DORIS_SEQUENCE_COL__")] {
        let refusal = load(Doris, &hidden, &[COMMA, unsaid], "1,a,5,1,42\n").unwrap_err();
        assert!(refusal.message.ends_with("need to specify the sequence column"), "{refusal}");
    }
    let elsewhere = [COMMA, ("function_column.sequence_col", "pos")];
    let refusal = load(Doris, &hidden, &elsewhere, "1,a,5\n").unwrap_err();
    assert!(refusal.message.contains("There is no sequence column pos in"), "{refusal}");
    let refusal = load(Doris, &orders(), &elsewhere, "1,a,5\n").unwrap_err();
    assert!(
        refusal.message.ends_with("There is no sequence column in the table orders"),
        "{refusal}"
    );

    for headers in [
        &[both, ("function_column.sequence_col", "__DORIS_SEQUENCE_COL__")][..],
        &[
            ("columns", "id,name,qty,__DORIS_DELETE_SIGN__,pos"),
            ("function_column.sequence_col", "pos"),
        ],
    ] {
        let headers: Vec<_> = headers.iter().copied().chain([COMMA]).collect();
        let ingested = load(Doris, &hidden, &headers, "1,a,5,1,42\n").unwrap();
        assert_eq!(shown(&ingested), ["-1|a|5"]);
        assert_eq!(sequence(&ingested.rows[0]), Some(Value::Int(42)));
    }
    let by_header = [COMMA, ("function_column.sequence_col", "qty")];
    let ingested = load(Doris, &hidden, &by_header, "1,a,5\n").unwrap();
    assert_eq!(sequence(&ingested.rows[0]), Some(Value::Int(5)));

    let mapped = Table { sequence: Some(Sequence::Column("qty".to_owned())), ..orders() };
    let ingested = load(Doris, &mapped, &[COMMA], "1,a,5\n").unwrap();
    assert_eq!(sequence(&ingested.rows[0]), Some(Value::Int(5)));
    let without = [COMMA, ("columns", "id,name")];
    let refusal = load(Doris, &mapped, &without, "1,a\n").unwrap_err();
    assert!(refusal.message.ends_with("need to specify the sequence column"), "{refusal}");
}

#[test]
fn a_table_that_tells_no_rows_apart_has_no_deletes() {
    let log = Table { model: KeyModel::Duplicate, ..orders() };
    let refusal = load(Doris, &log, &[COMMA, ("merge_type", "delete")], "1,a,5\n").unwrap_err();
    assert!(refusal.message.contains("is only supported in unique tables"), "{refusal}");
    for header in ["hidden_columns", "columns"] {
        let sign = [COMMA, (header, "__DORIS_DELETE_SIGN__")];
        let refusal = load(Doris, &log, &sign, "1\n").unwrap_err();
        assert!(refusal.message.contains("Unknown column '__DORIS_DELETE_SIGN__'"), "{refusal}");
    }
}

/// Row 23 of Doris' checklist.
#[test]
fn some_rows_may_be_bad_where_the_load_says_so() {
    let body = "1,a,5\n2,b,6\nx,c,7\n4,d,8\n";
    let ingested = load(Doris, &orders(), &[COMMA], body).unwrap();
    assert_eq!((ingested.total, ingested.filtered, ingested.rows.len()), (4, 1, 3));
    assert!(ingested.judge(0.25).is_ok());
    let refusal = ingested.judge(0.0).unwrap_err();
    assert_eq!(refusal.to_string(), "[DATA_QUALITY_ERROR]too many filtered rows");
    assert!(Ingested::default().judge(0.0).is_ok(), "nothing is not too many of nothing");
}

/// Row 29 of StarRocks' checklist.
#[test]
fn a_key_of_more_than_128_bytes_fails_the_load() {
    let mut table = orders();
    table.columns[0].ty = Type::Varchar(400);
    for (length, fits) in [(128, true), (129, false)] {
        let body = format!("{},a,5\n", "k".repeat(length));
        let loaded = load(StarRocks, &table, &[COMMA], &body);
        assert_eq!(loaded.is_ok(), fits);
        assert!(load(Doris, &table, &[COMMA], &body).is_ok());
        if let Err(refusal) = loaded {
            assert!(refusal.message.starts_with("primary key size exceed the limit"));
        }
    }
}
