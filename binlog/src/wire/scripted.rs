//! A server that is a thread: what it answers is written down.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::framer::PART_MAX;
use crate::server::{SourceOptions, Tls};

pub(crate) const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
pub(crate) const END: &[u8] = &[0xfe, 0, 0, 2, 0];

pub(crate) fn send(socket: &mut TcpStream, number: u8, payload: &[u8]) {
    let mut number = number;
    let mut rest = payload;
    loop {
        let (part, after) = rest.split_at(rest.len().min(PART_MAX));
        let len = u32::try_from(part.len()).unwrap().to_le_bytes();
        let packet = [&[len[0], len[1], len[2], number], part].concat();
        socket.write_all(&packet).unwrap();
        (rest, number) = (after, number.wrapping_add(1));
        if part.len() < PART_MAX {
            return;
        }
    }
}

pub(crate) fn receive(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 4];
    socket.read_exact(&mut header).ok()?;
    let [a, b, c, number] = header;
    let mut payload = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
    socket.read_exact(&mut payload).ok()?;
    Some((number, payload))
}

fn greeting() -> Vec<u8> {
    // Its capabilities: those of 4.1 and up, login methods, no TLS.
    let mut bytes = b"\x0a9.7.0\0\x07\0\0\x0012345678\0".to_vec();
    bytes.extend_from_slice(&[0x01, 0xa2, 45, 2, 0, 0x08, 0, 21]);
    bytes.extend_from_slice(&[0; 10]);
    bytes.extend_from_slice(b"abcdefghijkl\0mysql_native_password\0");
    bytes
}

/// Serves one connection until the client closes it: what each command is answered with, packet by
/// packet. Tells the commands in the end.
pub(crate) fn serve(
    mut answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (SourceOptions, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut commands = Vec::new();
        if log_in(&mut socket).is_none() {
            return commands;
        }
        while let Some((_, command)) = receive(&mut socket) {
            let mut number = 1_u8;
            for packet in answer(&command) {
                send(&mut socket, number, &packet);
                let parts = u8::try_from(packet.len() / PART_MAX + 1).unwrap();
                number = number.wrapping_add(parts);
            }
            commands.push(command);
        }
        commands
    });
    let (host, tls) = ("127.0.0.1".into(), Tls::Disabled);
    (SourceOptions { host, port, tls, ..SourceOptions::default() }, thread)
}

/// Lets a client in, whoever it is.
pub(crate) fn log_in(socket: &mut TcpStream) -> Option<()> {
    send(socket, 0, &greeting());
    let (number, _login) = receive(socket)?;
    send(socket, number + 1, OK);
    Some(())
}
