//! The limit of a snapshot: a SELECT whose rows are taken off the socket and not looked at.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use mysql_common::constants::CapabilityFlags as Can;
use mysql_common::packets::{AuthPlugin, HandshakeResponse};
use mysql_common::proto::MySerialize;

use crate::measure::Run;

const COM_QUERY: u8 = 0x03;
const OK: u8 = 0x00;
/// Ends a list of columns or rows, where a packet of it is short.
const EOF: u8 = 0xfe;
const ERR: u8 = 0xff;
const BUFFER_BYTES: usize = 256 << 10;

/// Runs `sql` as the root that has no password, in the text protocol, and counts its rows.
pub(crate) fn select(port: u16, sql: &str) -> Result<(Run, u64)> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_nodelay(true)?;
    let mut packets =
        Packets { from: BufReader::with_capacity(BUFFER_BYTES, socket.try_clone()?), head: 0 };
    packets.skip()?;
    send(&mut socket, 1, &login())?;
    loop {
        packets.skip()?;
        match packets.head {
            OK => break,
            // Another method: without a password all answer alike.
            EOF => send(&mut socket, 3, &[])?,
            ERR => bail!("root without a password is refused"),
            _ => {}
        }
    }
    let begun = Instant::now();
    send(&mut socket, 0, &[&[COM_QUERY], sql.as_bytes()].concat())?;
    packets.skip()?;
    ensure!(packets.head != ERR, "`{sql}` is refused");
    let _columns = packets.until_end()?;
    let rows = packets.until_end()?;
    let wall = begun.elapsed().as_secs_f64();
    Ok((Run { wall, cpu: 0.0, peak: 0 }, rows))
}

fn login() -> Vec<u8> {
    let can = Can::CLIENT_PROTOCOL_41 | Can::CLIENT_SECURE_CONNECTION | Can::CLIENT_PLUGIN_AUTH;
    let response = HandshakeResponse::new(
        None::<&[u8]>,
        (8, 0, 0),
        Some(&b"root"[..]),
        None::<&[u8]>,
        Some(AuthPlugin::CachingSha2Password),
        can,
        None,
        1 << 24,
    );
    let mut payload = Vec::new();
    response.serialize(&mut payload);
    payload
}

fn send(socket: &mut TcpStream, number: u8, payload: &[u8]) -> Result<()> {
    let [a, b, c, _] = u32::try_from(payload.len())?.to_le_bytes();
    Ok(socket.write_all(&[&[a, b, c, number], payload].concat())?)
}

struct Packets {
    from: BufReader<TcpStream>,
    /// First byte of the packet that was passed over.
    head: u8,
}

impl Packets {
    /// Passes over a packet, and returns its length.
    fn skip(&mut self) -> Result<usize> {
        let mut start = [0; 5];
        self.from.read_exact(&mut start).context("the server hangs up")?;
        let [a, b, c, _, head] = start;
        self.head = head;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, 0]))?;
        ensure!(length > 0, "an empty packet");
        let mut left = length - 1;
        while left > 0 {
            let here = self.from.buffer().len().min(left);
            if here == 0 {
                ensure!(!self.from.fill_buf()?.is_empty(), "the server hangs up");
                continue;
            }
            self.from.consume(here);
            left -= here;
        }
        Ok(length)
    }

    fn until_end(&mut self) -> Result<u64> {
        let mut count = 0;
        loop {
            let length = self.skip()?;
            match self.head {
                EOF if length < 9 => return Ok(count),
                ERR => bail!("the server has given up"),
                _ => count += 1,
            }
        }
    }
}
