//! `blackhole`: encodes everything and drops it. For benchmarks: what the source and the encoding
//! cost without a destination.

use std::sync::Arc;

use async_trait::async_trait;
use model::sink::SinkToken;
use model::{Barrier, Batch, Sink, SinkError};
use serde::{Deserialize, Serialize};

use crate::SinkContext;
use crate::config::{ConfigError, OptionDoc, Options};
use crate::format::Encoding;

pub(crate) const OPTIONS: &[OptionDoc] = &[OptionDoc {
    name: "format",
    default: "debezium-json",
    required: false,
    doc: "what to encode before dropping it: changelog or debezium-json",
}];

pub(crate) struct Blackhole {
    sink: String,
    encoding: Encoding,
    dropped: Dropped,
}

/// Bytes encoded and dropped since the job began.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Dropped {
    bytes: u64,
}

impl Blackhole {
    pub(crate) fn open(options: &Options<'_>, context: &SinkContext) -> Result<Self, ConfigError> {
        Ok(Self {
            sink: context.sink_name.clone(),
            encoding: Encoding::new(options.format()?, context),
            dropped: Dropped::default(),
        })
    }

    /// Drops the lines of the next batch; `false` where there are none.
    async fn drop_next(&mut self) -> Result<bool, SinkError> {
        let bytes = self.encoding.next(|lines| lines.len() as u64).await?;
        self.dropped.bytes = self.dropped.bytes.saturating_add(bytes.unwrap_or_default());
        Ok(bytes.is_some())
    }

    fn damaged(&self, error: &serde_json::Error) -> SinkError {
        let what = format!("the checkpoint's token is damaged: {error}");
        SinkError::Definite { sink: self.sink.clone(), what }
    }
}

#[async_trait]
impl Sink for Blackhole {
    async fn restore(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        self.encoding.abandon();
        self.dropped = match token {
            Some(token) => serde_json::from_slice(token).map_err(|error| self.damaged(&error))?,
            None => Dropped::default(),
        };
        Ok(())
    }

    async fn write(&mut self, batch: Arc<Batch>) -> Result<(), SinkError> {
        while !self.encoding.has_room(&batch) {
            self.drop_next().await?;
        }
        self.encoding.begin(batch);
        Ok(())
    }

    async fn prepare(&mut self, barrier: &Barrier) -> Result<SinkToken, SinkError> {
        while self.drop_next().await? {}
        tracing::debug!(checkpoint = %barrier.id, bytes = self.dropped.bytes, "dropped so far");
        serde_json::to_vec(&self.dropped).map_err(|error| self.damaged(&error))
    }

    async fn commit(&mut self, _token: &SinkToken) -> Result<(), SinkError> {
        Ok(())
    }

    fn rewinds(&self) -> bool {
        true
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        while self.drop_next().await? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::testing::{barrier, batch, context, numbers};

    #[tokio::test]
    async fn dropped_bytes_are_counted_across_a_restore() {
        let options = BTreeMap::from([("format".to_owned(), "changelog".to_owned())]);
        let mut sink = crate::open("blackhole", &options, context()).unwrap();
        sink.restore(None).await.unwrap();
        sink.write(batch(vec![numbers(&[1, 2])])).await.unwrap();
        let token = sink.prepare(&barrier(1)).await.unwrap();
        assert_eq!(token, br#"{"bytes":28}"#);

        let mut sink = crate::open("blackhole", &options, context()).unwrap();
        sink.restore(Some(&token)).await.unwrap();
        sink.write(batch(vec![numbers(&[3])])).await.unwrap();
        assert_eq!(sink.prepare(&barrier(2)).await.unwrap(), br#"{"bytes":42}"#);
    }
}
