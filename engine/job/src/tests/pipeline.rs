//! Jobs in YAML, in the form of Flink CDC's pipelines.

use super::*;

const SOURCE: &str = r"source:
  type: mysql
  hostname: db
  username: u
  password: p
  tables: shop.orders_\.*
";

fn pipeline(text: &str) -> Result<JobSpec, ScriptErrors> {
    parse(text, "dir/job.yaml", Mode::Strict, &[], &World)
}

#[track_caller]
fn fine(text: &str) -> JobSpec {
    pipeline(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The source above, and what follows it.
fn with(rest: &str) -> String {
    format!("{SOURCE}{rest}")
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let errors = pipeline(text).map(|job| format!("{job:?}")).unwrap_err();
    let told: Vec<_> = errors.errors.iter().map(ToString::to_string).collect();
    let told: Vec<_> = told
        .iter()
        .map(|error| error.trim_start_matches("dir/job.yaml:").trim_start().to_owned())
        .collect();
    let fit = told.len() == expected.len()
        && told.iter().zip(expected).all(|(error, start)| error.starts_with(start));
    assert!(fit, "found {told:#?}\nexpected {expected:#?}");
}

#[track_caller]
fn goes(job: &JobSpec, source: &str) -> String {
    let (db, table) = source.split_once('.').unwrap();
    job.sinks[0].routes.target(&TableName::new(db, table)).to_string()
}

#[test]
fn a_pipeline_says_the_same_as_a_script() {
    let job = fine(
        r"# Orders to Doris
source:
  type: mysql
  name: MySQL source
  hostname: db
  port: 3307
  username: u
  password: ${env:MYSQL_PASSWORD}
  tables: shop.orders_\.*, crm.[a-c]+
  tables.exclude: shop.orders_tmp
  server-id: 5400-5404
  server-time-zone: UTC
  scan.incremental.snapshot.chunk.size: 100
  on-table-error: quarantine
sink:
  type: doris
  name: Doris sink
  fenodes: fe:8030
  username: root
  password: ''
  sink.enable-2pc: true
  sink.buffer-flush.interval: 10s
  sink.properties.timeout: 600
  table.create.properties.replication_num: 1
  include.schema.changes: [create.table, add.column]
pipeline:
  name: retail/orders
  parallelism: 2
  local-time-zone: Asia/Shanghai
  execution.runtime-mode: BATCH
  schema.change.behavior: EVOLVE
  execution.checkpointing.interval: 10s
",
    );
    assert_eq!((job.name.as_str(), job.parallelism.get()), ("retail/orders", 2));
    assert_eq!(job.source.connector, "mysql-cdc");
    assert_eq!(job.source.hosts, [host("db", 3307)]);
    assert_eq!(job.source.password.reveal(), "s3'cret', 'x");
    assert_eq!(job.source.startup, StartupMode::Initial, "Flink CDC's default");
    assert_eq!(job.source.server_id, Some(ServerIds { first: 5400, last: 5404 }));
    assert_eq!(job.source.chunk_rows.map(|rows| rows.get()), Some(100));
    assert_eq!(job.source.on_table_error, OnTableError::Quarantine);
    let follows = |db, table| job.source.tables.matches(&TableName::new(db, table));
    assert!(follows("shop", "orders_2024") && follows("crm", "ab"));
    assert!(!follows("shop", "orders_tmp") && !follows("crm", "d") && !follows("shop", "users"));
    assert_eq!(job.time_zone, "Asia/Shanghai".parse().unwrap());
    assert_eq!(job.runtime_mode, RuntimeMode::Batch);
    assert_eq!(job.checkpointing.interval, Some(Duration::from_secs(10)));
    let [sink] = job.sinks.as_slice() else { panic!("one sink") };
    assert_eq!((sink.name.as_str(), sink.connector.as_str()), ("sink[0]", "doris"));
    let options: Vec<_> = sink.options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        options,
        [
            ("buffer-flush.interval", "10000ms"),
            ("enable-2pc", "true"),
            ("fenodes", "fe:8030"),
            ("include.schema.changes", "create.table,add.column"),
            ("password", ""),
            ("properties.timeout", "600"),
            ("schema.change.behavior", "evolve"),
            ("table.create.properties.replication_num", "1"),
            ("username", "root"),
        ]
    );
    assert_eq!(sink.places["fenodes"].to_string(), "dir/job.yaml:18:12");
    assert_eq!(sink.places["schema.change.behavior"].to_string(), "dir/job.yaml:31:3");
}

#[test]
fn a_pipeline_is_known_by_its_files_name_or_by_its_first_line() {
    let text = with("sink: {type: print}\n");
    for (file, text) in [
        ("job.yml", text.clone()),
        ("job.YAML", text.clone()),
        ("job", text.clone()),
        ("job.txt", format!("\u{feff}# comment\n\n---\r\n  # more\n{text}")),
    ] {
        let job = parse(&text, file, Mode::Strict, &[], &World);
        assert_eq!(job.unwrap_or_else(|e| panic!("{e}")).name, "job");
    }
    let script = script("-- source:\nSET pipeline.name = 'source: x';", "");
    assert!(parse(&script, "job.sql", Mode::Strict, &[], &World).is_ok());
}

#[test]
fn the_identity_of_a_pipeline_is_read_whatever_else_is_wrong() {
    let text = "pipeline: {name: a/b, state.checkpoints.dir: /s, state.checkpoints.num-retained: 7}\n\
                source: {type: oracle, password: '${env:NOPE}'}\n";
    let identity = identity(text, "x.yaml", &[], &World);
    assert_eq!((identity.name.as_str(), identity.num_retained.get()), ("a/b", 7));
    assert_eq!(identity.checkpoint_dir.as_deref(), Some("/s"));
}

#[test]
fn several_sinks_are_a_list() {
    let job = fine(&with(
        "sink:\n  - type: starrocks\n    load-url: fe:8030\n    sink.io.thread-count: 4\n  - type: \
         file\n    path: ./x\npipeline:\n  schema.change.behavior: ignore\n",
    ));
    let names: Vec<_> = job.sinks.iter().map(|s| (s.name.as_str(), s.connector.as_str())).collect();
    assert_eq!(names, [("sink[0]", "starrocks"), ("sink[1]", "file")]);
    assert_eq!(job.sinks[0].options["parallel-loads"], "4");
    assert_eq!(job.sinks[0].options["schema.change.behavior"], "ignore");
    assert_eq!(job.sinks[1].options.len(), 1);
}

#[test]
fn what_has_no_effect_in_a_pipeline_is_named_once() {
    let job = fine(&with(
        "  name: x\n  connection.pool.size: 3\nsink: {type: print, name: y}\npipeline:\n  \
         schema.change.behavior: ignore\n  operator.uid.prefix: z\n  rest.port: 1\n",
    ));
    let named = |key: &str| job.notes.iter().filter(|note| note.text.contains(key)).count();
    for key in ["connection.pool.size", "schema.change.behavior", "operator.uid", "rest.port"] {
        assert_eq!(named(key), 1, "{key}: {:#?}", job.notes);
    }
    assert_eq!(named("`name`"), 2);
}

#[test]
fn routes_send_tables_where_they_say() {
    let job = fine(&with(
        r"sink: {type: doris, fenodes: 'fe:8030'}
route:
  - source-table: shop.(orders)_\d+, shop.(orders)_old
    sink-table: ods.$1
    description: shards
  - source-table: shop.\.*
    sink-table: ods.all_<>
    replace-symbol: <>
pipeline:
  route-mode: FIRST_MATCH
",
    ));
    assert_eq!(goes(&job, "shop.orders_1"), "ods.orders");
    assert_eq!(goes(&job, "shop.users"), "ods.all_users");
    assert_eq!(goes(&job, "crm.users"), "crm.users");
    let tables = ["shop.orders_1", "shop.orders_2"].map(|name| {
        let (db, table) = name.split_once('.').unwrap();
        TableName::new(db, table)
    });
    assert_eq!(job.sinks[0].routes.merges(&tables).len(), 1);
    job.sinks[0].routes.check(&tables[0]).unwrap();
}

#[test]
fn a_table_that_all_matching_routes_want_is_refused_when_it_is_taken_up() {
    let job = fine(&with(
        "sink: {type: doris, fenodes: x}\nroute:\n  - {source-table: a.\\.*, sink-table: x.t}\n  - \
         {source-table: a.t, sink-table: y.t}\n",
    ));
    let table = TableName::new("a", "t");
    assert_eq!(job.sinks[0].routes.targets(&table).len(), 2);
    assert!(job.sinks[0].routes.check(&table).unwrap_err().to_string().contains("FIRST_MATCH"));
}

#[test]
fn routes_that_lead_nowhere_are_refused_in_their_place() {
    let check = |route: &str, expected: &str| {
        let text = with(&format!("sink: {{type: doris, fenodes: x}}\nroute:\n  - {route}\n"));
        refused(&text, &[expected]);
    };
    check("{source-table: a.b}", "9:5: this route has no `sink-table`");
    check("{sink-table: a.b}", "9:5: this route has no `source-table`");
    check(
        "{source-table: 'a.b, c', sink-table: a.b}",
        "9:26: `source-table`: pattern `c` has no dot",
    );
    check(
        "{source-table: a.(, sink-table: a.b}",
        "9:20: `source-table`: pattern `a.(`, at its character 3",
    );
    check("{source-table: a.b, sink-table: orders}", "9:37: `sink-table`: write `database.table`");
    check("{source-table: a.b, sink-table: a.b.c}", "9:37: `sink-table`: more than one dot");
    check(
        "{source-table: a.(b), sink-table: a.$2}",
        "9:39: `sink-table`: the pattern has no group 2",
    );
    check(
        "{source-table: a.b, sink-table: a.c, replace-symbol: <>}",
        "9:58: `replace-symbol` is `<>`, which is not in `sink-table`",
    );
    check("{source-table: a.b, sink-table: a.c, sinktable: x}", "9:42: unknown key `sinktable`");
    let print = with("sink: {type: print}\nroute: [{source-table: a.b, sink-table: c.d}]\n");
    refused(&print, &["8:9: `route` sends tables to others, and `print` has none"]);
}

#[test]
fn transforms_are_read_with_their_places() {
    let job = fine(&with(
        "sink: {type: print}\ntransform:\n  - source-table: shop.\\.*\n    projection: \\*, a + b AS c\n    \
         filter: >\n      c > 1\n      AND d\n    primary-keys: [a, b]\n    description: as it is\n  \
         - source-table: a.b, c.d\n",
    ));
    let [first, second] = &job.transforms[..] else { panic!("{:?}", job.transforms) };
    assert_eq!(first.description.as_deref(), Some("as it is"));
    let projection = first.projection.as_ref().unwrap();
    assert_eq!(projection.text, "\\*, a + b AS c");
    assert_eq!(projection.part(4), "dir/job.yaml:10:21");
    let filter = first.filter.as_ref().unwrap();
    assert_eq!(filter.text.trim(), "c > 1 AND d");
    assert_eq!(filter.part(4), "dir/job.yaml:12:7, at character 5 of the text");
    assert_eq!(first.primary_keys.as_ref().unwrap().text, "a,b");
    assert!(first.tables.is_match("shop.orders") && !first.tables.is_match("shops.orders"));
    assert!(second.tables.is_match("c.d") && !second.tables.is_match("a.bc"));
    assert!(second.projection.is_none() && second.filter.is_none());
}

#[test]
fn what_a_transform_cannot_do_is_refused_by_name() {
    let text = with(
        "sink: {type: print}\ntransform:\n  - source-table: shop.a\n    partition-keys: day\n    \
         table-options: a=b\n    converter-after-transform: SOFT_DELETE\n  - projection: '*'\n    \
         filtre: x\n",
    );
    refused(
        &text,
        &[
            "10:5: `partition-keys` is not there: tables are made without partitions",
            "11:5: `table-options` is not there: set `table.create.properties.*` of the sink",
            "12:5: `converter-after-transform` is not there",
            "13:5: this transform has no `source-table`",
            "14:5: unknown key `filtre` of a transform: did you mean `filter`?",
        ],
    );
}

#[test]
fn every_mistake_of_a_pipeline_is_told_with_its_place() {
    refused(
        "source:\n  type: postgres\n  hostnme: db\n  tables: shop\n  port: x\n  password:\nsnk:\n  \
         type: print\nsink:\n  type: file\n  pth: x\npipeline:\n  paralelism: 2\n  \
         schema.change.behavior: maybe\n  name: a\n  name: b\n  model: x\n",
        &[
            "2:9: there is no source `postgres`, only `mysql`",
            "3:3: unknown key `hostnme` of `source`: did you mean `hostname`?",
            "4:11: `source.tables`: pattern `shop` has no dot between database and table",
            "5:9: `source.port` is `x`, expected an integer",
            "7:1: unknown section `snk`: did you mean `sink`?",
            "11:3: unknown option `sink.pth` of sink `file`: did you mean `sink.path`?",
            "13:3: unknown key `paralelism` of `pipeline`: did you mean `parallelism`?",
            "14:27: `schema.change.behavior`: expected one of `evolve`",
            "16:3: `name` is given twice",
            "17:3: `model` is not supported yet",
            "option `source.hostname` is missing",
            "option `source.username` is missing",
        ],
    );
    refused(&with("sink:\n  fenodes: x\n"), &["8:3: `sink` has no `type`"]);
    refused(&with("sink: doris\n"), &["7:7: `sink` is a mapping, not a text"]);
    refused(SOURCE, &["option `sink.type` is missing"]);
    refused("source: [\n", &["2:1: this is no YAML"]);
    refused("source: &a {}\nsink: *a\n", &["2:7: aliases are not understood"]);
    refused(&with("sink: {type: print}\n---\nx: y\n"), &["8:1: a second document"]);
    refused("- a\n", &["1:1: a job is a mapping, not a list"]);
    refused("", &["1:1: the file holds nothing"]);
    let missing = with("sink: {type: print}\n").replace("password: p", "password: ${env:NOPE}");
    refused(&missing, &["5:13: `password`: environment variable `NOPE` is not set"]);
}

#[test]
fn places_are_right_behind_characters_of_any_width() {
    let text =
        with("sink: {type: print} # 表é\n").replace("hostname: db", "hostname: '表', port: x");
    let text = text.replace("source:\n  type: mysql", "source: {type: mysql").replace("\n  ", ", ");
    let text = text.replace("\\.*\n", "\\.*}\n").replace(", hostname", ",\n  hostname");
    let errors = pipeline(&text).unwrap_err();
    assert!(errors.to_string().contains(":2:24: `source.port` is `x`"), "{text}\n{errors}");
}

#[test]
fn places_are_right_behind_a_mark_of_the_byte_order_and_line_ends_of_windows() {
    let text = with("sink: {type: print}\npipeline: {parallelism: x}\n");
    let check = |text: &str, place: &str| {
        let errors = pipeline(text).unwrap_err();
        assert!(errors.to_string().contains(place), "{errors}");
        let excerpt = errors.errors[0].excerpt.as_ref().unwrap();
        let marked: String =
            excerpt.line.chars().skip(excerpt.before).take(excerpt.width).collect();
        assert_eq!(marked, "x", "{errors}");
    };
    check(&text, ":8:25: `pipeline.parallelism` is `x`");
    check(&text.replace('\n', "\r\n"), ":8:25: ");
    check(&format!("\u{feff}{text}"), ":8:25: ");
    check("\u{feff}pipeline: {parallelism: x}\nsource: {}", ":1:26: ");
}

#[test]
fn overrides_name_keys_by_their_section_or_as_in_a_script() {
    let over = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        parse(&with("sink: {type: print}\n"), "j.yaml", Mode::Lenient, &pairs, &World)
    };
    let job = over(&[
        ("source.hostname", "h2"),
        ("port", "3310"),
        ("source.tables", r"a.\.*"),
        ("pipeline.parallelism", "3"),
        ("sink.type", "file"),
        ("sink.path", "x"),
        ("sink.format", "changelog"),
        ("execution.checkpointing.interval", "7s"),
        ("source.server-id", "7"),
    ])
    .unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(job.source.hosts, [host("h2", 3310)]);
    assert!(job.source.tables.matches(&TableName::new("a", "b")));
    assert_eq!(job.parallelism.get(), 3);
    assert_eq!(job.sinks[0].connector, "file");
    assert_eq!(job.sinks[0].options["format"], "changelog");
    assert_eq!(job.checkpointing.interval, Some(Duration::from_secs(7)));
    assert_eq!(job.source.server_id, Some(ServerIds { first: 7, last: 7 }));
    for key in ["source.hostnme", "pipeline.parallel", "nonsense"] {
        let errors = over(&[(key, "x")]).unwrap_err().to_string();
        assert!(errors.contains(&format!("--set {key}")), "{errors}");
    }
}

#[test]
fn a_password_of_a_pipeline_is_shown_nowhere() {
    for password in [
        "password: hunter2",
        "password: 'hunter2'",
        "\"password\": \"hunter2\"",
        "password: |\n    hunter2\n    hunter3",
        "password:\n    hunter2",
        "pasword: hunter2",
        "password: [hunter2, hunter3]",
        "password: {hunter2: x}",
        "password: hunter2: x",
        "password: 'a\n    hunter2'",
        "password: \"hunter2\n  port: x",
        "# password: hunter2",
        "password = hunter2",
        "port: x, password: hunter2",
        "sink.password: hunter2",
        "password: *hunter2",
    ] {
        let text = with("sink: {type: print}\n").replace("password: p", password);
        let shown = match pipeline(&text) {
            Ok(job) => format!("{job:?}"),
            Err(errors) => format!("{errors} {errors:?}"),
        };
        assert!(!shown.contains("hunter"), "{text}\n{shown}");
    }
}
