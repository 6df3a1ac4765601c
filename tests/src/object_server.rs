//! A real server that speaks S3 (moto, in memory), on loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::process::{Guarded, tail};
use crate::server::{free_port, servers_sh};

const BUCKET: &str = "seachange";
const START_MAX: Duration = Duration::from_secs(60);
/// Whom it takes for somebody: it asks for no more.
pub const CREDENTIALS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "seachange"), ("AWS_SECRET_ACCESS_KEY", "secret")];

/// It dies with its owner, and all that it held with it.
pub struct ObjectServer {
    pub port: u16,
    process: Guarded,
    dir: TempDir,
}

impl ObjectServer {
    /// With one empty bucket.
    ///
    /// # Errors
    /// Also where it was never fetched.
    pub async fn start() -> Result<Self> {
        let there = servers_sh(&["have", "moto"])?.status()?.success();
        ensure!(there, "no S3 server here: run `scripts/servers.sh fetch moto`");
        let dir = tempfile::Builder::new().prefix("seachange-s3-").tempdir()?;
        let port = free_port()?;
        let place = dir.path().to_string_lossy().into_owned();
        let mut command = servers_sh(&["run", "moto", &place, &port.to_string()])?;
        let out = fs::File::create(dir.path().join("out"))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        // What is left running after all tests is known by its directory.
        command.current_dir(dir.path());
        let mut server = Self { port, process: Guarded::spawn(&mut command)?, dir };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.process.exit_code()?.is_some();
            if ended || begun.elapsed() > START_MAX {
                bail!("moto did not start:\n{}", server.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server.make_bucket()?;
        Ok(server)
    }

    /// A place in the bucket, as `--state` takes it.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}?endpoint=http://127.0.0.1:{}&region=us-east-1", self.port)
    }

    /// Stands still until [`ObjectServer::go_on`], as a store that does not answer.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn stand_still(&self) -> Result<()> {
        self.process.signal("STOP")
    }

    /// # Errors
    /// Where it has ended.
    pub fn go_on(&self) -> Result<()> {
        self.process.signal("CONT")
    }

    fn make_bucket(&self) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(START_MAX))?;
        write!(
            stream,
            "PUT /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n",
            self.port
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("moto's answer")?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "no bucket: {answer}");
        Ok(())
    }

    pub fn log_tail(&self) -> String {
        tail(&self.place().join("out"), 20)
    }

    fn place(&self) -> &Path {
        self.dir.path()
    }
}
