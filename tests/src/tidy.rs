//! The shape of the house, as a failing test: who may know whom.

use std::path::Path;

/// Every crate with the crates of the workspace that it may depend on.
const MAY_KNOW: [(&str, &[&str]); 7] = [
    ("engine/model", &[]),
    ("engine/job", &["model"]),
    ("binlog", &["model"]),
    ("state", &["model"]),
    ("sinks", &["model"]),
    ("engine", &["model", "job", "binlog", "state", "sinks"]),
    // What it shared with the sinks would hide their mistakes.
    ("tests/warehouse", &[]),
];
const OURS: [&str; 9] =
    ["model", "job", "binlog", "state", "sinks", "engine", "tests", "warehouse", "benches"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above this crate")
}

#[test]
fn crates_know_only_those_below_them() {
    for (krate, allowed) in MAY_KNOW {
        let manifest = std::fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
        for ours in OURS {
            // Their tests alone know the stand-in.
            let (built, _) = manifest.split_once("[dev-dependencies]").unwrap_or((&manifest, ""));
            let manifest = if (krate, ours) == ("sinks", "warehouse") { built } else { &manifest };
            let known = manifest
                .lines()
                .any(|line| line.split_once(['.', ' ', '=']).is_some_and(|(name, _)| name == ours));
            assert!(!known || allowed.contains(&ours), "{krate} depends on {ours}");
        }
    }
}

#[test]
fn the_leaf_does_no_io_and_knows_no_runtime() {
    let manifest = std::fs::read_to_string(root().join("engine/model/Cargo.toml")).unwrap();
    for foreign in ["tokio", "mysql_async", "rocksdb", "object_store"] {
        assert!(!manifest.contains(foreign), "model depends on {foreign}");
    }
}

/// In `docs/corner-cases.md`, a name in code style that ends in `.rs` is a file, and one with
/// underscores in the last cell of a row a test in the file named before it.
#[test]
fn every_test_that_the_corner_cases_name_exists_in_its_file() {
    let page = std::fs::read_to_string(root().join("docs/corner-cases.md")).unwrap();
    let mut missing = Vec::new();
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells = row.trim_end_matches(" |").rsplit_once(" | ").map_or(row, |(_, last)| last);
        let mut tests = String::new();
        // Every second piece stands between two ticks.
        for name in cells.split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") {
                tests = tests_in(&root().join(name));
            } else {
                named += 1;
                if !tests.contains(&format!(" {name} ")) {
                    missing.push(name.to_owned());
                }
            }
        }
    }
    assert!(missing.is_empty(), "not tests of the file before them: {missing:#?}");
    assert!(named > 100, "only {named} are named: is the page still a table?");
}

/// In `docs/warehouse-contract.md` every row of both checklists names its tests, or says in the sink's cell why
/// there is none.
#[test]
fn every_row_of_the_warehouses_contracts_has_tests_that_exist_on_both_sides() {
    let page = std::fs::read_to_string(root().join("docs/warehouse-contract.md")).unwrap();
    let stand_in = tests_below(&["tests/warehouse/src", "tests/warehouse/tests"]);
    let sink = tests_below(&["sinks/src/warehouse", "tests/tests"]);
    let systems: Vec<&str> = page.split("\n## ").skip(1).collect();
    assert_eq!(systems.len(), 2, "a section to each system");
    for section in systems {
        let system = section.lines().next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        let rows: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).skip(1).collect();
        let numbers: Vec<&str> = rows.iter().map(|row| row[0]).collect();
        let expected: Vec<String> = (1..=CHECKLIST_ROWS).map(|row| row.to_string()).collect();
        assert_eq!(numbers, expected, "{system}");
        for row in rows {
            let [number, _, of_stand_in, of_sink] = row[..] else { panic!("{system}: {row:?}") };
            for (known, cell) in [(&stand_in, of_stand_in), (&sink, of_sink)] {
                let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
                let excused = cell == of_sink && cell.starts_with("none: ");
                assert_eq!(excused, named.is_empty(), "{system} {number}: {cell}");
                for name in named {
                    let found = known.iter().filter(|path| path.ends_with(&format!("/{name}")));
                    assert_eq!(
                        found.count(),
                        1,
                        "{system} {number}: `{name}` is no test, or is two"
                    );
                }
            }
        }
    }
}

/// Of the contract of each system.
const CHECKLIST_ROWS: usize = 42;

/// Every test below these folders, as `folder/file::test`.
fn tests_below(folders: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.with_extension("").display().to_string();
                found.extend(
                    tests_in(&path).split_whitespace().map(|name| format!("{file}::{name}")),
                );
            }
        }
    }
    found
}

/// The names of the tests in a file, with blanks around each.
fn tests_in(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut names = " ".to_owned();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            names.push_str(rest.split(['(', '<']).next().unwrap_or_default());
            names.push(' ');
            is_test = false;
        }
    }
    names
}
