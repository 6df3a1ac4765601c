//! Where the tables of a script go.

use model::Routes;

use super::*;

/// A script for Doris, with these options more.
fn doris(options: &str) -> String {
    script("", &format!("'sink.fenodes' = 'fe:8030',\n  {options}"))
        .replace("'print'", "'datastream-doris'")
}

#[track_caller]
fn check(options: &str, source: &str, target: &str) {
    let job = good(&doris(options));
    let [sink] = job.sinks.as_slice() else { panic!("one sink") };
    assert_eq!(goes(&sink.routes, source), target, "{options}");
    assert_eq!(sink.options.len(), 1, "rules are no options of the sink: {:?}", sink.options);
}

fn goes(routes: &Routes, source: &str) -> String {
    let (db, table) = source.split_once('.').unwrap();
    routes.target(&TableName::new(db, table)).to_string()
}

#[track_caller]
fn refused(source: &str, message: &str) {
    let errors = read(source, Mode::Strict, &[]).unwrap_err().to_string();
    assert!(errors.contains(message), "{errors}");
}

#[test]
fn every_naming_rule_of_a_script_names_tables() {
    check("", "shop.t", "shop.t");
    check("'sink.sink.db' = 'ods'", "shop.t", "ods.t");
    check("'sink.sink.db' = 'ods_#{schemaName}'", "shop.t", "ods_shop.t");
    check("'sink.sink.db' = '${schemaName}_x'", "shop.t", "shop_x.t");
    check("'sink.table.prefix' = 'p_', 'sink.table.suffix' = '_s'", "shop.t", "shop.p_t_s");
    check("'sink.table.prefix' = 'ODS_', 'sink.table.upper' = 'true'", "shop.t", "shop.ODS_T");
    check("'sink.table.lower' = 'true', 'sink.table.upper' = 'false'", "shop.T", "shop.t");
    check("'sink.table.prefix.schema' = 'true'", "shop.t", "shop.shop_t");
    check("'sink.table.mapping-routes' = 'a:b,t:u'", "shop.t", "shop.u");
    let replace =
        r"'sink.table.replace.pattern' = '^t_(\d+)', 'sink.table.replace.with' = 'ods_$1x'";
    check(replace, "shop.t_12", "shop.ods_12x");
    check("'sink.table.identifier' = '#{schemaName}.#{tableName}'", "shop.t", "shop.t");
    check(
        "'sink.table.prefix' = 'p_', 'sink.table.identifier' = 'dw.#{tableName}_v'",
        "shop.t",
        "dw.p_t_v",
    );
}

#[test]
fn starrocks_own_names_of_database_and_table_have_the_last_word() {
    let text = doris(
        "'sink.sink.db' = 'x', 'sink.table.prefix' = 'ods_', 'sink.database-name' = 'ods',\n  \
         'sink.table-name' = '#{tableName}'",
    );
    let text = text.replace("datastream-doris", "starrocks").replace("fenodes", "load-url");
    let job = good(&text);
    assert_eq!(goes(&job.sinks[0].routes, "shop.t"), "ods.ods_t");
}

#[test]
fn shards_are_merged_as_the_script_says() {
    let split = "'split.enable' = 'true'";
    check(split, "shop_1.orders_2", "shop.orders");
    check(split, "shop_1.orders_2024", "shop.orders_2024");
    check(&format!("{split}, 'split.max_match_value' = '9999'"), "s.o_2024", "s.o");
    check(&format!("{split}, 'split.match_number_regex' = '-\\d+'"), "s.o-3", "s.o");
    check(&format!("{split}, 'split.match_way' = 'prefix'"), "s.o_1_x_2", "s.o");
    check(
        &format!("{split}, 'sink.sink.db' = 'ods_#{{schemaName}}', 'sink.table.prefix' = 'p_'"),
        "shop_1.orders_2",
        "ods_shop.p_orders",
    );
    check("'split.max_match_value' = '7'", "shop_1.orders_2", "shop_1.orders_2");
}

#[test]
fn each_of_several_sinks_has_its_own_rules_and_shards_are_those_of_the_job() {
    let text = script(
        "",
        "'split.enable' = 'true',\n  'sink[0].connector' = 'doris', 'sink[0].fenodes' = 'fe:8030',\n  \
         'sink[0].sink.db' = 'a',\n  'sink[1].connector' = 'print',\n  'sink[2].connector' = \
         'starrocks', 'sink[2].load-url' = 'fe:8030', 'sink[2].table.prefix' = 'x_'",
    );
    let job = good(&text.replace("'sink.connector' = 'print',", ""));
    let targets: Vec<_> = job.sinks.iter().map(|sink| goes(&sink.routes, "s_1.t_2")).collect();
    assert_eq!(targets, ["a.t", "s_1.t_2", "s.x_t"]);
    let told = job.notes.iter().filter(|note| note.text.contains("under its own name")).count();
    assert_eq!(told, 1);
}

#[test]
fn the_column_that_names_the_source_is_off_unless_it_is_named() {
    assert_eq!(good(&doris("")).sinks[0].source_column, None);
    let job = good(&doris("'sink.source-column' = 'source_table'"));
    assert_eq!(job.sinks[0].source_column.as_deref(), Some("source_table"));
}

#[test]
fn rules_that_name_nothing_are_refused_in_their_place() {
    let check = |options: &str, message: &str| refused(&doris(options), message);
    check(
        "'sink.table.upper' = 'true', 'sink.table.lower' = 'true'",
        "`sink.table.upper` and `sink.table.lower` cannot both be `true`",
    );
    check("'sink.table.mapping-routes' = 'a:b,c'", "10:38: `c` in `sink.table.mapping-routes`");
    check("'sink.table.mapping-routes' = 'a:b, c:d'", "without databases and blanks");
    check("'sink.table.mapping-routes' = 'a:b,a:c'", "maps `a` twice");
    check("'sink.table.replace.pattern' = 'a'", "`sink.table.replace.pattern` stands alone");
    check("'sink.table.replace.pattern' = 'a', 'sink.table.replace.with' = '$1'", "has no group 1");
    check(
        "'sink.table.replace.pattern' = '(?=a)', 'sink.table.replace.with' = 'b'",
        "look-ahead and look-behind are not supported",
    );
    check("'sink.sink.db' = '#{pkList}'", "the only placeholders are `#{schemaName}`");
    check("'sink.table.identifier' = 'x'", "expected `DB.TABLE`");
    check("'split.enable' = 'true', 'split.match_number_regex' = '('", "a regular expression");
    check("'split.enable' = 'true', 'split.match_way' = 'middle'", "one of `suffix`, `prefix`");
}

#[test]
fn a_sink_without_tables_takes_no_rules_for_them() {
    for option in
        ["'split.enable' = 'true'", "'sink.table.prefix' = 'p'", "'sink.source-column' = 'x'"]
    {
        refused(&script("", option), "is not supported yet");
        let job = read(&script("", option), Mode::Lenient, &[]).unwrap();
        assert!(job.sinks[0].routes.is_identity() && job.sinks[0].options.is_empty());
    }
}
