//! `seachange versions`: what a job's script was and is.

use similar::TextDiff;

use super::client;
use super::present::{Listing, known, time};
use crate::cli::VersionsArgs;
use crate::commands::show;

pub(super) async fn versions(args: &VersionsArgs) -> anyhow::Result<()> {
    let client = client(&args.ask)?;
    if let Some([older, newer]) = args.diff.as_deref() {
        let (a, b) =
            (client.version(&args.job, *older).await?, client.version(&args.job, *newer).await?);
        return Ok(show(diff((*older, &a.value.script), (*newer, &b.value.script)))?);
    }
    if let Some(number) = args.number {
        let version = client.version(&args.job, number).await?;
        let text = if args.ask.json { &version.json } else { &version.value.script };
        return Ok(show(text.trim_end_matches('\n'))?);
    }
    let found = client.versions(&args.job).await?;
    if args.ask.json {
        return Ok(show(&found.json)?);
    }
    let rows = found.value.versions.iter().map(|version| {
        [
            version.number.to_string(),
            time(Some(version.at_ms)),
            known(version.by.as_ref().filter(|by| *by != "-")),
            version.note.clone(),
        ]
    });
    let header = ["version", "written", "by", "note"];
    Ok(Listing { header, rows: rows.collect(), nothing: "no versions" }.show()?)
}

/// As `diff -u` writes it.
fn diff(older: (u32, &str), newer: (u32, &str)) -> String {
    let names = [older.0, newer.0].map(|number| format!("version {number}"));
    let [from, to] = &names;
    let found = TextDiff::from_lines(older.1, newer.1);
    let text = found.unified_diff().header(from, to).to_string();
    if text.is_empty() {
        return format!("{from} and {to} are the same, as far as they are shown: secrets are not");
    }
    text.trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn versions_are_compared_line_by_line() {
        let (a, b) = ("SET a = 1;\nSET b = 2;\n", "SET a = 1;\nSET b = 3;\n");
        let expected =
            "--- version 1\n+++ version 2\n@@ -1,2 +1,2 @@\n SET a = 1;\n-SET b = 2;\n+SET b = 3;";
        assert_eq!(diff((1, a), (2, b)), expected);
        assert!(diff((1, a), (2, a)).starts_with("version 1 and version 2 are the same"));
    }
}
