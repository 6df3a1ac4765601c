//! Whatever a script says, it is answered.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// What scripts and pipelines are made of, and what breaks them.
const PIECES: &[&str] = &[
    "SET ",
    "EXECUTE CDCSOURCE ",
    " WITH (",
    ")",
    ";",
    "'",
    "\"",
    "`",
    "=",
    ",",
    "\\",
    "\n",
    "\0",
    "--",
    "/*",
    "*/",
    "${env:HOME}",
    "${file:/dev/null}",
    "${",
    "}",
    "#{schemaName}",
    "******",
    "source:",
    "sink:",
    "route:",
    "transform:",
    "pipeline:",
    "  type: mysql",
    "- ",
    ": ",
    "&a",
    "*a",
    "'port' = '99999'",
    "'table-name' = '(((('",
    "'checkpoint' = '-1'",
    "\u{feff}",
    "é",
    "🦀",
    "99999999999999999999",
];

const WHOLE: &[&str] = &[
    include_str!("../../../../../examples/emp_1.sql"),
    include_str!("../../../../../examples/doris.sql"),
    include_str!("../../../../../examples/two-sinks.sql"),
    include_str!("../../../../../examples/transforms.yaml"),
    include_str!("../../../../../examples/starrocks.yaml"),
];

#[derive(Debug, Clone)]
enum Change {
    Insert(Index, String),
    Cut(Index, usize),
    Repeat(Index, usize),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let piece = prop_oneof![
        3 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop_oneof![
        (any::<Index>(), piece).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<Index>(), 1..60_usize).prop_map(|(at, chars)| Change::Cut(at, chars)),
        (any::<Index>(), 1..400_usize).prop_map(|(at, chars)| Change::Repeat(at, chars)),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for change in changes {
        let end = chars.len();
        match change {
            Change::Insert(at, piece) => {
                let at = at.index(end + 1);
                chars.splice(at..at, piece.chars());
            }
            Change::Cut(at, count) => {
                let at = at.index(end + 1);
                chars.drain(at..(at + count).min(end));
            }
            Change::Repeat(at, count) => {
                let at = at.index(end + 1);
                let piece = chars[at..(at + count).min(end)].to_vec();
                chars.splice(at..at, piece);
            }
            Change::Swap(one, other) if end > 0 => chars.swap(one.index(end), other.index(end)),
            Change::Swap(..) => {}
        }
    }
    chars.into_iter().collect()
}

fn script() -> impl Strategy<Value = String> {
    let mutated = (proptest::sample::select(WHOLE), prop::collection::vec(change(), 0..8))
        .prop_map(|(text, changes)| changed(text, &changes));
    let pieces = prop::collection::vec(proptest::sample::select(PIECES), 0..40)
        .prop_map(|pieces| pieces.concat());
    prop_oneof![6 => mutated, 2 => pieces, 1 => any::<String>()]
}

#[test]
fn no_script_makes_the_daemon_fail() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asked = runtime.block_on(Asked::new());
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    proptest!(config, |(script in script(), lenient: bool, file in "[a-z]{0,3}\\.(sql|yaml)")| {
        let wish = json!({ "script": script, "lenient": lenient, "file": file });
        let answered = runtime.block_on(asked.ask("POST", "/api/v1/validate", &wish.to_string()));
        prop_assert_eq!(answered.status, 200, "{}", answered.body);
        let valid = answered.body["valid"].as_bool().unwrap();
        prop_assert_eq!(valid, answered.body["errors"].as_array().unwrap().is_empty());
        let submitted = runtime.block_on(asked.ask("POST", "/api/v1/jobs", &wish.to_string()));
        prop_assert!(matches!(submitted.status, 200 | 201 | 400 | 409 | 422), "{}", submitted.body);
        if !valid {
            prop_assert!(matches!(submitted.status, 400 | 422), "{}", submitted.body);
        }
    });
}

#[test]
fn no_bytes_make_the_daemon_fail() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asked = runtime.block_on(Asked::new());
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() };
    proptest!(config, |(bytes: Vec<u8>, path in "/api/v1/jobs(/[^/?#]{1,6}(/start|/stop|/restore)?)?")| {
        let path: String = percent(&path);
        let request = Request::post(&path).header("content-type", "application/json");
        let answered = runtime.block_on(asked.send(request.body(Body::from(bytes)).unwrap()));
        prop_assert!((200..500).contains(&answered.status), "{path}: {}", answered.body);
    });
}

/// All but the structure of a path, as a client writes it.
fn percent(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'/';
    path.as_bytes()
        .iter()
        .map(
            |byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") },
        )
        .collect()
}
