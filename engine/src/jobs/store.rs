//! The records of jobs in the registry, scripts sealed.
//!
//! Keys: `job/NAME`; `script/NAME`, a zero byte and the version, so that no name is the beginning of
//! another.

use model::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use state::{Registry, Writes};

use super::record::{Record, Text};
use crate::api::Version;
use crate::serve::seal::{SealError, Sealer};

const JOB: &str = "job/";
const SCRIPT: &str = "script/";
/// A script may have 1 MiB.
const TEXTS_AT_A_TIME: usize = 4;
/// Versions of one script that are kept; the oldest go.
const VERSIONS_MAX: u32 = 200;

#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the script of job `{job}`, version {number}, cannot be opened")]
    Sealed {
        job: String,
        number: u32,
        #[source]
        source: SealError,
    },
    #[error("record `{key}` of the registry cannot be read: {why}")]
    Unreadable { key: String, why: String },
    #[error("job `{job}` has no version {number} of its script")]
    NoVersion { job: String, number: u32 },
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) registry: Registry,
    pub(super) sealer: Sealer,
}

impl Store {
    pub(super) async fn jobs(&self) -> Result<Vec<Record>, KeepError> {
        let records = self.registry.ascending(JOB, JOB, usize::MAX).await?;
        records.iter().map(|(key, value)| read(key, value)).collect()
    }

    pub(super) async fn put(&self, record: &Record) -> Result<(), KeepError> {
        let (key, value) = kept(record)?;
        Ok(self.registry.write(Writes::default().put(key, value)).await?)
    }

    /// The record and a new version, both or neither.
    pub(super) async fn put_version(&self, record: &Record, text: &Text) -> Result<(), KeepError> {
        let (key, value) = kept(record)?;
        let number = text.version.number;
        let place = script_key(&record.name, number);
        let bytes = json(&place, text)?;
        let sealed = self.sealer.seal(&bytes, &place);
        let sealed = sealed.map_err(|source| KeepError::Sealed {
            job: record.name.clone(),
            number,
            source,
        })?;
        let mut writes = Writes::default().put(key, value).put(place, sealed);
        if let Some(old) = number.checked_sub(VERSIONS_MAX) {
            writes = writes.remove(script_key(&record.name, old));
        }
        Ok(self.registry.write(writes).await?)
    }

    pub(super) async fn text(&self, job: &str, number: u32) -> Result<Text, KeepError> {
        let key = script_key(job, number);
        let sealed = self.registry.get(key.clone()).await?;
        let sealed = sealed.ok_or_else(|| KeepError::NoVersion { job: job.to_owned(), number })?;
        self.opened(job, number, &key, &sealed)
    }

    /// Newest first; a few texts at a time are in memory.
    pub(super) async fn versions(&self, job: &str) -> Result<Vec<Version>, KeepError> {
        let prefix = script_prefix(job);
        let (mut versions, mut below) = (Vec::new(), [&*prefix, &[0xff; 5]].concat());
        loop {
            let page =
                self.registry.descending(prefix.clone(), below.clone(), TEXTS_AT_A_TIME).await?;
            let Some((last, _)) = page.last() else { return Ok(versions) };
            below.clone_from(last);
            for (key, sealed) in &page {
                let number = key.get(prefix.len()..).and_then(|n| n.try_into().ok());
                let number = number.map_or(0, u32::from_be_bytes);
                versions.push(self.opened(job, number, key, sealed)?.version);
            }
        }
    }

    pub(super) async fn remove(&self, job: &str) -> Result<(), KeepError> {
        let prefix = script_prefix(job);
        let (mut writes, mut from) = (Writes::default().remove(job_key(job)), prefix.clone());
        loop {
            let page = self.registry.ascending(prefix.clone(), from, TEXTS_AT_A_TIME).await?;
            let Some((last, _)) = page.last() else { break };
            from = [&**last, &[0]].concat();
            for (key, _) in page {
                writes = writes.remove(key);
            }
        }
        Ok(self.registry.write(writes).await?)
    }

    fn opened(&self, job: &str, number: u32, key: &[u8], sealed: &[u8]) -> Result<Text, KeepError> {
        let bytes = self.sealer.unseal(sealed, key);
        let bytes =
            bytes.map_err(|source| KeepError::Sealed { job: job.to_owned(), number, source })?;
        read(key, &bytes)
    }
}

fn job_key(job: &str) -> Vec<u8> {
    [JOB, job].concat().into_bytes()
}

fn script_prefix(job: &str) -> Vec<u8> {
    [SCRIPT.as_bytes(), job.as_bytes(), &[0]].concat()
}

fn script_key(job: &str, number: u32) -> Vec<u8> {
    [&*script_prefix(job), &number.to_be_bytes()].concat()
}

fn kept(record: &Record) -> Result<(Vec<u8>, Vec<u8>), KeepError> {
    let key = job_key(&record.name);
    let value = json(&key, record)?;
    Ok((key, value))
}

fn json(key: &[u8], value: &impl Serialize) -> Result<Vec<u8>, KeepError> {
    serde_json::to_vec(value).map_err(|error| unreadable(key, &error))
}

fn read<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, KeepError> {
    serde_json::from_slice(value).map_err(|error| unreadable(key, &error))
}

fn unreadable(key: &[u8], error: &serde_json::Error) -> KeepError {
    KeepError::Unreadable {
        key: String::from_utf8_lossy(key).escape_debug().to_string(),
        // Without what it found there, which may be a secret.
        why: format!("{:?} error at {}:{}", error.classify(), error.line(), error.column()),
    }
}
