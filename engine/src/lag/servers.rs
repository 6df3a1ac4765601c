//! Servers that are asked how far their binlog goes: one connection to each, whoever wants to know.

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use binlog::reader::BinlogError;
use binlog::server::{BinaryLog, Server, SourceOptions, connect};
use model::{BinlogPosition, Gtids};
use mysql_async::Conn;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

/// So many are asked at the same time at most.
pub const SERVERS_ASKED_AT_ONCE: usize = 8;
/// How long a server has to answer, with the connection and the login.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// One that did not answer is left alone for this long.
const REST: Duration = Duration::from_secs(15);
/// One that nobody has asked about for so long is forgotten, with its connection.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

/// What a server says of its binlog.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    pub end: BinlogPosition,
    /// Oldest first.
    pub files: Vec<BinaryLog>,
    pub executed: Gtids,
    /// Age at which the server purges a file; `None` where it purges none by age.
    pub expires_after: Option<Duration>,
}

/// The servers of all jobs.
#[derive(Debug)]
pub struct Servers {
    period: Duration,
    known: StdMutex<Vec<Known>>,
    turns: Semaphore,
}

#[derive(Debug)]
struct Known {
    options: SourceOptions,
    asked: Instant,
    entry: Arc<Mutex<Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    conn: Option<(Conn, Server)>,
    look: Option<Arc<Look>>,
    /// When it may be asked again.
    due: Option<Instant>,
}

impl Servers {
    /// No server is asked more often than once in `period`.
    pub fn new(period: Duration) -> Arc<Self> {
        let turns = Semaphore::new(SERVERS_ASKED_AT_ONCE);
        Arc::new(Self { period, known: StdMutex::new(Vec::new()), turns })
    }

    /// What the server says, at most a period ago; `None` where it does not answer. Waits for others
    /// that ask, and [`ANSWERS_WITHIN`] for an answer. Cancel-safe.
    pub async fn look(&self, options: &SourceOptions) -> Option<Arc<Look>> {
        let entry = self.entry(options);
        let mut entry = entry.lock().await;
        if entry.due.is_some_and(|due| Instant::now() < due) {
            return entry.look.clone();
        }
        let _turn = self.turns.acquire().await.ok()?;
        // A connection that fails, or whose question is given up, is not used again.
        let conn = entry.conn.take();
        let asked = tokio::time::timeout(ANSWERS_WITHIN, ask(options, conn)).await;
        match asked {
            Ok(Ok((conn, look))) => {
                entry.conn = Some(conn);
                entry.look = Some(Arc::new(look));
                entry.due = Some(Instant::now() + self.period);
            }
            Ok(Err(_)) | Err(_) => {
                entry.look = None;
                entry.due = Some(Instant::now() + REST);
            }
        }
        entry.look.clone()
    }

    fn entry(&self, options: &SourceOptions) -> Arc<Mutex<Entry>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.retain(|server| now - server.asked < FORGOTTEN_AFTER);
        // Jobs differ in the id that they read by, which nothing here is asked by.
        let options = SourceOptions { server_id: 0, ..options.clone() };
        if let Some(server) = known.iter_mut().find(|server| server.options == options) {
            server.asked = now;
            return Arc::clone(&server.entry);
        }
        let entry = Arc::<Mutex<Entry>>::default();
        known.push(Known { options, asked: now, entry: Arc::clone(&entry) });
        entry
    }
}

async fn ask(
    options: &SourceOptions,
    conn: Option<(Conn, Server)>,
) -> Result<((Conn, Server), Look), BinlogError> {
    let (mut conn, server) = match conn {
        Some(known) => known,
        None => {
            let mut conn = connect(options).await?;
            let server = Server::probe(&mut conn).await?;
            (conn, server)
        }
    };
    let end = server.binlog_end(&mut conn).await?;
    let files = server.binary_logs(&mut conn).await?;
    // After the end, so that nobody at the end is told that something is left.
    let executed = server.executed(&mut conn).await?;
    let look = Look { end, files, executed, expires_after: server.binlog_expires_after() };
    Ok(((conn, server), look))
}
