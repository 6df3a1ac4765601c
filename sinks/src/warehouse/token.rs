//! What the sink leaves in a checkpoint.

use std::collections::BTreeSet;

use model::TableName;
use serde::{Deserialize, Serialize};

use super::client::Staged;
use super::sequence::Epoch;

/// Grows where a later version could not be read by an older one.
const VERSION: u32 = 1;

/// JSON, for people look into checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    version: u32,
    /// To be committed once the checkpoint is stored, those of one table in this order.
    pub staged: Vec<Staged>,
    /// Databases that were written to: leftovers are looked for there.
    pub databases: BTreeSet<String>,
    pub epoch: Epoch,
    /// Tables that tell that names have been changed round, of no use once the checkpoint is stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<TableName>,
}

impl Token {
    pub(crate) fn new(staged: Vec<Staged>, databases: BTreeSet<String>, epoch: Epoch) -> Self {
        Self { version: VERSION, staged, databases, epoch, marks: Vec::new() }
    }

    /// # Errors
    /// What was damaged, or written by a later version.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let token: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("the checkpoint's token is damaged: {error}"))?;
        if token.version > VERSION {
            return Err(format!(
                "the checkpoint's token is of version {}, and this is one that reads up to {VERSION}: \
                 use the newer seachange",
                token.version
            ));
        }
        Ok(token)
    }

    /// # Errors
    /// None in practice: the token is plain data.
    pub(crate) fn write(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| format!("the token cannot be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_it_was_written() {
        let staged = Staged {
            db: "dw".to_owned(),
            table: "emp".to_owned(),
            label: "p_job_emp_7_a_1".to_owned(),
            txn: Some(1001),
        };
        let token = Token::new(vec![staged], ["dw".to_owned()].into(), Epoch::default());
        assert_eq!(Token::read(&token.write().unwrap()), Ok(token));
    }

    #[test]
    fn a_token_that_is_damaged_or_of_a_later_version_is_refused() {
        assert!(Token::read(b"{\"ver").unwrap_err().contains("damaged"));
        let mut token = Token::new(Vec::new(), BTreeSet::new(), Epoch::default());
        token.version = VERSION + 1;
        assert!(Token::read(&token.write().unwrap()).unwrap_err().contains("newer"));
    }
}
