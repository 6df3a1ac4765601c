//! What `seachange serve` has around its jobs: its configuration, its address, who may ask, and what
//! it keeps sealed.

pub mod seal;
