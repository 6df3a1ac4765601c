//! Every key that a script may carry: what it does here, its default, its meaning.
//!
//! The one source of the manual's `docs/configuration.md`, of the suggestions for mistyped keys
//! and of what is accepted; a test holds it against the code that reads the keys.

mod keys;
pub(crate) mod warehouse;

pub use keys::SETTINGS;

/// How like two names must be (Damerau-Levenshtein, 0 to 1) for one to be suggested for the other.
const SUGGEST_FROM: f64 = 0.6;

/// A key that scripts may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingDoc {
    /// A trailing `*` stands for any rest.
    pub key: &'static str,
    /// Empty where there is none.
    pub default: &'static str,
    pub meaning: &'static str,
    pub kind: Kind,
    pub scope: Scope,
}

/// What a key does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What it says.
    Honoured,
    /// Sets the nearest thing there is here.
    Mapped,
    /// Nothing yet: its value is checked, and one that asks for more than the default is named once
    /// in the log.
    Idle,
    /// Nothing, for it has no counterpart; named once in the log.
    Accepted,
    /// It would change the result and is not built: an error, with `--lenient` a warning.
    Unsupported,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In a `SET` statement.
    Set,
    /// Among the options of `EXECUTE CDCSOURCE`.
    With,
}

impl Scope {
    fn place(self) -> &'static str {
        match self {
            Self::Set => "a `SET` key",
            Self::With => "an option of `EXECUTE CDCSOURCE`",
        }
    }
}

/// What is known of a key: itself, else the family with the longest prefix.
pub fn find(scope: Scope, key: &str) -> Option<&'static SettingDoc> {
    let known = || SETTINGS.iter().filter(|known| known.scope == scope);
    known().find(|known| known.key == key).or_else(|| {
        let family = |known: &&SettingDoc| {
            known.key.strip_suffix('*').is_some_and(|prefix| key.starts_with(prefix))
        };
        known().filter(family).max_by_key(|known| known.key.len())
    })
}

/// What to say beside an unknown key: the nearest known one, or where it would be known.
pub fn suggest(scope: Scope, key: &str) -> Option<String> {
    let other = if scope == Scope::Set { Scope::With } else { Scope::Set };
    if SETTINGS.iter().any(|known| known.scope == other && known.key == key) {
        return Some(format!("it is {}", other.place()));
    }
    nearest(key, names(scope)).map(|name| format!("did you mean `{name}`?"))
}

/// The nearest known key of either kind.
pub(crate) fn suggest_any(key: &str) -> Option<String> {
    let all = names(Scope::With).chain(names(Scope::Set));
    nearest(key, all).map(|name| format!("did you mean `{name}`?"))
}

fn names(scope: Scope) -> impl Iterator<Item = &'static str> {
    let here = SETTINGS.iter().filter(move |known| known.scope == scope);
    here.map(|known| known.key).filter(|key| !key.ends_with('*'))
}

/// The candidate most like `name`, whatever its case, if one is like it at all.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = |c: &str| strsim::normalized_damerau_levenshtein(&name, &c.to_lowercase());
    let scored = candidates.map(|candidate| (likeness(candidate), candidate));
    let near = scored.filter(|(likeness, _)| *likeness >= SUGGEST_FROM);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// Does a key of this name hold what must not be shown? Also true of likely misspellings, for
/// their values stand in the lines that an error shows.
pub fn is_sensitive(key: &str) -> bool {
    let key = key.to_lowercase();
    let marked = ["pass", "pwd", "secret", "token", "credential", "access-key", "access.key"];
    let last = key.rsplit(['.', ' ']).next().unwrap_or_default();
    let misspelt = || strsim::normalized_damerau_levenshtein(last, "password") >= 0.7;
    marked.iter().any(|mark| key.contains(mark)) || last == "pw" || misspelt()
}

/// The text of `docs/configuration.md`.
pub fn render() -> String {
    let mut page = INTRODUCTION.to_owned() + PIPELINES;
    for (scope, title) in
        [(Scope::With, "Options of `EXECUTE CDCSOURCE … WITH (…)`"), (Scope::Set, "`SET` keys")]
    {
        page.push_str(&format!("\n## {title}\n"));
        for (kind, title) in [
            (Kind::Honoured, "Honoured"),
            (Kind::Mapped, "Mapped to the nearest thing here"),
            (Kind::Idle, "Read and checked, without effect yet"),
            (Kind::Accepted, "Accepted, without counterpart"),
            (Kind::Unsupported, "Recognised, not supported yet"),
        ] {
            let rows = SETTINGS.iter().filter(|known| known.scope == scope && known.kind == kind);
            let rows: Vec<_> = rows.map(row).collect();
            if !rows.is_empty() {
                page.push_str(&format!(
                    "\n### {title}\n\n| Key | Default | Meaning |\n|---|---|---|\n"
                ));
                page.push_str(&rows.concat());
            }
        }
    }
    page.push_str(WAREHOUSES);
    for theirs in warehouse::WAREHOUSE {
        page.push_str(&theirs.line());
    }
    let list =
        |names: &[&str]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    page.push_str(&format!(
        "\nOf the headers of a load (`properties.*`, also `sink.properties.*`) these are the sink's own \
         choice and left out: {}. These are refused, for with them rows would arrive changed, twice or not \
         at all: {}.\n",
        list(warehouse::FORM),
        list(warehouse::MEANING),
    ));
    page
}

fn row(known: &SettingDoc) -> String {
    let SettingDoc { key, default, meaning, .. } = known;
    let default = match *default {
        "" => "—".to_owned(),
        prose if prose.contains(' ') => prose.to_owned(),
        value => format!("`{value}`"),
    };
    format!("| `{key}` | {default} | {} |\n", meaning.replace('|', "\\|"))
}

const PIPELINES: &str = r"
## Pipelines in YAML

A file that ends in `.yaml` or `.yml`, or begins with one of the sections, is a job in the form of Flink CDC's pipelines. It means the same as a script, and every mistake is told in the same way, with line and column; there is no `--lenient` for it.

```yaml
source:
  type: mysql
  hostname: db.example.com
  username: replicator
  password: ${env:MYSQL_PASSWORD}
  tables: shop.orders_[0-9]+, crm.\.*
sink:
  type: doris
  fenodes: fe.example.com:8030
  username: root
  password: ${env:DORIS_PASSWORD}
route:
  - source-table: shop.(orders)_[0-9]+
    sink-table: ods.$1
pipeline:
  name: retail/orders
  route-mode: FIRST_MATCH
  execution.checkpointing.interval: 10s
```

- `source`: `type` is `mysql`. `tables` (and `tables.exclude`) is a comma list of patterns in which a dot separates database and table, and `\.` is the dot of regular expressions: the reverse of `table-name`. `scan.startup.mode` is `initial` where it is not given. All other keys are those above, without `source.` in front.
- `sink`: `type` is the connector; the other keys are its options, as behind `sink.` in a script, the naming rules among them. Several sinks are a list, which is known here only.
- `route`: tables that match `source-table` (patterns as in `tables`) go to `sink-table`, `database.table`, in which `$1` is what the first group matched; or, with `replace-symbol`, every such symbol is the table's name. Tables that no route matches follow the sink's naming rules. `pipeline: route-mode` is `ALL_MATCH` (the default) or `FIRST_MATCH`; a sink writes a table once, so with `ALL_MATCH` a table with several targets is refused when it is taken up.
- `transform`: `source-table`, `projection`, `filter`, `primary-keys`, `description`: see [transforms.md](transforms.md). `partition-keys`, `table-options` and `converter-after-transform` are refused.
- `pipeline`: `name`, `parallelism`, `local-time-zone`, `execution.runtime-mode`, `route-mode`, `schema.change.behavior` (for every sink with tables that does not say so itself), and every `SET` key below. `schema-operator.rpc-timeout`, `operator.uid.prefix`, `schema.operator.uid`, `sink.partitioning.strategy` and `transform.decimal.precision.mode` do nothing. `user-defined-function` and `model` are refused.
- `--set` names a key by its section (`--set source.hostname=…`, `--set pipeline.name=…`, `--set sink.fenodes=…`) or as in a script.
";

const WAREHOUSES: &str = "
## Options of other engines' Doris and StarRocks sinks

The options of `doris` and `starrocks` themselves are in [warehouses.md](warehouses.md). Scripts of Dinky and pipelines of Flink CDC name some of them otherwise, and carry more, which are listed here without the first `sink.` (`sink.sink.max-retries` in a script, `sink.max-retries` in a pipeline). Given both ways, an option is refused. `table.identifier` of `doris`, and `database-name` and `table-name` of `starrocks`, have the last word on where tables go; in them `#{schemaName}` and `#{tableName}` are the names that all other rules gave.

| Theirs | Sink | Here |
|---|---|---|
";

const INTRODUCTION: &str = r"# Configuration

Every key that a job may carry. This page is generated from `engine/job/src/settings.rs` and the tables beside it:

```text
cargo run -p job --example configuration > docs/configuration.md
```

A script is a list of `SET` statements and one `EXECUTE CDCSOURCE` statement, each ended by a `;` at the end of its line:

```sql
SET execution.checkpointing.interval = 10s;
EXECUTE CDCSOURCE orders WITH (
  'connector' = 'mysql-cdc',
  'hostname' = 'db.example.com',
  'port' = '3306',
  'username' = 'replicator',
  'password' = '${env:MYSQL_PASSWORD}',
  'scan.startup.mode' = 'initial',
  'table-name' = 'shop\.orders_[0-9]+',
  'sink.connector' = 'print'
);
```

- A key that is not on this page is an error with its line, its column and the nearest known key; so is everything else that Dinky drops in silence: a missing comma, a key or value without single quotes, a key given twice, a mistyped mode. With `--lenient` such a script runs as it would on Dinky, and each of these becomes a warning.
- Keys without effect yet, and those without a counterpart here, are accepted and named once in the log.
- `--set K=V` on the command line wins over the script, for `SET` keys, for options and for variables.
- `name := text;` defines a variable, `${name}` uses it. `${env:NAME}` and `${file:PATH}` in a value stand for an environment variable and for the content of a file (without its last line end); they are put in after the script has been read, so that no secret can change its meaning.
- Durations are an integer and a unit (`d`, `h`, `min`, `s`, `ms`, `us`, `ns`), without a unit milliseconds: `600000`, `20s`, `10 min`. Names of modes may be written in any case.
- Order of precedence: `--set`, the options of the statement, `SET`, the default.
";

#[cfg(test)]
mod tests;
