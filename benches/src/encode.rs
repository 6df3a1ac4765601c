//! Encoders as a sink has them, with a clock that stands.

use std::sync::Arc;

use model::Clock;
use sinks::SinkContext;
use sinks::format::{Encoder, Format};

struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> i64 {
        1_700_000_000_123
    }
}

/// The encoder of a sink that has no options.
#[must_use]
pub fn encoder(format: Format) -> Box<dyn Encoder> {
    let context = SinkContext {
        routes: model::Routes::default(),
        source_column: None,
        watcher: sinks::Watcher::default(),
        mode: model::CheckpointMode::ExactlyOnce,
        job: "bench".to_owned(),
        sink_name: "sink[0]".to_owned(),
        time_zone: model::TimeZone::Utc,
        clock: Arc::new(Stopped),
        screen: sinks::standard_output(),
    };
    sinks::format::encoder(format, &context)
}
