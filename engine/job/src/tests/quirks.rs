//! What Dinky drops in silence, found when strict, with place and correction.

use super::*;

/// The one error of a script, as it is shown.
#[track_caller]
fn check(source: &str, shown: &str) {
    let errors = read(source, Mode::Strict, &[]).expect_err("an error was expected");
    assert_eq!(errors.to_string(), shown, "\n{errors}");
}

/// Every error of a script as `line:column: beginning of the message`.
#[track_caller]
fn check_all(source: &str, expected: &[&str]) {
    let errors = read(source, Mode::Strict, &[]).expect_err("an error was expected");
    let found: Vec<_> = errors
        .errors
        .iter()
        .map(|error| {
            let place = error.place.to_string().replace("dir/job.sql:", "");
            format!("{place}: {}", error.message)
        })
        .collect();
    let all = found.len() == expected.len();
    let fit = all && found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
    assert!(fit, "found {found:#?}\nexpected {expected:#?}");
}

#[test]
fn an_unknown_option_is_shown_with_its_line_and_the_nearest_name() {
    check(
        &script("", "'scan.startup.mod' = 'initial',"),
        "dir/job.sql:9:4: unknown option `scan.startup.mod`; Dinky ignores it: did you mean \
         `scan.startup.mode`?\n  9 |   'scan.startup.mod' = 'initial',\n    |    ^^^^^^^^^^^^^^^^",
    );
}

#[test]
fn a_zone_that_is_none_is_refused_with_its_place() {
    for bad in ["Asia/Shangai", "GMT+25", "+08:60"] {
        check_all(
            &format!("SET table.local-time-zone = {bad};\n{}", script("", "")),
            &[&format!(
                "1:29: `table.local-time-zone` is `{bad}`, expected a time zone by its name \
                 (`Asia/Shanghai`), or an offset of at most 18 hours"
            )],
        );
    }
}

#[test]
fn all_mistakes_are_told_in_one_go() {
    check_all(
        "SET execution.checkpointing.intervall = 3s;\nSET restart-strategy = fixed;\n\
         EXECUTE CDCSOURCE x WITH (\n'connector' = 'mysql-cdc',\n'hostnme' = 'h',\n'port' = 'x',\n\
         'username' = 'u',\n'scan.startup.mode' = 'initail',\n'table-name' = 'a\\.(b',\n\
         'sink.connector' = 'print', 'sink.fromat' = 'x');",
        &[
            "1:5: unknown `SET` key `execution.checkpointing.intervall`",
            "2:24: `restart-strategy` is `fixed`, expected one of",
            "5:2: unknown option `hostnme`",
            "6:11: `port` is `x`, expected an integer",
            "8:24: `scan.startup.mode` is `initail`, which is no mode; Dinky ignores it and runs \
             `initial`: did you mean `initial`?",
            "9:17: `table-name`: pattern `a\\.(b`, at its character 4: unclosed group",
            "10:30: unknown option `sink.fromat` of sink `print`; Dinky may ignore it: did you \
             mean `sink.format`?",
            "dir/job.sql: option `hostname` is missing",
            "dir/job.sql: option `password` is missing",
        ],
    );
}

/// One option that is wrong within an otherwise good script, where it stands on line 9.
#[track_caller]
fn check_option(options: &str, expected: &[&str]) {
    check_all(&script("", options), expected);
}

#[test]
fn several_hosts_are_read_in_their_order_and_each_slip_is_told_at_its_place() {
    let list = |list: &str| script("", "'port' = '3310'").replace("'h'", &format!("'{list}'"));
    let job = good(&list("db1, db2:3307,[::1]:3308"));
    let hosts = [host("db1", 3310), host("db2", 3307), host("::1", 3308)];
    assert_eq!(job.source.hosts, hosts);
    check_all(
        &list("db1,,db2:x, db1:3310"),
        &[
            "4:21: `hostname`: ``: expected a host on either side of every comma",
            "4:22: `hostname`: `db2:x`: expected a port from 1 to 65535",
            "4:29: `hostname`: `db1:3310`: it is in the list twice",
        ],
    );
    let place = "'scan.startup.mode' = 'specific-offset',\n  \
                 'source.scan.startup.specific-offset.file' = 'binlog.000001',\n  \
                 'source.scan.startup.specific-offset.pos' = '4'";
    check_all(
        &script("", place).replace("'h'", "'db1,db2'"),
        &["10:49: a file and an offset are a place on one server, and `hostname` names several"],
    );
}

#[test]
fn every_slip_in_the_options_is_found() {
    check_option(
        "'port' = '1' 'checkpoint' = '3s'",
        &["9:14: the comma after the value of `port` is missing; Dinky loses the next option"],
    );
    check_option(
        "'port' = '1' ,",
        &["9:15: blank between the value of `port` and its comma; Dinky loses"],
    );
    check_option(
        "'port' = '1'\n, 'checkpoint' = '3s'",
        &["9:15: blank between the value of `port` and its comma"],
    );
    check_option(
        "port = '1',",
        &["9:3: `port` is not in single quotes; Dinky ignores the option: write `'port'`"],
    );
    check_option(
        "'port' = 1, 'checkpoint' = '3s'",
        &["9:12: the value of `port` is not in single quotes"],
    );
    check_option(
        "'port' = 1,\n 'chekpoint' = '3s'",
        &["9:12: the value of `port` is not", "10:3: unknown option `chekpoint`"],
    );
    check_option("\"port\" = \"1\",", &["9:3: `port` is in double quotes"]);
    check_option(
        "'port' = \"1\",",
        &[
            "9:12: the value of `port` is not in single quotes; Dinky loses this option and may lose the next: write `'` for `\"`",
        ],
    );
    check_option(
        "'port' = '1',\n  'port' = '2'",
        &["10:4: `port` is given twice; Dinky takes the last"],
    );
    check_option("'port'", &["9:4: here `= 'value'` is expected after the key"]);
    check_option("'port' '1'", &["9:4: here `= 'value'` is", "9:11: here `= 'value'` is"]);
    check_option(
        "'port' = '1', xyz 'checkpoint' = '3s'",
        &["9:17: stray text between the options; Dinky ignores it: remove it"],
    );
    check_option(
        "'source.ssl.ca' = 'it's', 'chekpoint' = '3s'",
        &[
            "9:24: a `'` within the value of `source.ssl.ca`; Dinky cuts the value off there",
            "9:30: unknown option `chekpoint`",
        ],
    );
    check_option("'source.ssl.ca' = 'it''s'", &["9:24: a `'` within the value of `source.ssl.ca`"]);
    check_option(
        "'port' = '1,\n 'chekpoint' = '3s'",
        &[
            "9:12: the value of `port` is never closed by a quote",
            "10:3: unknown option `chekpoint`",
        ],
    );
    check_option("'port' = '1,", &["9:12: this quote is never closed in its statement"]);
    check_option(
        "'port' = 'a;\n'",
        &[
            "9:12: this quote is never closed in its statement; a `;` at the end of a line ends",
            "10:1: this is no statement",
        ],
    );
    check_option(
        ") 'port' = '1'",
        &["9:3: this `)` does not end the options; Dinky reads on to the last one"],
    );
}

#[test]
fn every_slip_around_the_options_is_found() {
    let whole = script("", "");
    check_all(
        &whole.replace("WITH (", "WITH("),
        &["2:21: no blank between `WITH` and `(`; Dinky reads no options at all: write `WITH (`"],
    );
    check_all(
        &whole.replace("CDCSOURCE x", "CDCSOURCE"),
        &["2:19: the name before `WITH` is missing"],
    );
    check_all(
        &whole.replace("WITH (", "("),
        &["2:1: `EXECUTE CDCSOURCE name WITH (` is expected here"],
    );
    check_all(&whole.replace(");", ""), &["8:29: the options are never closed by `)`"]);
    check_all(&whole.replace(");", ") also;"), &["10:3: text after the options; Dinky ignores it"]);
    check_all(
        &whole.replace(");", "); SET pipeline.name = b;"),
        &["10:2: more text follows on the line after this `;`"],
    );
    check_all(
        &format!("{whole}\n{whole}"),
        &["12:1: a second `EXECUTE CDCSOURCE`; Dinky runs only the first"],
    );
    check_all(
        "SET pipeline.name = x;",
        &["dir/job.sql: the script has no `EXECUTE CDCSOURCE name WITH (…)`"],
    );
    check_all(" \n", &["dir/job.sql: the script is empty"]);
}

#[test]
fn every_slip_in_a_set_is_found() {
    let check = |set: &str, expected: &[&str]| check_all(&script(set, ""), expected);
    check(
        "SET parallelism.default = 1; SET pipeline.nam = a;",
        &[
            "1:28: more text follows on the line after this `;`; Dinky ends a statement only at",
            "1:34: unknown `SET` key `pipeline.nam`",
        ],
    );
    check(
        "SET parallelism.default = 1\nSET parallelism.defult = 2;",
        &[
            "1:27: the `;` after this statement is missing; Dinky reads on: put `;` here",
            "2:5: unknown `SET` key `parallelism.defult`",
        ],
    );
    check("SET parallelism.default = 1", &["1:27: the `;` after this statement is missing"]);
    check(
        "SET parallelism.default = 1;\nSET parallelism.default = 2;",
        &["2:5: `parallelism.default` is given twice"],
    );
    check(
        "SET Parallelism.Default = 1;",
        &[
            "1:5: unknown `SET` key `Parallelism.Default`; Dinky ignores it: did you mean `parallelism.default`?",
        ],
    );
    check(
        "SET parallelism.default =;",
        &["1:5: `parallelism.default` has no value; Dinky ignores the statement"],
    );
    check("SET parallelism.default = '';", &["1:5: `parallelism.default` has no value"]);
    check("SET parallelism.default 1;", &["1:1: `SET` needs `key = value`"]);
    check("SET;", &["1:1: `SET` without a key; Dinky lists its settings"]);
    check("SET = 1;", &["1:1: `SET` without a key"]);
    check("SET pipeline.name = a=b;", &["1:21: the value of `pipeline.name` holds a `=`"]);
    check("SET pipeline.name = \"a\";", &["1:21: double quotes are part of the text"]);
    check("SET pipeline.name = 'a;", &["1:21: this quote is never closed"]);
    check(
        "SET pipeline.name = a//b;",
        &["1:21: `pipeline.name` is `a//b`, expected a path of names"],
    );
    check(
        "SET hostname = h;",
        &["1:5: unknown `SET` key `hostname`; Dinky ignores it: it is an option of"],
    );
    check("RESET pipeline.name also;", &["1:1: text after the key of `RESET`"]);
}

#[test]
fn statements_that_are_not_run_are_refused_by_name() {
    let check = |set: &str, expected: &str| check_all(&script(set, ""), &[expected]);
    check("ADD JAR 'x.jar';", "1:1: `ADD JAR` is not run here: a script holds `SET` statements");
    check("ADD CUSTOMJAR 'x.jar';", "1:1: `ADD CUSTOMJAR` is not run here");
    check("create table t (\n a int\n);", "1:1: `CREATE` is not run here");
    check("INSERT INTO a SELECT * FROM b;", "1:1: `INSERT` is not run here");
    check("SHOW FRAGMENTS;", "1:1: `SHOW` is not run here");
    check("EXECUTE JAR WITH (\n'a'='b');", "1:1: `EXECUTE JAR` is not run here");
    check(
        "EXECUTE CDCSOURC x WITH (\n'a'='b');",
        "1:1: `EXECUTE CDCSOURC` is not run here: a script holds `SET` statements and one `EXECUTE CDCSOURCE`; did you mean `CDCSOURCE`?",
    );
    check(
        "EXECUTE PIPELINE WITHYAML (\nsource: x\n);",
        "1:1: `EXECUTE PIPELINE WITHYAML` is not supported yet",
    );
    check("# a comment\n;", "1:1: this does not begin a comment; write `--`");
    check(
        "SETT a = b;",
        "1:1: this is no statement: a script holds `SET` statements and one `EXECUTE CDCSOURCE`; did you mean `SET`?",
    );
    check("/* open", "1:1: this comment is never closed by `*/`");
}

#[test]
fn what_would_change_the_result_and_is_not_built_is_refused() {
    check_option(
        "'split.enable' = 'true',",
        &["9:4: `split.enable` is not supported yet, and leaving it out would change the result"],
    );
    check_option(
        "'sink.table.prefix' = 'ods_',",
        &["9:4: `sink.table.prefix` is not supported yet"],
    );
    check_option("'sink.sink.db' = 'ods',", &["9:4: `sink.sink.db` is not supported yet"]);
    check_option(
        "'debezium.skipped.operations' = 'd',",
        &["9:4: `debezium.skipped.operations` is not supported yet"],
    );
    check_option(
        "'sink[0].connector' = 'file',",
        &["8:4: `sink.connector` stands beside `sink[N].…`"],
    );
    good(&script(
        "",
        "'split.enable' = 'FALSE', 'sink.table.prefix' = '', 'sink.timezone' = 'UTC'",
    ));
}

#[test]
fn values_that_do_not_fit_are_refused_in_their_place() {
    check_option("'port' = '0',", &["9:13: `port` is `0`, expected an integer within its range"]);
    check_option("'checkpoint' = '5',", &["9:19: `checkpoint` is `5`, expected at least 10 ms"]);
    check_option("'parallelism' = '0',", &["9:20: `parallelism` is `0`"]);
    check_option(
        "'source.server-id' = '9-5',",
        &["9:25: `source.server-id` is `9-5`, expected a server id"],
    );
    check_option(
        "'source.connect.timeout' = '100',",
        &["9:31: `source.connect.timeout` is `100`, expected at least 250 ms"],
    );
    check_option("'scan.startup.mode' = 'specific-offset',", &["9:26: `specific-offset` needs"]);
    check_option("'scan.startup.mode' = 'timestamp',", &["9:26: `timestamp` needs"]);
    check_option(
        "'source.scan.startup.timestamp-millis' = '5',",
        &["9:4: `source.scan.startup.timestamp-millis` does nothing with this `scan.startup.mode`"],
    );
    check_option(
        "'scan.startup.mode' = 'specific-offset', 'source.scan.startup.specific-offset.file' = 'b.000001'",
        &[
            "9:26: `specific-offset` needs",
            "9:90: `source.scan.startup.specific-offset.file` and `source.scan.startup.specific-offset.pos` go together",
        ],
    );
    check_option(
        "'source.ssl.cert' = 'x',",
        &["9:24: `source.ssl.cert` and `source.ssl.key` go together"],
    );
    check_all(
        &script("", "").replace("mysql-cdc", "oracle-cdc"),
        &["3:18: there is no source `oracle-cdc`, only `mysql-cdc`"],
    );
    check_all(
        &script("", "").replace(r"a\.b", "a.b"),
        &[
            r"7:19: pattern `a.b` has no `\.` between database and table; Dinky finds no table by it: write `a\.b`",
        ],
    );
    check_all(
        &script("", "'database-name' = 'shop',").replace(r"a\.b", r"s\.x, orders"),
        &[
            r"7:25: pattern `orders` has no `\.` between database and table; Dinky finds no table by it: write `shop\.orders`",
        ],
    );
    check_all(
        &script("", "").replace("  'table-name' = 'a\\.b',\n", ""),
        &[r"dir/job.sql: which tables? Option `table-name`"],
    );
    check_all(
        &script("", "").replace("  'sink.connector' = 'print',\n", ""),
        &["dir/job.sql: option `sink.connector` is missing"],
    );
    let backlog = "SET execution.checkpointing.interval = 10s;\nSET execution.checkpointing.interval-during-backlog = 5s;";
    check_all(
        &script(backlog, ""),
        &["2:55: `execution.checkpointing.interval-during-backlog` is below"],
    );
    let names =
        "SET state.checkpoints.num-retained = 3;\nSET execution.checkpointing.num-retained = 4;";
    check_all(&script(names, ""), &["1:5: `state.checkpoints.num-retained` is the older name of"]);
}

#[test]
fn what_dinky_accepts_is_accepted() {
    let check = |set: &str| good(&script(set, "")).name;
    assert_eq!(check("SET pipeline.name = a;"), "a");
    assert_eq!(check("set 'pipeline.name'='a b, c' ;"), "a b, c");
    assert_eq!(check("SeT\tpipeline.name\n=\n a\n ;  "), "a");
    assert_eq!(check("SET pipeline.name = 'a=b';"), "a=b");
    assert_eq!(check("SET pipeline.name = a; -- why; not\n--SET pipeline.name = b;"), "a");
    assert_eq!(check("/* SET\n pipeline.name = b;\n */ SET pipeline.name = a; /* so */"), "a");
    assert_eq!(check("SET pipeline.name = a;\nRESET pipeline.name;\nSET pipeline.name = b;"), "b");
    assert_eq!(check("SET pipeline.name = a;\r\nRESET;\r\n"), "job");
    assert_eq!(check("SET pipeline.name = a;;\n;;"), "a");
    assert_eq!(check("\u{feff}SET pipeline.name = a;"), "a");
    assert_eq!(check("SET pipeline.name = /shop/orders/;"), "shop/orders");
    let after = script("", "") + "\n-- the end\nSET pipeline.name = a\n";
    assert_eq!(good(&after).name, "a");
    let folded = script("", "")
        .replace(r"'a\.b'", "'a\\.b,\n   c\\.d'")
        .replace("EXECUTE CDCSOURCE x", "execute\n cdcsource\n x");
    assert!(good(&folded).source.tables.matches(&TableName::new("c", "d")));
    let job = good(&script(
        "",
        "'port'='3307','checkpoint'='3s',, -- 'parallelism' = '7'\n 'sink.format' = 'a,b)'",
    ));
    assert_eq!((job.source.hosts[0].port, job.parallelism.get()), (3307, 1));
    assert_eq!(job.sinks[0].options["format"], "a,b)");
    let dashes = good(&script("", "").replace("'p'", "'a--b/*c'"));
    assert_eq!(dashes.source.password.reveal(), "a--b/*c");
}

#[test]
fn variables_stand_for_text_anywhere() {
    let job = good(&script("who := h2;\nboth := 'port' = '3307', 'checkpoint' = '3s';\nSET pipeline.name = ${who};", "${both},").replace("'h'", "'${who}'"));
    assert_eq!(
        (job.name.as_str(), job.source.hosts.as_slice()),
        ("h2", [host("h2", 3307)].as_slice())
    );
    check_all(&script("both := 'prt' = '3307';", "${both},"), &["9:3: unknown option `prt`"]);
    check_all(&script("", "'port' = '${port}',"), &["9:13: this variable is not defined above"]);
    check_all(&script("a := 1;\na := 2;", ""), &["2:1: variable `a` is defined twice"]);
    check_all(&script("a b := 1;", ""), &["1:1: a definition is `name := text`"]);
    check_all(&script("a := 1\nb := 2;", ""), &["1:1: the `;` after this definition is missing"]);
    let kept = good(&script("", "'sink.format' = '${tableName}_#{schemaName}_${ x y }'"));
    assert_eq!(kept.sinks[0].options["format"], "${tableName}_#{schemaName}_${ x y }");
}
