//! Loads that a run left behind: neither HTTP interface can list them.

use super::super::Staged;
use super::super::error::ClientError;
use super::super::reply::LabelState;
use super::super::wire::Wire;
use super::{LABELS, Table, from, text};
use crate::warehouse::system::System;

impl Wire {
    /// Under way, or durable and invisible.
    pub(in super::super) async fn unfinished(
        &self,
        db: &str,
        prefix: &str,
    ) -> Result<Vec<Staged>, ClientError> {
        let doing = format!("the list of unfinished loads of database `{db}`");
        let listed = match self.system {
            System::Doris => {
                if !self.databases().await?.iter().any(|name| name == db) {
                    return Ok(Vec::new());
                }
                // `_` stands for any sign there; what fits by that alone is left out below.
                let like = text(&format!("{prefix}%"));
                let statement = format!("{LABELS} {} WHERE label LIKE {like}", from(db));
                self.rows(&doing, &statement).await?
            }
            System::StarRocks => {
                let databases = self.rows(&doing, "SHOW PROC '/transactions'").await?;
                let Some(id) = id_of(&databases, db) else { return Ok(Vec::new()) };
                let statement = format!("SHOW PROC '/transactions/{id}/running'");
                self.rows(&doing, &statement).await?
            }
        };
        let ours = listed.records().filter_map(|row| {
            let label = row.get("Label").filter(|label| label.starts_with(prefix))?;
            let state = LabelState::parse(row.get("TransactionStatus")?)?;
            matches!(state, LabelState::Prepare | LabelState::Staged).then(|| Staged {
                db: db.to_owned(),
                table: String::new(),
                label: label.to_owned(),
                txn: row.get("TransactionId").and_then(|id| id.parse().ok()),
            })
        });
        Ok(ours.collect())
    }
}

/// Older versions write the cluster before the name of a database.
fn id_of(databases: &Table, db: &str) -> Option<u64> {
    let named =
        |name: &str| name == db || name.rsplit_once(':').is_some_and(|(_, name)| name == db);
    let mut rows = databases.records();
    rows.find(|row| row.get("DbName").is_some_and(named))?.get("DbId")?.parse().ok()
}
