//! What a script may ask of the world around it, as a port, so that reading stays pure.

use std::io;

/// Answers `${env:NAME}`, `${file:PATH}` and which options a sink has.
pub trait Surroundings {
    fn env(&self, name: &str) -> Option<String>;

    /// # Errors
    /// Whatever reading the file gave.
    fn file(&self, path: &str) -> io::Result<String>;

    /// Whose environment and files they are, where these are not those of whoever wrote the script.
    fn whose(&self) -> Option<&'static str> {
        None
    }

    /// Names of the options of a connector, without the `sink.` prefix. `None`: unknown here, so
    /// the sink itself checks them.
    fn sink_options(&self, _connector: &str) -> Option<Vec<String>> {
        None
    }
}

/// The environment and the files of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process;

impl Surroundings for Process {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}
