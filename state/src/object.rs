//! State and savepoints as objects: in a directory, on S3 and its likes, Google Cloud Storage, Azure
//! and HDFS, through the crate `object_store`.

mod open;
mod url;

pub use open::open;
pub use url::ObjectUrl;

pub(crate) use open::{failed, is_missing};
