//! The first packets of a connection: who asks, and whether the password is right.

use std::io;

use mysql_common::constants::{CapabilityFlags, StatusFlags, UTF8_GENERAL_CI};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse};
use mysql_common::scramble::scramble_native;
use rand::Rng as _;

use crate::cluster::Cluster;
use crate::ddl::SqlError;

use super::session::Session;
use super::wire::Wire;

const PLUGIN: &[u8] = b"mysql_native_password";
const NONCE: usize = 20;
const FIRST_PART: usize = 8;
const PROTOCOL: u8 = 10;

/// Greets a client; `None` where it is not who it says, or leaves.
pub(super) async fn greet(
    wire: &mut Wire,
    cluster: &Cluster,
    id: u32,
) -> io::Result<Option<Session>> {
    let nonce = nonce();
    wire.put_serialized(&handshake(&nonce, id))?;
    wire.flush().await?;
    let Some(packet) = wire.receive().await? else { return Ok(None) };
    let response: HandshakeResponse<'_> = ParseBuf(&packet).parse(())?;
    let user = String::from_utf8_lossy(response.user()).into_owned();
    let database = response.db_name().map(|name| String::from_utf8_lossy(name).into_owned());
    let native = matches!(response.auth_plugin(), None | Some(AuthPlugin::MysqlNativePassword));
    let proof = if native {
        response.scramble_buf().to_vec()
    } else {
        let Some(proof) = ask_anew(wire, &nonce).await? else { return Ok(None) };
        proof
    };
    let name = account(&user);
    let admitted = cluster.update(|state| {
        let password = state.users.password(name)?;
        let expected = scramble_native(&nonce, password.as_bytes());
        expected.map_or(proof.is_empty(), |expected| expected.as_slice() == proof).then_some(())
    });
    let session = match admitted {
        Err(error) => Err(error.into()),
        Ok(None) => Err(denied(name, !proof.is_empty())),
        Ok(Some(())) => {
            Session::open(cluster.clone(), name, id, database.filter(|name| !name.is_empty()))
        }
    };
    match session {
        Ok(session) => {
            wire.put_ok()?;
            wire.flush().await?;
            Ok(Some(session))
        }
        Err(error) => {
            wire.put_error(&error)?;
            wire.flush().await?;
            Ok(None)
        }
    }
}

/// A client that began with another way to prove itself is asked for this one.
async fn ask_anew(wire: &mut Wire, nonce: &[u8; NONCE]) -> io::Result<Option<Vec<u8>>> {
    let mut data = nonce.to_vec();
    data.push(0);
    wire.put_serialized(&AuthSwitchRequest::new(PLUGIN, data))?;
    wire.flush().await?;
    wire.receive().await
}

fn handshake(nonce: &[u8; NONCE], id: u32) -> HandshakePacket<'static> {
    let (first, second) = nonce.split_at(FIRST_PART);
    let mut part = [0; FIRST_PART];
    part.copy_from_slice(first);
    let mut second = second.to_vec();
    second.push(0);
    HandshakePacket::new(
        PROTOCOL,
        super::variables::SERVER_VERSION.as_bytes(),
        id,
        part,
        Some(second),
        CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_LONG_FLAG
            | CapabilityFlags::CLIENT_CONNECT_WITH_DB
            | CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_PLUGIN_AUTH
            | CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
            | CapabilityFlags::CLIENT_CONNECT_ATTRS,
        u8::try_from(UTF8_GENERAL_CI).unwrap_or_default(),
        StatusFlags::SERVER_STATUS_AUTOCOMMIT,
        Some(PLUGIN),
    )
}

/// Without NUL, which ends it, and `$`, which some clients stumble over.
fn nonce() -> [u8; NONCE] {
    let mut rng = rand::rng();
    [(); NONCE].map(|()| rng.random_range(b'0'..=b'z'))
}

/// `user@cluster` is the user.
fn account(user: &str) -> &str {
    user.split('@').next().unwrap_or(user)
}

fn denied(user: &str, with_password: bool) -> SqlError {
    let using = if with_password { "YES" } else { "NO" };
    SqlError {
        code: 1045,
        state: "28000",
        message: format!("Access denied for user '{user}@127.0.0.1' (using password: {using})"),
    }
}
