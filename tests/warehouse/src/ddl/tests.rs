use super::*;
use crate::table::{KeyModel, Table, Type};
use change::Weight;

const ORDERS_DORIS: &str = "CREATE TABLE IF NOT EXISTS `shop`.`orders` (\
    `id` BIGINT NOT NULL COMMENT 'key', `name` VARCHAR(400) NULL DEFAULT \"x\", `paid` DECIMAL(38,10)) \
    ENGINE=OLAP UNIQUE KEY(`id`) COMMENT 'of a shop' DISTRIBUTED BY HASH(`id`) BUCKETS AUTO \
    PROPERTIES (\"replication_num\"=\"1\",\"enable_unique_key_merge_on_write\"=\"true\");";

const ORDERS_STARROCKS: &str = "CREATE TABLE IF NOT EXISTS `shop`.`orders` (\
    `id` BIGINT NOT NULL, `name` VARCHAR(400) NULL DEFAULT \"x\", `paid` DECIMAL(38,10)) \
    PRIMARY KEY(`id`) DISTRIBUTED BY HASH(`id`) PROPERTIES(\"replication_num\"=\"1\")";

fn orders(system: System) -> Table {
    made(
        system,
        match system {
            System::Doris => ORDERS_DORIS,
            System::StarRocks => ORDERS_STARROCKS,
        },
    )
    .expect("a table")
}

fn made(system: System, sql: &str) -> Result<Table, SqlError> {
    let Statement::CreateTable(create) = parse(system, sql)? else { panic!("{sql}") };
    define::define(system, 1, &create)
}

fn changed(system: System, table: &Table, alter: &str) -> Result<change::Change, SqlError> {
    let statement = parse(system, &format!("ALTER TABLE shop.orders {alter}"))?;
    let Statement::Alter { clauses, .. } = statement else { panic!("{alter}") };
    change::plan(system, table, &clauses)
}

fn names(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| &*column.name).collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(done: Result<T, SqlError>, code: u16, text: &str) {
    let error = done.expect_err(text);
    assert!(error.message.contains(text), "{error} does not say {text:?}");
    assert_eq!(error.code, code, "{error}");
}

#[test]
fn a_table_is_made_as_each_systems_grammar_has_it() {
    for system in [System::Doris, System::StarRocks] {
        let table = orders(system);
        assert_eq!(names(&table), ["id", "name", "paid"]);
        assert_eq!(table.model, KeyModel::Unique);
        let keys: Vec<bool> = table.columns.iter().map(|column| column.is_key).collect();
        assert_eq!(keys, [true, false, false]);
        assert!(!table.columns[0].nullable);
        assert_eq!(table.columns[1].default.as_deref(), Some("x"));
        assert_eq!(table.columns[2].ty, Type::Decimal { precision: 38, scale: 10 });
        assert_eq!(table.details.distribution, ["id"]);
    }
    assert_eq!(orders(System::Doris).details.comments["id"], "key");
    assert_eq!(orders(System::Doris).details.comment, "of a shop");
}

#[test]
fn neither_system_reads_the_others_tables() {
    refused(made(System::StarRocks, ORDERS_DORIS), 1235, "unique key tables");
    refused(made(System::Doris, ORDERS_STARROCKS), 1105, "mismatched input 'PRIMARY'");
    let auto = ORDERS_STARROCKS.replace(" PROPERTIES", " BUCKETS AUTO PROPERTIES");
    refused(made(System::StarRocks, &auto), 1064, "Unexpected input 'AUTO'");
}

#[test]
fn what_is_printed_of_a_table_makes_it_again() {
    for system in [System::Doris, System::StarRocks] {
        let table = orders(system);
        let printed = printed::create_table(system, &table, 1);
        let again = made(system, &printed).unwrap_or_else(|why| panic!("{printed}: {why}"));
        assert_eq!(again.columns, table.columns, "{printed}");
        assert_eq!(again.details.distribution, table.details.distribution);
    }
}

/// A column list and what follows it in its system's grammar.
fn with_key(system: System, columns: &str, key: &str) -> Result<Table, SqlError> {
    let kind = match system {
        System::Doris => "UNIQUE",
        System::StarRocks => "PRIMARY",
    };
    made(
        system,
        &format!(
            "CREATE TABLE t ({columns}) {kind} KEY({key}) DISTRIBUTED BY HASH({key}) BUCKETS 1 \
         PROPERTIES('replication_num'='1')"
        ),
    )
}

#[test]
fn doris_refuses_keys_that_it_cannot_compare() {
    let doris = |columns: &str, key: &str| with_key(System::Doris, columns, key);
    refused(doris("k FLOAT, v INT", "k"), 1105, "Float or double can not used as a key");
    refused(doris("k DOUBLE, v INT", "k"), 1105, "Float or double can not used as a key");
    refused(doris("k STRING, v INT", "k"), 1105, "String Type should not be used in key column[k]");
    refused(doris("k TEXT, v INT", "k"), 1105, "String Type should not be used in key column[k]");
    refused(doris("k JSON, v INT", "k"), 1105, "should not be used in key column[k]");
    refused(doris("v INT, k INT", "k"), 1105, "ordered prefix of the schema");
    refused(doris("v INT", "k"), 1105, "Key column[k] doesn't exist");
    for columns in ["k INT NULL", "k DECIMAL(38,2)", "k CHAR(9)", "k DATETIME(6)", "k LARGEINT"] {
        assert!(doris(columns, "k").is_ok(), "{columns}");
    }
}

/// Row 38 of StarRocks' checklist.
#[test]
fn starrocks_refuses_decimal_char_late_and_nullable_primary_keys() {
    let starrocks = |columns: &str, key: &str| with_key(System::StarRocks, columns, key);
    for ty in ["DECIMAL(10,2)", "CHAR(9)", "FLOAT", "DOUBLE", "JSON", "VARBINARY(9)"] {
        let columns = format!("k {ty} NOT NULL, v INT");
        refused(starrocks(&columns, "k"), 1064, "primary key column[k] type not supported");
    }
    refused(starrocks("v INT, k INT NOT NULL", "k"), 1064, "ordered prefix of the schema");
    refused(starrocks("k INT NULL, v INT", "k"), 1064, "primary key column[k] cannot be nullable");
    for ty in ["BOOLEAN", "TINYINT", "LARGEINT", "VARCHAR(9)", "STRING", "DATE", "DATETIME"] {
        let table = starrocks(&format!("k {ty}, v INT"), "k").expect(ty);
        assert!(!table.columns[0].nullable, "a primary key is not NULL unsaid");
    }
}

#[test]
fn a_table_with_more_replicas_than_backends_is_refused() {
    let unsaid = ORDERS_DORIS.replace("\"replication_num\"=\"1\",", "");
    let text = "replication num should be less than the number of available backends. replication num \
                is 3, available backend num is 1";
    refused(made(System::Doris, &unsaid), 1105, text);
    let two = ORDERS_STARROCKS.replace("=\"1\"", "=\"2\"");
    refused(made(System::StarRocks, &two), 1064, "Current alive backend is [1]");
}

#[test]
fn names_are_held_against_each_systems_rules() {
    let table = |system: System, name: &str| {
        let sql = match system {
            System::Doris => ORDERS_DORIS,
            System::StarRocks => ORDERS_STARROCKS,
        };
        made(system, &sql.replace("`orders`", &format!("`{name}`")))
    };
    for name in ["_orders", "1orders", "größe", &"x".repeat(65)] {
        refused(table(System::Doris, name), 1103, "Incorrect table name");
        assert!(table(System::StarRocks, name).is_ok(), "{name}");
    }
    let column = |name: &str| with_key(System::Doris, &format!("k INT, `{name}` INT"), "k");
    for name in ["mv_x", "__doris_shadow_x", "größe", &"x".repeat(257)] {
        refused(column(name), 1166, "Incorrect column name");
    }
    for name in ["1a", "@a", "_a", "a b"] {
        assert!(column(name).is_ok(), "{name}");
    }
    refused(column("K"), 1060, "Duplicate column name 'K'");
    refused(check_database(System::Doris, "_shop"), 1102, "Incorrect database name '_shop'");
}

#[test]
fn buckets_and_the_sequence_must_be_of_the_right_columns() {
    let doris = |tail: &str| {
        made(
            System::Doris,
            &format!("CREATE TABLE t (k INT, v INT, f DOUBLE) UNIQUE KEY(k) {tail}"),
        )
    };
    let hash = "DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1'";
    refused(doris("DISTRIBUTED BY HASH(v) BUCKETS 1"), 1105, "column[v] is not key column");
    refused(doris("DISTRIBUTED BY RANDOM"), 1105, "random distribution");
    refused(doris(""), 1105, "should contain distribution desc");
    let by = |column| doris(&format!("{hash}, 'function_column.sequence_col'='{column}')"));
    assert!(by("v").unwrap().sequence.is_some());
    refused(by("f"), 1105, "only support integer types and date types");
    refused(by("x"), 1105, "sequence column[x] not exists");
}

#[test]
fn a_default_is_a_literal_of_the_columns_type() {
    let doris = |column: &str| with_key(System::Doris, &format!("k INT, {column}"), "k");
    let starrocks = |column: &str| with_key(System::StarRocks, &format!("k INT, {column}"), "k");
    assert!(doris("v DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3)").is_ok());
    assert!(starrocks("v DATETIME DEFAULT CURRENT_TIMESTAMP").is_ok());
    refused(starrocks("v DATETIME DEFAULT 'CURRENT_TIMESTAMP'"), 1067, "Invalid default value");
    refused(starrocks("v INT DEFAULT 5"), 1064, "Unexpected input '5'");
    assert!(doris("v INT DEFAULT 5").is_ok());
    refused(doris("v INT DEFAULT 'five'"), 1067, "Invalid default value for 'v'");
    refused(doris("v INT NOT NULL DEFAULT NULL"), 1105, "null default value");
    refused(doris("v INT ON UPDATE CURRENT_TIMESTAMP"), 1105, "mismatched input 'ON'");
    refused(doris("v VARCHAR(70000)"), 1105, "Varchar size must be <= 65533");
    refused(starrocks("v DECIMAL(39,1)"), 1064, "Precision of decimal");
    for ty in ["MEDIUMINT", "LONGTEXT", "BIGINT UNSIGNED", "BLOB", "TIMESTAMP", "YEAR"] {
        assert!(doris(&format!("v {ty}")).is_err(), "{ty} is MySQL's alone");
    }
}

#[test]
fn columns_are_added_where_they_are_wanted_and_dropped_and_renamed() {
    let table = orders(System::Doris);
    for (alter, columns, weight) in [
        ("ADD COLUMN a INT", &["id", "name", "paid", "a"][..], Weight::Light),
        ("ADD COLUMN a INT AFTER name", &["id", "name", "a", "paid"], Weight::Light),
        (
            "ADD COLUMN (a INT, b INT DEFAULT \"1\")",
            &["id", "name", "paid", "a", "b"],
            Weight::Light,
        ),
        ("ADD COLUMN a INT, DROP COLUMN paid", &["id", "name", "a"], Weight::Light),
        ("ADD COLUMN a INT KEY DEFAULT '0' FIRST", &["a", "id", "name", "paid"], Weight::Heavy),
        ("DROP COLUMN NAME", &["id", "paid"], Weight::Light),
        ("RENAME COLUMN name title", &["id", "title", "paid"], Weight::Light),
        ("MODIFY COLUMN name VARCHAR(500) DEFAULT 'x'", &["id", "name", "paid"], Weight::Light),
        ("MODIFY COLUMN name STRING DEFAULT 'x'", &["id", "name", "paid"], Weight::Heavy),
        ("ORDER BY (id, paid, name)", &["id", "paid", "name"], Weight::Heavy),
        ("SET ('in_memory' = 'false')", &["id", "name", "paid"], Weight::Unlisted),
    ] {
        let change =
            changed(System::Doris, &table, alter).unwrap_or_else(|e| panic!("{alter}: {e}"));
        assert_eq!(names(&change.after), columns, "{alter}");
        assert_eq!(change.weight, weight, "{alter}");
        assert_eq!(change.origins.len(), columns.len());
    }
    let renamed = changed(System::Doris, &table, "RENAME COLUMN name title").unwrap();
    assert_eq!(renamed.origins[1].as_deref(), Some("name"));
}

#[test]
fn without_light_schema_change_every_change_of_columns_is_a_job() {
    let mut table = orders(System::Doris);
    let properties = &mut table.details.properties;
    properties.insert("light_schema_change".to_owned(), "false".to_owned());
    let change = changed(System::Doris, &table, "ADD COLUMN a INT").unwrap();
    assert_eq!(change.weight, Weight::Heavy);
    refused(changed(System::Doris, &table, "RENAME COLUMN name b"), 1105, "light_schema_change");
}

/// Row 36 of Doris' checklist, 37 of StarRocks'.
#[test]
fn an_add_or_a_drop_done_again_is_refused_with_words_to_know_it_by() {
    for (system, code) in [(System::Doris, 1105), (System::StarRocks, 1064)] {
        let table = orders(system);
        let again = changed(system, &table, "ADD COLUMN Name VARCHAR(9)");
        refused(again, code, "Can not add column which already exists in base table: Name");
        let gone = changed(system, &table, "DROP COLUMN gone");
        refused(gone, code, "Column does not exists: gone");
        refused(changed(system, &table, "MODIFY COLUMN gone INT"), code, "does not exist");
        refused(changed(system, &table, "RENAME COLUMN gone a"), code, "does not exist");
        refused(changed(system, &table, "RENAME COLUMN name paid"), code, "is already used");
    }
}

#[test]
fn what_rows_are_told_apart_or_placed_by_stays() {
    let doris = orders(System::Doris);
    refused(changed(System::Doris, &doris, "DROP COLUMN id"), 1105, "key column in Unique");
    let alter = "MODIFY COLUMN id LARGEINT KEY NOT NULL";
    refused(changed(System::Doris, &doris, alter), 1105, "distribution column[id]");
    let starrocks = orders(System::StarRocks);
    for (alter, text) in [
        ("DROP COLUMN id", "key column in primary"),
        ("MODIFY COLUMN id LARGEINT NOT NULL", "key column in primary"),
        ("RENAME COLUMN id TO a", "key column[id]"),
        ("ADD COLUMN a INT KEY", "Can not add key column: a for primary key table"),
        ("ADD COLUMN a INT FIRST", "value should be after key"),
        ("ADD COLUMN a INT NOT NULL", "no default"),
    ] {
        refused(changed(System::StarRocks, &starrocks, alter), 1064, text);
    }
}

#[test]
fn a_type_changes_only_into_one_that_holds_its_values() {
    use Type::{
        BigInt, Char, Date, DateTime, Decimal, Double, Float, Int, SmallInt, String, Varchar,
    };
    let decimal = |precision, scale| Decimal { precision, scale };
    for (from, to, allowed) in [
        (Int, BigInt, true),
        (BigInt, Int, false),
        (SmallInt, Type::LargeInt, true),
        (Int, Double, true),
        (Double, Int, false),
        (Float, Double, true),
        (Double, Float, false),
        (Int, Varchar(20), true),
        (Varchar(10), Varchar(20), true),
        (Varchar(20), Varchar(10), false),
        (Char(4), Varchar(4), true),
        (Varchar(10), Int, true),
        (Varchar(10), decimal(10, 2), true),
        (Varchar(10), Date, true),
        (Date, DateTime(0), true),
        (DateTime(6), Date, true),
        (DateTime(3), DateTime(0), false),
        (Int, Date, true),
        (Int, String, true),
        (Type::Json, String, true),
        (String, Varchar(65_533), false),
        (decimal(10, 2), decimal(12, 4), true),
        (decimal(10, 2), decimal(10, 4), false),
    ] {
        assert_eq!(moves::is_allowed(from, to), allowed, "{from} to {to}");
    }
    let doris = orders(System::Doris);
    let refuses = |alter, text| refused(changed(System::Doris, &doris, alter), 1105, text);
    refuses("MODIFY COLUMN name VARCHAR(9) DEFAULT 'x'", "Shorten type length is prohibited");
    refuses("MODIFY COLUMN paid INT", "Can not change DECIMAL(38,10) to INT");
    refuses("MODIFY COLUMN name VARCHAR(500) NOT NULL DEFAULT 'x'", "nullable to non-nullable");
    refuses("MODIFY COLUMN name VARCHAR(500)", "Can not change default value");
}

/// Row 36 of StarRocks' checklist.
#[test]
fn a_name_that_a_column_was_made_with_is_free_when_that_column_is_gone() {
    let system = System::StarRocks;
    let renamed = changed(system, &orders(system), "RENAME COLUMN name TO title").unwrap();
    assert_eq!(renamed.weight, Weight::Unlisted, "no job is listed");
    let text = "Can not add column which already exists in column id: name";
    refused(changed(system, &renamed.after, "ADD COLUMN name INT"), 1064, text);

    let back = changed(system, &renamed.after, "RENAME COLUMN title TO name").unwrap();
    assert!(changed(system, &back.after, "ADD COLUMN title INT").is_ok());
    let dropped = changed(system, &renamed.after, "DROP COLUMN title").unwrap();
    assert!(changed(system, &dropped.after, "ADD COLUMN name INT").is_ok());

    let doris = changed(System::Doris, &orders(System::Doris), "RENAME COLUMN name title").unwrap();
    assert!(changed(System::Doris, &doris.after, "ADD COLUMN name INT").is_ok());
}

#[test]
fn questions_are_read_as_clients_ask_them() {
    let read = |sql| parse(System::Doris, sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
    let orders = || Named { database: Some("shop".to_owned()), table: "orders".to_owned() };
    for nothing in ["/*!40101 SET NAMES utf8 */;", "ROLLBACK", "commit;"] {
        assert_eq!(read(nothing), Statement::Nothing);
    }
    assert_eq!(read("desc `shop`.`orders`"), Statement::Describe(orders()));
    assert_eq!(read("TRUNCATE TABLE shop.orders"), Statement::Truncate(orders()));
    assert_eq!(
        read("DROP TABLE IF EXISTS shop.orders FORCE"),
        Statement::DropTable { table: orders(), if_exists: true }
    );
    assert_eq!(
        read("SHOW FULL COLUMNS FROM `orders` IN `shop` LIKE '%'"),
        Statement::Show(Show::Columns { table: orders(), like: Some("%".to_owned()), full: true })
    );
    assert_eq!(
        read(
            "SHOW ALTER TABLE COLUMN FROM `shop` WHERE TableName='orders' ORDER BY CreateTime DESC LIMIT 1"
        ),
        Statement::Show(Show::Jobs {
            database: Some("shop".to_owned()),
            table: Some("orders".to_owned()),
            newest_first: true,
            limit: Some(1),
        })
    );
    let which = |sql| {
        let Statement::Show(Show::Transaction { which, .. }) = read(sql) else { panic!("{sql}") };
        which
    };
    assert_eq!(which("SHOW TRANSACTION FROM shop WHERE id=17"), Which::Id(17));
    let label = |sql| {
        let Which::Label(label) = which(sql) else { panic!("{sql}") };
        label
    };
    assert_eq!(label("SHOW TRANSACTION WHERE label='x'"), Pattern::Is("x".to_owned()));
    assert_eq!(label("SHOW TRANSACTION WHERE label LIKE 'p%'"), Pattern::Like("p%".to_owned()));
    let status = which("SHOW TRANSACTION FROM shop WHERE status='precommitted'");
    assert_eq!(status, Which::Status("precommitted".to_owned()));
    assert_eq!(
        read("SET @@session.Time_Zone = '+08:00', show_hidden_columns=true, NAMES utf8"),
        Statement::Set(vec![
            ("time_zone".to_owned(), "+08:00".to_owned()),
            ("show_hidden_columns".to_owned(), "true".to_owned()),
        ])
    );
    assert_eq!(
        read("CLEAN LABEL `l-1` FROM shop"),
        Statement::CleanLabel { label: Some("l-1".to_owned()), database: Some("shop".to_owned()) }
    );
}

#[test]
fn nothing_that_is_read_can_panic() {
    for sql in [
        "",
        ";",
        "(",
        "CREATE",
        "CREATE TABLE",
        "ALTER TABLE t",
        "SHOW",
        "'",
        "DROP TABLE",
        "CREATE TABLE t (a INT",
        "SET",
        "SET x",
        "CREATE TABLE t (a DECIMAL(300,2))",
        "SELECT",
        "`",
    ] {
        let _ = parse(System::Doris, sql);
        let _ = parse(System::StarRocks, sql);
    }
}

#[test]
fn a_table_gets_another_name_and_its_parts_are_another_matter() {
    for system in [System::Doris, System::StarRocks] {
        let read = |sql| crate::ddl::parse(system, sql);
        let renamed = read("ALTER TABLE shop.orders RENAME bills");
        assert!(
            matches!(&renamed, Ok(Statement::RenameTable { table, to })
                if &*table.table == "orders" && to == "bills"),
            "{renamed:?}"
        );
        let column = read("ALTER TABLE shop.orders RENAME COLUMN a b");
        assert!(matches!(column, Ok(Statement::Alter { .. })), "{column:?}");
        assert!(read("ALTER TABLE shop.orders RENAME PARTITION a b").is_err());
    }
}
