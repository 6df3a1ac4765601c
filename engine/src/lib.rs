//! The engine: a job's source, pipeline, checkpoints and commands.

pub mod alerts;
pub mod api;
pub mod checkpoint;
pub mod cli;
pub mod client;
pub mod commands;
pub mod control;
pub mod daemon;
pub mod error;
pub mod hosts;
pub mod http;
pub mod jobs;
pub mod lag;
pub mod logging;
pub mod meters;
pub mod metrics;
pub mod pipeline;
pub mod progress;
pub mod serve;
pub mod source;
pub mod supervisor;
pub mod transform;
pub mod verify;
