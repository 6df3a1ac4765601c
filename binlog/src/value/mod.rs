//! Values as the binlog writes them.

mod charset;

pub use charset::Charset;
