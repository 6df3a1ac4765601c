//! `print`: the changelog on standard output, for people and for pipes.
//!
//! What was printed cannot be taken back, so preparing is flushing: exact across a savepoint stop
//! (everything printed lies before the savepoint), at least once after a crash.

use std::io::{self, Write};
use std::sync::Arc;

use async_trait::async_trait;
use model::sink::SinkToken;
use model::{Barrier, Batch, Sink, SinkError};

use crate::blocking::Blocking;
use crate::config::{ConfigError, OptionDoc, Options};
use crate::format::Encoder;
use crate::{SinkContext, format};

/// Bytes held back before they are written.
const WRITE_BYTES: usize = 64 << 10;

pub(crate) const OPTIONS: &[OptionDoc] = &[OptionDoc {
    name: "format",
    default: "changelog",
    required: false,
    doc: "changelog or debezium-json",
}];

type Output = Box<dyn Write + Send>;

pub(crate) struct Print {
    encoder: Box<dyn Encoder>,
    buffer: Vec<u8>,
    output: Blocking<(Output, String)>,
}

impl Print {
    pub(crate) fn open(options: &Options<'_>, context: &SinkContext) -> Result<Self, ConfigError> {
        let encoder = format::encoder(options.format()?, context);
        Ok(Self::new(encoder, &context.sink_name, (context.screen)()))
    }

    fn new(encoder: Box<dyn Encoder>, sink: &str, output: Output) -> Self {
        let output = Blocking::new(sink, (output, sink.to_owned()));
        Self { encoder, buffer: Vec::new(), output }
    }

    async fn show(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::take(&mut self.buffer);
        self.buffer = self
            .output
            .start(full, |(output, sink), bytes| {
                output.write_all(bytes).map_err(|error| refused(sink, error))
            })
            .await?;
        Ok(())
    }
}

#[async_trait]
impl Sink for Print {
    /// Nothing to set back: what was printed stays printed.
    async fn restore(&mut self, _token: Option<&SinkToken>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn write(&mut self, batch: Arc<Batch>) -> Result<(), SinkError> {
        for item in &batch.items {
            self.encoder.item(item, &mut self.buffer)?;
            if self.buffer.len() >= WRITE_BYTES {
                self.show().await?;
            }
        }
        Ok(())
    }

    async fn prepare(&mut self, _barrier: &Barrier) -> Result<SinkToken, SinkError> {
        self.flush().await?;
        Ok(b"{}".to_vec())
    }

    async fn commit(&mut self, _token: &SinkToken) -> Result<(), SinkError> {
        Ok(())
    }

    fn rewinds(&self) -> bool {
        false
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.show().await?;
        self.output.run(|(output, sink)| output.flush().map_err(|error| refused(sink, error))).await
    }
}

fn refused(sink: &str, error: io::Error) -> SinkError {
    let sink = sink.to_owned();
    if error.kind() == io::ErrorKind::BrokenPipe {
        let what = "standard output was closed by its reader".to_owned();
        return SinkError::Definite { sink, what };
    }
    let what = "cannot write to standard output".to_owned();
    SinkError::Transient { sink, what, source: Some(error) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use model::conformance::sink::{FarSide, Guarantee, Visibility, keeps_its_promises};

    use super::*;
    use crate::format::Format;
    use crate::testing::{barrier, batch, context, numbers};

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[async_trait]
    impl FarSide for Screen {
        fn visibility(&self) -> Visibility {
            Visibility::OnWrite
        }

        fn guarantee(&self) -> Guarantee {
            Guarantee::AtLeastOnce
        }

        async fn open(&mut self) -> Box<dyn Sink> {
            Box::new(print(self.clone()))
        }

        async fn visible(&mut self) -> Vec<i64> {
            let shown = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let ids = shown.lines().map(|line| {
                let values = line.strip_prefix("shop.items> +I[").unwrap();
                values.split_once(',').unwrap().0.parse().unwrap()
            });
            ids.collect()
        }
    }

    #[tokio::test]
    async fn the_print_sink_keeps_its_promises() {
        keeps_its_promises(Screen::default).await;
    }

    fn print(output: impl Write + Send + 'static) -> Print {
        let encoder = format::encoder(Format::Changelog, &context());
        Print::new(encoder, "sink[0]", Box::new(output))
    }

    #[tokio::test]
    async fn what_was_written_is_on_the_screen_after_a_flush_and_after_a_prepare() {
        let screen = Screen::default();
        let mut sink = print(screen.clone());
        let shown = || String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        sink.restore(None).await.unwrap();
        sink.write(batch(vec![numbers(&[1])])).await.unwrap();
        sink.flush().await.unwrap();
        assert_eq!(shown(), "shop.t> +I[1]\n");
        sink.write(batch(vec![numbers(&[2, 3])])).await.unwrap();
        sink.prepare(&barrier(1)).await.unwrap();
        assert_eq!(shown(), "shop.t> +I[1]\nshop.t> +I[2]\nshop.t> +I[3]\n");
    }

    #[tokio::test]
    async fn much_output_comes_in_order_without_a_flush() {
        let screen = Screen::default();
        let mut sink = print(screen.clone());
        let all: Vec<i64> = (0..20_000).collect();
        for some in all.chunks(100) {
            sink.write(batch(vec![numbers(some)])).await.unwrap();
        }
        sink.flush().await.unwrap();
        let expected: String = all.iter().map(|n| format!("shop.t> +I[{n}]\n")).collect();
        assert!(screen.0.lock().unwrap().as_slice() == expected.as_bytes());
    }

    #[tokio::test]
    async fn a_reader_that_went_away_is_a_definite_error() {
        let mut sink = print(Closed);
        sink.write(batch(vec![numbers(&[1])])).await.unwrap();
        let error = sink.flush().await.unwrap_err();
        assert!(matches!(error, SinkError::Definite { .. }), "{error:?}");
        assert_eq!(error.to_string(), "sink[0]: standard output was closed by its reader");
    }
}
