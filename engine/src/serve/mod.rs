//! The daemon: `seachange serve`.

pub mod access;
