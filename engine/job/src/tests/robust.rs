//! Any text gives a job or errors, in either mode, and never a panic.

use proptest::prelude::*;

use super::*;

/// What scripts are made of, so that random texts get past the first word.
const PIECES: &[&str] = &[
    "SET",
    "RESET",
    "EXECUTE CDCSOURCE",
    "EXECUTE",
    "x",
    "WITH (",
    "WITH(",
    ")",
    "'",
    "''",
    "\"",
    "=",
    " = ",
    ",",
    "',",
    ";",
    ";\n",
    "\n",
    "\r\n",
    " ",
    "\t",
    "--",
    "-- c\n",
    "/*",
    "*/",
    "/*+",
    "'port' = '1',",
    "'connector' = 'mysql-cdc',",
    "'hostname' = 'h',",
    "'username' = 'u',",
    "'password' = 'p',",
    "'table-name' = 'a\\.b',",
    "'table-name' = '",
    "'sink.connector' = 'print'",
    "'sink[0].connector' = 'file'",
    "'sink[",
    "].x' = 'y'",
    "sink.",
    "${",
    "${a}",
    "}",
    "a := b;\n",
    ":=",
    "${env:X}",
    "${file:X}",
    "é",
    "表",
    "\u{feff}",
    "\u{a0}",
    "\0",
    "(?!",
    "\\",
    "[",
    "{1,",
    "pipeline.name",
    "EXECUTE PIPELINE WITHYAML",
    "ADD JAR",
    "insert into a select b from c ",
];

/// What pipelines are made of.
const YAML: &[&str] = &[
    "source:\n",
    "sink:\n",
    "route:\n",
    "transform:\n",
    "pipeline:\n",
    "  type: mysql\n",
    "  type: print\n",
    "  tables: a.\\.*\n",
    "  hostname: h\n",
    "  username: u\n",
    "  password: hunter2\n",
    "  password: 'hunter2'\n",
    "  - source-table: a.(b)\n",
    "    sink-table: c.$1\n",
    "    replace-symbol: <>\n",
    "    projection: '*'\n",
    "  parallelism: 2\n",
    "  ",
    "- ",
    "\n",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ": ",
    "? ",
    "'",
    "\"",
    "|\n",
    "&a ",
    "*a",
    "!t ",
    "# c\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "${env:X}",
    "\\",
    "é",
    "表",
    "\t",
    "\r\n",
    "\u{feff}",
    "\0",
    "~",
];

fn survives(text: &str, overrides: &[(&str, &str)]) {
    for mode in [Mode::Strict, Mode::Lenient] {
        match read(text, mode, overrides) {
            Ok(job) => assert!(!job.sinks.is_empty() && !job.name.is_empty()),
            Err(errors) => {
                assert!(!errors.errors.is_empty(), "errors without an error");
                assert!(!errors.to_string().is_empty());
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}", key in "\\PC{0,20}") {
        survives(&text, &[(&key, &text)]);
    }

    #[test]
    fn arbitrary_pieces_of_scripts_never_panic(
        picks in prop::collection::vec(0..PIECES.len(), 0..60),
    ) {
        let text: String = picks.into_iter().map(|pick| PIECES[pick]).collect();
        survives(&text, &[]);
    }

    #[test]
    fn a_good_script_with_one_change_never_panics(
        at in any::<prop::sample::Index>(),
        len in 0..5_usize,
        pick in 0..PIECES.len(),
    ) {
        let mut text: Vec<char> = example("emp_1.sql").chars().collect();
        let at = at.index(text.len());
        let end = (at + len).min(text.len());
        text.splice(at..end, PIECES[pick].chars());
        survives(&text.into_iter().collect::<String>(), &[]);
    }

    #[test]
    fn a_password_among_arbitrary_pieces_is_never_shown(
        before in prop::collection::vec(0..PIECES.len(), 0..20),
        after in prop::collection::vec(0..PIECES.len(), 0..20),
    ) {
        let text = |picks: Vec<usize>| picks.into_iter().map(|p| PIECES[p]).collect::<String>();
        let line = format!("{}'password' = 'hunter2'{}", text(before), text(after));
        for mode in [Mode::Strict, Mode::Lenient] {
            for source in [line.clone(), format!("EXECUTE CDCSOURCE x WITH ( {line}")] {
                if let Err(errors) = read(&source, mode, &[]) {
                    let shown = format!("{errors} {errors:?}");
                    prop_assert!(!shown.contains("hunter"), "{source}\n{shown}");
                }
            }
        }
    }

    #[test]
    fn arbitrary_pieces_of_pipelines_never_panic_and_never_show_a_password(
        picks in prop::collection::vec(0..YAML.len(), 0..60),
    ) {
        let text: String = picks.into_iter().map(|pick| YAML[pick]).collect();
        match parse(&text, "job.yaml", Mode::Strict, &[], &World) {
            Ok(job) => prop_assert!(!job.sinks.is_empty()),
            Err(errors) => {
                let shown = format!("{errors} {errors:?}");
                prop_assert!(!errors.errors.is_empty() && !shown.contains("hunter"), "{text}\n{shown}");
            }
        }
    }

    #[test]
    fn arbitrary_text_as_a_pipeline_never_panics(text in "\\PC{0,200}") {
        let _ = parse(&text, "job.yaml", Mode::Strict, &[], &World);
        let _ = parse(&format!("source:\n  tables: {text}\n"), "job.yaml", Mode::Strict, &[], &World);
    }

    #[test]
    fn a_good_pipeline_with_one_change_never_panics(
        at in any::<prop::sample::Index>(),
        len in 0..5_usize,
        pick in 0..YAML.len(),
    ) {
        let mut text: Vec<char> = example("starrocks.yaml").chars().collect();
        let at = at.index(text.len());
        let end = (at + len).min(text.len());
        text.splice(at..end, YAML[pick].chars());
        let _ = parse(&text.into_iter().collect::<String>(), "job.yaml", Mode::Strict, &[], &World);
    }

    #[test]
    fn arbitrary_patterns_never_panic(list in "[a-z\\\\.\\[\\](){}|*+?^$,0-9é ]{0,30}") {
        if let Ok(patterns) = TablePatterns::new(None, Some(&list), Some(&list)) {
            // Whatever is followed is left out again, and the hint holds for it.
            prop_assert!(!patterns.matches(&TableName::new("a", "b")));
            let _ = patterns.databases_hint();
        }
    }

    #[test]
    fn a_hint_covers_every_table_that_is_followed(
        list in "[ab\\\\.\\[\\]()|*+?,]{0,12}",
        db in "[ab]{1,2}",
        table in "[ab]{1,2}",
    ) {
        if let Ok(patterns) = TablePatterns::new(None, Some(&list), None)
            && patterns.matches(&TableName::new(db.as_str(), table.as_str()))
            && let Some(hint) = patterns.databases_hint()
        {
            prop_assert!(hint.contains(&db), "{list}: {db}.{table} is not in {hint:?}");
        }
    }
}

#[test]
fn variables_that_hold_variables_do_not_grow_without_end() {
    let mut text = "v0 := xxxxxxxxxxxxxxxx;\n".to_owned();
    for n in 1..64 {
        text += &format!("v{n} := ${{v{0}}}${{v{0}}};\n", n - 1);
    }
    let errors = read(&text, Mode::Strict, &[]).unwrap_err().to_string();
    assert!(errors.contains("grows beyond 1 MiB"), "{}", errors.len());
    assert!(errors.len() < 100_000);
}

#[test]
fn a_script_of_many_mistakes_is_read_in_time_and_told_in_part() {
    let unknown: String = (0..30_000).map(|n| format!("SET k{n}.x = c;\n")).collect();
    let unclosed = "'x' = \"y ".repeat(40_000);
    let missing = script("", &"'password' = 'v ' ".repeat(40_000));
    let apostrophes = script("", &"'k' = 'v'v, ".repeat(40_000));
    for text in [unknown, unclosed, missing, apostrophes, ")".repeat(500_000)] {
        for mode in [Mode::Strict, Mode::Lenient] {
            if let Err(errors) = read(&text, mode, &[]) {
                assert!(errors.errors.len() <= 201, "{}", errors.errors.len());
                assert!(errors.to_string().len() < 200_000);
            }
        }
    }
}

#[test]
fn a_pipeline_of_many_mistakes_is_read_in_time_and_told_in_part() {
    let unknown: String = (0..20_000).map(|n| format!("  k{n}: c\n")).collect();
    let routes = "  - source-table: a\n".repeat(10_000);
    for text in [
        format!("source:\n{unknown}"),
        format!("sink:\n  type: print\n{unknown}"),
        format!("route:\n{routes}"),
        format!("source: {{{}}}\nx: y\n", "password: x, ".repeat(40_000)),
        "password: ".repeat(50_000),
        "[".repeat(500_000),
        "- ".repeat(250_000),
        "? ".repeat(250_000),
        "a: ".repeat(100_000),
        "a:\n".repeat(100_000),
        "x ".repeat(300_000),
        "source: \"".repeat(50_000),
    ] {
        let errors = parse(&text, "job.yaml", Mode::Strict, &[], &World).unwrap_err();
        assert!(errors.errors.len() <= 201, "{}", errors.errors.len());
        assert!(errors.to_string().len() < 200_000);
    }
}

#[test]
fn a_text_that_is_no_script_is_refused_by_its_size() {
    let errors = read(&" ".repeat(2 << 20), Mode::Strict, &[]).unwrap_err();
    assert!(errors.to_string().contains("1 MiB"));
}
