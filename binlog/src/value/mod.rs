//! Values as the binlog writes them.

mod charset;
pub(crate) mod compressed;
pub(crate) mod fixed;
pub(crate) mod json;
pub(crate) mod numeric;
pub(crate) mod slot;
pub(crate) mod temporal;

pub use charset::Charset;
pub(crate) use charset::utf8;
