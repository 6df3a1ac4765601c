//! What `seachange serve` has around its jobs: its configuration, its address, who may ask, and what
//! it keeps sealed.

pub mod access;
pub mod config;
pub mod listen;
pub mod notify;
mod rate;
pub mod seal;
pub mod token;
