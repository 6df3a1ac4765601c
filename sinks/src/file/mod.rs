//! `file`: the changelog of all tables, in stream order, as part files of one directory.
//!
//! Exactly once: a checkpoint holds the part being written and its length at the barrier, and a
//! restore cuts everything behind that. Between checkpoints the parts show changes that a restore
//! may cut and write again; up to the length of the newest checkpoint they are final.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use model::sink::SinkToken;
use model::{Barrier, Batch, Sink, SinkError};

use crate::SinkContext;
use crate::blocking::Blocking;
use crate::config::{ConfigError, OptionDoc, Options};
use crate::format::Encoding;

mod owner;
mod parts;
#[cfg(test)]
mod tests;

use parts::Parts;

/// Bytes encoded before they are written.
const WRITE_BYTES: usize = 1 << 20;

pub(crate) const OPTIONS: &[OptionDoc] = &[
    OptionDoc {
        name: "path",
        default: "",
        required: true,
        doc: "directory of the part files, created if missing",
    },
    OptionDoc {
        name: "format",
        default: "debezium-json",
        required: false,
        doc: "debezium-json or changelog",
    },
    OptionDoc {
        name: "roll.bytes",
        default: "128mb",
        required: false,
        doc: "size at which the next part begins; a record is never split",
    },
];

/// What a job wants of its directory.
#[derive(Debug, Clone)]
struct Settings {
    sink: String,
    job: String,
    directory: PathBuf,
    extension: &'static str,
    roll_bytes: u64,
}

pub(crate) struct FileSink {
    settings: Settings,
    encoding: Encoding,
    buffer: Vec<u8>,
    /// From `check` or `restore` on.
    parts: Option<Blocking<Parts>>,
}

impl FileSink {
    pub(crate) fn open(options: &Options<'_>, context: &SinkContext) -> Result<Self, ConfigError> {
        let format = options.format()?;
        let encoding = Encoding::new(format, context);
        let settings = Settings {
            sink: context.sink_name.clone(),
            job: context.job.clone(),
            directory: PathBuf::from(options.text("path")?),
            extension: format.extension(),
            roll_bytes: options.size("roll.bytes")?,
        };
        Ok(Self { settings, encoding, buffer: Vec::new(), parts: None })
    }

    /// The directory, which is ours from here on.
    async fn claimed(&mut self) -> Result<&mut Blocking<Parts>, SinkError> {
        let parts = match self.parts.take() {
            Some(held) => held,
            None => {
                let mut claim = Blocking::new(&self.settings.sink, self.settings.clone());
                let parts = claim.run(|settings| Parts::claim(settings)).await?;
                Blocking::new(&self.settings.sink, parts)
            }
        };
        Ok(self.parts.insert(parts))
    }

    fn parts(&mut self) -> Result<&mut Blocking<Parts>, SinkError> {
        let sink = &self.settings.sink;
        self.parts.as_mut().ok_or_else(|| SinkError::Definite {
            sink: sink.clone(),
            what: "written to before it was restored".to_owned(),
        })
    }

    /// Takes the lines of the next batch; `false` where there are none.
    async fn take_next(&mut self) -> Result<bool, SinkError> {
        let buffer = &mut self.buffer;
        let taken = self.encoding.next(|lines| {
            if buffer.is_empty() {
                std::mem::swap(buffer, lines);
            } else {
                buffer.extend_from_slice(lines);
            }
        });
        let taken = taken.await?.is_some();
        if self.buffer.len() >= WRITE_BYTES {
            self.hand_over().await?;
        }
        Ok(taken)
    }

    /// Hands the buffer over to be written while the next one fills.
    async fn hand_over(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::take(&mut self.buffer);
        self.buffer = self.parts()?.start(full, Parts::append).await?;
        Ok(())
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn check(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        let token = token.cloned();
        self.claimed().await?.run(move |parts| parts.check(token.as_ref())).await
    }

    async fn restore(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        self.encoding.abandon();
        self.buffer.clear();
        let token = token.cloned();
        let parts = self.claimed().await?;
        parts
            .run(move |parts| match token {
                Some(token) => parts.rewind(&token),
                None => parts.set_aside(),
            })
            .await
    }

    async fn write(&mut self, batch: Arc<Batch>) -> Result<(), SinkError> {
        while !self.encoding.has_room(&batch) {
            self.take_next().await?;
        }
        self.encoding.begin(batch);
        Ok(())
    }

    async fn prepare(&mut self, _barrier: &Barrier) -> Result<SinkToken, SinkError> {
        while self.take_next().await? {}
        self.hand_over().await?;
        self.parts()?.run(Parts::sync).await
    }

    /// Nothing to do: what was prepared is in its place.
    async fn commit(&mut self, _token: &SinkToken) -> Result<(), SinkError> {
        Ok(())
    }

    fn rewinds(&self) -> bool {
        true
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        while self.take_next().await? {}
        self.hand_over().await?;
        self.parts()?.run(|_| Ok(())).await
    }
}
