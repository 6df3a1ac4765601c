//! State and savepoints as objects: in a directory, on S3 and its likes, Google Cloud Storage, Azure
//! and HDFS, through the crate `object_store` (docs/adr/0007-object-storage.md).
//!
//! Under `PREFIX/<directory of the job>/` ([`crate::job_dir`]):
//!
//! * `log/<20 digits>`: snapshots and fences, one sequence ([`store`], [`record`]);
//! * `lease`: that the holder lives ([`lease`]);
//! * `held/<run>-<number>/`: rows of prepared XA transactions that the snapshots name.

mod hold;
mod lease;
mod log;
mod open;
mod owner;
mod read;
mod record;
mod store;
mod url;

pub use open::open;
pub use url::ObjectUrl;

pub(crate) use log::Log;
#[cfg(any(test, feature = "conformance"))]
pub(crate) use open::s3_builder;
pub(crate) use open::{failed, is_missing};
pub(crate) use read::{Reader, jobs};
pub(crate) use record::snapshot as bare_snapshot;
pub(crate) use store::{ObjectLog, Terms};

#[cfg(test)]
mod tests;
