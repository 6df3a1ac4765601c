//! The commands of one connection.

use std::collections::HashMap;
use std::io;

use bytes::BufMut as _;
use mysql_common::constants::Command;
use tokio::net::TcpStream;

use crate::cluster::Cluster;
use crate::ddl::SqlError;

use super::answer::{Answer, Encoding};
use super::parameters::{self, Prepared};
use super::session::Session;
use super::wire::Wire;
use super::{answer, greeting};

const QUIT: u8 = Command::COM_QUIT as u8;
const QUERY: u8 = Command::COM_QUERY as u8;
const INIT_DB: u8 = Command::COM_INIT_DB as u8;
const FIELD_LIST: u8 = Command::COM_FIELD_LIST as u8;
const PING: u8 = Command::COM_PING as u8;
const STMT_PREPARE: u8 = Command::COM_STMT_PREPARE as u8;
const STMT_EXECUTE: u8 = Command::COM_STMT_EXECUTE as u8;
const STMT_SEND_LONG_DATA: u8 = Command::COM_STMT_SEND_LONG_DATA as u8;
const STMT_CLOSE: u8 = Command::COM_STMT_CLOSE as u8;
const STMT_RESET: u8 = Command::COM_STMT_RESET as u8;
const RESET_CONNECTION: u8 = Command::COM_RESET_CONNECTION as u8;

/// Serves a client until it leaves.
pub(super) async fn serve(stream: TcpStream, cluster: Cluster, id: u32) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = Wire::new(stream);
    let Some(session) = greeting::greet(&mut wire, &cluster, id).await? else { return Ok(()) };
    let mut connection = Connection { wire, session, prepared: HashMap::new(), last: 0 };
    loop {
        connection.wire.begin_command();
        let Some(packet) = connection.wire.receive().await? else { return Ok(()) };
        let Some((command, payload)) = packet.split_first() else { return Ok(()) };
        if *command == QUIT {
            return Ok(());
        }
        connection.execute(*command, payload).await?;
        connection.wire.flush().await?;
    }
}

struct Connection {
    wire: Wire,
    session: Session,
    prepared: HashMap<u32, Prepared>,
    last: u32,
}

impl Connection {
    async fn execute(&mut self, command: u8, payload: &[u8]) -> io::Result<()> {
        match command {
            QUERY => {
                let answer = self.run(&String::from_utf8_lossy(payload));
                self.wire.put_answer(&answer, Encoding::Text).await
            }
            INIT_DB => {
                let done = self.session.select_database(&String::from_utf8_lossy(payload));
                self.wire.put_answer(&done.map(|()| Answer::Done), Encoding::Text).await
            }
            STMT_PREPARE => self.prepare(&String::from_utf8_lossy(payload)),
            STMT_EXECUTE => self.execute_prepared(payload).await,
            STMT_SEND_LONG_DATA => {
                self.take_long_data(payload);
                Ok(())
            }
            STMT_CLOSE => {
                if let Some(id) = statement_id(payload) {
                    self.prepared.remove(&id);
                }
                Ok(())
            }
            RESET_CONNECTION => {
                self.prepared.clear();
                self.wire.put_ok()
            }
            PING | STMT_RESET => self.wire.put_ok(),
            // A client that completes names asks; it is content with none.
            FIELD_LIST => self.wire.put_eof(),
            _ => self.wire.put_error(&SqlError {
                code: 1047,
                state: "08S01",
                message: format!("unsupported command({command})"),
            }),
        }
    }

    /// The machine's thread is held meanwhile: a stand-in's data is small.
    fn run(&mut self, sql: &str) -> Result<Answer, SqlError> {
        self.session.run(sql)
    }

    /// The columns of the answer are told when there is one.
    fn prepare(&mut self, sql: &str) -> io::Result<()> {
        let prepared = Prepared::new(sql);
        let parameters = prepared.parameters();
        self.last = self.last.wrapping_add(1);
        self.prepared.insert(self.last, prepared);
        let mut packet = vec![0];
        packet.put_u32_le(self.last);
        packet.put_u16_le(0);
        packet.put_u16_le(u16::try_from(parameters).unwrap_or(u16::MAX));
        packet.put_u8(0);
        packet.put_u16_le(0);
        self.wire.put(&packet)?;
        if parameters == 0 {
            return Ok(());
        }
        let names = vec!["?"; parameters];
        self.wire.put_fields(&answer::Rows::new(&names).fields)
    }

    async fn execute_prepared(&mut self, payload: &[u8]) -> io::Result<()> {
        let found = statement_id(payload).and_then(|id| self.prepared.get_mut(&id));
        let sql = match found {
            Some(prepared) => prepared.bind(payload),
            None => Err(parameters::unknown_statement()),
        };
        let answer = sql.and_then(|sql| self.run(&sql));
        self.wire.put_answer(&answer, Encoding::Binary).await
    }

    fn take_long_data(&mut self, payload: &[u8]) {
        let Some((id, rest)) = payload.split_first_chunk::<4>() else { return };
        let Some((parameter, data)) = rest.split_first_chunk::<2>() else { return };
        if let Some(prepared) = self.prepared.get_mut(&u32::from_le_bytes(*id)) {
            prepared.append(u16::from_le_bytes(*parameter), data);
        }
    }
}

fn statement_id(payload: &[u8]) -> Option<u32> {
    payload.first_chunk::<4>().map(|id| u32::from_le_bytes(*id))
}
