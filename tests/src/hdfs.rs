//! A real HDFS: one name node and one data node, on loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::process::{Guarded, tail};
use crate::server::{free_port, servers_sh};

const START_MAX: Duration = Duration::from_secs(120);
const NODES: [&str; 2] = ["namenode", "datanode"];

/// Its processes die with their owner.
pub struct Hdfs {
    pub port: u16,
    nodes: Vec<Guarded>,
    dir: TempDir,
}

impl Hdfs {
    /// Whether it was fetched: it needs Java, and is not asked of everybody.
    pub fn is_there() -> Result<bool> {
        Ok(servers_sh(&["have", "hdfs"])?.status()?.success())
    }

    /// An empty one.
    ///
    /// # Errors
    /// With the end of its logs.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("seachange-hdfs-").tempdir()?;
        // The name node's pages have the next one.
        let port = free_port()?;
        let (place, text) = (dir.path().to_string_lossy().into_owned(), port.to_string());
        let made = servers_sh(&["init", "hdfs", &place, &text])?.stderr(Stdio::null()).status()?;
        ensure!(made.success(), "no HDFS:\n{}", tail(&dir.path().join("init.log"), 20));
        let mut hdfs = Self { port, nodes: Vec::new(), dir };
        for node in NODES {
            let mut command = servers_sh(&["run", node, &place, &text])?;
            let log = fs::File::create(hdfs.dir.path().join(node))?;
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            command.current_dir(hdfs.dir.path());
            hdfs.nodes.push(Guarded::spawn(&mut command)?);
        }
        let begun = Instant::now();
        while !hdfs.is_up().unwrap_or(false) {
            let mut ended = false;
            for node in &mut hdfs.nodes {
                ended |= node.exit_code()?.is_some();
            }
            if ended || begun.elapsed() > START_MAX {
                bail!("HDFS did not start:\n{}", hdfs.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(hdfs)
    }

    /// The name node takes writes, and knows of the data node.
    fn is_up(&self) -> Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port + 1))?;
        stream.set_read_timeout(Some(START_MAX))?;
        write!(
            stream,
            "GET /jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState HTTP/1.0\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("the name node's answer")?;
        Ok(answer.contains("\"FSState\" : \"Operational\"")
            && answer.contains("\"NumLiveDataNodes\" : 1"))
    }

    /// A place, as `--state` takes it.
    pub fn url(&self, path: &str) -> String {
        format!("hdfs://127.0.0.1:{}/{path}", self.port)
    }

    pub fn log_tail(&self) -> String {
        NODES.map(|node| tail(&self.dir.path().join(node), 10)).concat()
    }
}
