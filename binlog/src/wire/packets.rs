//! The packets of a login and of short answers, read without trust.

use mysql_async::consts::CapabilityFlags;
use mysql_async::{DriverError, Error, ServerError};

use crate::cursor::Cursor;

/// First byte of an answer that says that it was done.
pub(super) const OK: u8 = 0x00;
/// First byte of data of a login method.
pub(super) const MORE_DATA: u8 = 0x01;
/// First byte of a change of the login method, and of the end of a list or a dump.
pub(super) const EOF: u8 = 0xfe;
/// First byte of an error.
pub(super) const ERR: u8 = 0xff;
/// A packet that begins like an end and is as long as this is no end (MySQL internals, "EOF_Packet").
const EOF_LEN_MAX: usize = 8;
/// Bytes of the random text that a password is hashed with.
const NONCE_LEN: usize = 20;

/// What a server says first (MySQL internals, "Protocol::HandshakeV10").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) capabilities: CapabilityFlags,
    pub(super) nonce: Vec<u8>,
    /// The login method that it would like.
    pub(super) plugin: Vec<u8>,
}

impl Greeting {
    pub(super) fn read(packet: &[u8]) -> Result<Self, Error> {
        if let Some(refused) = refusal(packet) {
            return Err(refused);
        }
        Self::fields(&mut Cursor::new(packet)).ok_or_else(|| unexpected(packet))
    }

    fn fields(packet: &mut Cursor<'_>) -> Option<Self> {
        const VERSION: u8 = 10;
        packet.u8().filter(|version| *version == VERSION)?;
        null_terminated(packet)?;
        let _connection_id = packet.u32()?;
        let mut nonce = packet.take(8)?.to_vec();
        packet.u8()?;
        let low = packet.u16()?;
        let (_charset, _status) = (packet.u8()?, packet.u16()?);
        let high = packet.u16()?;
        let capabilities = u32::from(high) << 16 | u32::from(low);
        let capabilities = CapabilityFlags::from_bits_truncate(capabilities);
        let nonce_len = usize::from(packet.u8()?);
        packet.take(10)?;
        if capabilities.contains(CapabilityFlags::CLIENT_SECURE_CONNECTION) {
            nonce.extend_from_slice(packet.take(nonce_len.saturating_sub(8).max(13))?);
        }
        // It ends in a zero that is not part of it.
        nonce.resize(NONCE_LEN, 0);
        let plugin = if capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH) {
            // Some servers leave the zero at its end out.
            packet.rest().split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
        } else {
            Vec::new()
        };
        Some(Self { capabilities, nonce, plugin })
    }
}

/// The server wants another login method (MySQL internals, "Protocol::AuthSwitchRequest").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switch {
    pub(super) plugin: Vec<u8>,
    pub(super) nonce: Vec<u8>,
}

impl Switch {
    pub(super) fn read(packet: &[u8]) -> Result<Self, Error> {
        let mut rest = Cursor::new(packet);
        rest.u8();
        if rest.rest().is_empty() {
            return Err(DriverError::MysqlOldPasswordDisabled.into());
        }
        let plugin = null_terminated(&mut rest).ok_or_else(|| unexpected(packet))?.to_vec();
        let nonce = rest.rest();
        let nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce).to_vec();
        Ok(Self { plugin, nonce })
    }
}

fn null_terminated<'a>(from: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = from.rest().iter().position(|byte| *byte == 0)?;
    let text = from.take(len)?;
    from.u8()?;
    Some(text)
}

/// What an error packet says. Before the login is over it has no state.
pub(crate) fn server_error(packet: &[u8]) -> ServerError {
    let mut fields = Cursor::new(packet);
    fields.u8();
    let code = fields.u16().unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (state, message) = match fields.rest().split_at_checked(6) {
        Some(([b'#', state @ ..], message)) => (text(state), message),
        _ => ("HY000".to_owned(), fields.rest()),
    };
    ServerError { code, message: text(message), state }
}

/// The error that a packet is, if it is one.
pub(crate) fn refusal(packet: &[u8]) -> Option<Error> {
    (packet.first() == Some(&ERR)).then(|| Error::Server(server_error(packet)))
}

pub(crate) fn unexpected(packet: &[u8]) -> Error {
    DriverError::UnexpectedPacket { payload: packet.to_vec() }.into()
}

pub(crate) fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&EOF) && packet.len() < EOF_LEN_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As MySQL 9 sends it.
    fn greeting(nonce_len: u8, plugin: &[u8]) -> Vec<u8> {
        let mut bytes = vec![10];
        bytes.extend_from_slice(b"9.7.0\0");
        bytes.extend_from_slice(&7_u32.to_le_bytes());
        bytes.extend_from_slice(b"12345678\0");
        bytes.extend_from_slice(&[0xff, 0xff, 255, 2, 0, 0xff, 0xdf, nonce_len]);
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(b"abcdefghijkl\0");
        bytes.extend_from_slice(plugin);
        bytes
    }

    #[test]
    fn a_greeting_tells_the_nonce_and_the_login_method() {
        for plugin in [&b"caching_sha2_password\0"[..], b"caching_sha2_password"] {
            let read = Greeting::read(&greeting(21, plugin)).unwrap();
            assert_eq!(read.nonce, b"12345678abcdefghijkl");
            assert_eq!(read.plugin, b"caching_sha2_password");
            assert!(read.capabilities.contains(CapabilityFlags::CLIENT_SSL));
        }
    }

    #[test]
    fn a_greeting_of_an_unknown_protocol_or_cut_short_is_refused() {
        let whole = greeting(21, b"");
        for len in 0..whole.len() {
            assert!(Greeting::read(&whole[..len]).is_err(), "{len} bytes");
        }
        let mut other = whole;
        other[0] = 9;
        assert!(Greeting::read(&other).is_err());
    }

    #[test]
    fn a_server_that_is_full_says_so_instead_of_greeting() {
        let packet = b"\xff\x10\x04Too many connections";
        let Err(Error::Server(error)) = Greeting::read(packet) else { panic!() };
        assert_eq!((error.code, &*error.message), (1040, "Too many connections"));
        let error = server_error(b"\xff\xd4\x04#HY000Could not find first log file name");
        assert_eq!((error.code, &*error.state), (1236, "HY000"));
        assert_eq!(error.message, "Could not find first log file name");
    }

    #[test]
    fn a_change_of_the_login_method_names_it() {
        let read = Switch::read(b"\xfemysql_native_password\0abcdefghij0123456789\0").unwrap();
        assert_eq!(read.plugin, b"mysql_native_password");
        assert_eq!(read.nonce, b"abcdefghij0123456789");
        assert!(Switch::read(b"\xfe").is_err(), "the method of before 4.1");
        assert!(Switch::read(b"\xfeno end").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error_and_never_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..120), nonce_len: u8,
        ) {
            let _ = (Greeting::read(&bytes), Switch::read(&bytes));
            let _ = (server_error(&bytes), is_end(&bytes));
            let _ = Greeting::read(&greeting(nonce_len, &bytes));
        }
    }
}
