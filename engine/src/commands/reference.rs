//! Which snapshot a user means.

use std::convert::Infallible;
use std::path::Path;
use std::str::FromStr;

use model::checkpoint::Listed;
use model::{Checkpoint, CheckpointId};
use state::format::{self, Outline, Place};
use state::savepoint::Imported;

use super::{Usage, named_or_only};
use crate::cli::StateArg;
use crate::error::chain;

/// A snapshot of a job's state, or one that was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The newest valid one, of either kind.
    Latest,
    Earliest,
    Id(CheckpointId),
    /// Path or URL of an exported snapshot.
    Path(String),
}

impl FromStr for Reference {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "latest" => Self::Latest,
            "earliest" => Self::Earliest,
            other => match other.parse() {
                Ok(id) => Self::Id(id),
                Err(_) => Self::Path(other.to_owned()),
            },
        })
    }
}

/// A snapshot that was found, read and verified.
pub(super) struct Found {
    /// Where it rests, as a user names it.
    pub(super) place: String,
    pub(super) checkpoint: Checkpoint,
    pub(super) outline: Outline,
    /// Bytes of the snapshot.
    pub(super) size: u64,
}

impl Reference {
    /// Reads what it names. `job` and `state` say which job's, of a snapshot that was not exported.
    ///
    /// # Errors
    /// There is no such snapshot, it is damaged, or the newest one is.
    pub(super) async fn find(&self, job: Option<&str>, state: &StateArg) -> anyhow::Result<Found> {
        if let Self::Path(path) = self {
            return exported(path).await;
        }
        let named = named_or_only(job, state).await?;
        let store = state::open_read_only(&named.state, &named.job)?;
        let checkpoint = match self {
            Self::Id(id) => store.get(*id).await?,
            Self::Latest | Self::Earliest | Self::Path(_) => {
                self.choose(&store.list().await?, &named.job)?
            }
        };
        let (id, place) = (checkpoint.id.to_string(), named.state.to_string());
        let bytes = store.bytes(checkpoint.id).await?;
        let at = Place { store: &place, job: &named.job, id: &id };
        let outline = format::outline(&bytes, at)?;
        let size = bytes.len() as u64;
        Ok(Found { place, checkpoint, outline, size })
    }

    /// The newest, or the oldest valid one.
    fn choose(&self, listed: &[Listed], job: &str) -> anyhow::Result<Checkpoint> {
        let newest = state::newest(listed);
        let none = || Usage(format!("job {job} has no snapshot that can be restored"));
        if *self == Self::Earliest {
            let valid = listed.iter().filter_map(|l| l.content.as_ref().ok());
            return Ok(valid.min_by_key(|c| c.id).ok_or_else(none)?.clone());
        }
        if let (Some((id, why)), Some(valid)) = (newest.damaged.first(), newest.checkpoint) {
            let (why, older) = (chain(*why), valid.id);
            let what = format!("the newest snapshot, {id}, cannot be restored ({why})");
            return Err(Usage(format!("{what}; the newest valid one is {older}: name that")).into());
        }
        Ok(newest.checkpoint.ok_or_else(none)?.clone())
    }
}

async fn exported(path: &str) -> anyhow::Result<Found> {
    if !path.contains('/') && !Path::new(path).exists() {
        let what = "is no snapshot: expected an id, `latest`, `earliest`, or a path or URL";
        return Err(Usage(format!("`{path}` {what}")).into());
    }
    let imported = state::savepoint::read(path).await?;
    let Imported { checkpoint, outline, size, .. } = imported;
    Ok(Found { place: path.to_owned(), checkpoint, outline, size })
}

#[cfg(test)]
mod tests {
    use model::conformance::samples;
    use model::{BarrierKind, StoreError};

    use super::*;

    #[test]
    fn a_reference_is_an_id_a_word_or_a_path() {
        for (text, expect) in [
            ("17", Reference::Id(CheckpointId(17))),
            ("latest", Reference::Latest),
            ("earliest", Reference::Earliest),
            ("./17", Reference::Path("./17".to_owned())),
            ("s3://b/p/savepoint-emp-7", Reference::Path("s3://b/p/savepoint-emp-7".to_owned())),
            ("-1", Reference::Path("-1".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(expect), "{text}");
        }
    }

    fn listed(id: u64, is_valid: bool) -> Listed {
        let damaged = StoreError::Damaged {
            store: "rocksdb://s".into(),
            job: "emp".into(),
            id: id.to_string(),
            what: "torn".into(),
        };
        let valid = samples::checkpoint("emp", id, BarrierKind::Checkpoint);
        let content = if is_valid { Ok(valid) } else { Err(damaged) };
        Listed { id: CheckpointId(id), size: 1, content }
    }

    #[test]
    fn latest_never_goes_back_past_a_damaged_one_in_silence() {
        let id = |reference: Reference, list: &[Listed]| {
            reference.choose(list, "emp").map(|c| c.id.0).map_err(|e| e.to_string())
        };
        let fine = [listed(3, true), listed(2, true), listed(1, true)];
        assert_eq!(id(Reference::Latest, &fine), Ok(3));
        assert_eq!(id(Reference::Earliest, &fine), Ok(1));
        let torn = [listed(3, false), listed(2, true), listed(1, false)];
        let error = id(Reference::Latest, &torn).unwrap_err();
        assert!(error.contains("3, cannot be restored") && error.contains("is 2"), "{error}");
        assert_eq!(id(Reference::Earliest, &torn), Ok(2));
        assert!(id(Reference::Latest, &[]).unwrap_err().contains("has no snapshot"));
    }
}
