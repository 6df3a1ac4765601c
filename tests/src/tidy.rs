//! The shape of the house, as a failing test: who may know whom.

use std::path::Path;

/// Every crate with the crates of the workspace that it may depend on.
const MAY_KNOW: [(&str, &[&str]); 6] = [
    ("engine/model", &[]),
    ("engine/job", &["model"]),
    ("binlog", &["model"]),
    ("state", &["model"]),
    ("sinks", &["model"]),
    ("engine", &["model", "job", "binlog", "state", "sinks"]),
];
const OURS: [&str; 8] = ["model", "job", "binlog", "state", "sinks", "engine", "tests", "benches"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above this crate")
}

#[test]
fn crates_know_only_those_below_them() {
    for (krate, allowed) in MAY_KNOW {
        let manifest = std::fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
        for ours in OURS {
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
