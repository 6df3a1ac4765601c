//! From a greeting to a session (MySQL internals, "Connection Phase").
//!
//! The login methods are those of `mysql_async` as we build it, for it logs in first, to look at the
//! server. A method that is not among them is refused by name.

use mysql_async::consts::CapabilityFlags as Can;
use mysql_async::{DriverError, Error};
use mysql_common::packets::{AuthPlugin, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;

use super::packets::{EOF, Greeting, MORE_DATA, OK, Switch, unexpected};
use super::{Socket, Wire, rsa, tls};
use crate::server::SourceOptions;

/// The largest packet that we would send; what we take has a limit of its own.
const PACKET_BYTES: u32 = 4 << 20;
/// `utf8mb4_general_ci`, which every server has that we read.
const COLLATION: u8 = 45;
/// The server knows the password's hash from before: nothing more is needed.
const KNOWN: u8 = 3;
/// It does not, and needs the password itself.
const PASSWORD_WANTED: u8 = 4;
/// The question for the key to seal the password with.
const PUBLIC_KEY: u8 = 2;

/// What we can and may be used. No compression: a dump is compressed by the server's own choice
/// (`binlog_transaction_compression`) or not at all.
fn wanted(tls: bool) -> Can {
    let wanted = Can::CLIENT_PROTOCOL_41
        | Can::CLIENT_SECURE_CONNECTION
        | Can::CLIENT_LONG_PASSWORD
        | Can::CLIENT_TRANSACTIONS
        | Can::CLIENT_PLUGIN_AUTH;
    if tls { wanted | Can::CLIENT_SSL } else { wanted }
}

/// Logs in on a connection on which nothing was said yet.
pub(super) async fn login(
    mut wire: Wire,
    options: &SourceOptions,
    tls: bool,
) -> Result<Wire, Error> {
    let greeting = Greeting::read(&wire.receive().await?)?;
    let capabilities = greeting.capabilities & wanted(tls);
    if tls {
        if !capabilities.contains(Can::CLIENT_SSL) {
            return Err(DriverError::NoClientSslFlagFromServer.into());
        }
        wire = secured(wire, options, capabilities).await?;
    }
    // What it names may be any of its methods; it changes to the user's own in a moment.
    let sha2 = AuthPlugin::CachingSha2Password;
    let plugin =
        if greeting.plugin == sha2.as_bytes() { sha2 } else { AuthPlugin::MysqlNativePassword };
    let password = options.password.reveal();
    let scramble = plugin.gen_data(Some(password), &greeting.nonce);
    let response = HandshakeResponse::new(
        scramble.as_deref(),
        (8, 0, 0),
        Some(options.user.as_bytes()),
        None::<&[u8]>,
        Some(plugin.clone()),
        capabilities,
        None,
        PACKET_BYTES,
    );
    let mut payload = Vec::new();
    response.serialize(&mut payload);
    wire.send(&payload).await?;
    let mut auth = Auth { plugin, nonce: greeting.nonce, switched: false };
    while !auth.goes_on(&mut wire, password).await? {}
    Ok(wire)
}

/// Asks for TLS, and goes on inside it.
async fn secured(
    mut wire: Wire,
    options: &SourceOptions,
    capabilities: Can,
) -> Result<Wire, Error> {
    // What came in plain text must not count as said inside.
    if !wire.framer.is_empty() {
        return Err(DriverError::PacketOutOfOrder.into());
    }
    let mut request = Vec::new();
    SslRequest::new(capabilities, PACKET_BYTES, COLLATION).serialize(&mut request);
    wire.send(&request).await?;
    let Wire { socket, framer } = wire;
    let socket = match socket {
        Socket::Plain(socket) => Socket::Tls(Box::new(tls::secure(socket, options).await?)),
        secret @ Socket::Tls(_) => secret,
    };
    Ok(Wire { socket, framer })
}

/// A login under way.
struct Auth {
    plugin: AuthPlugin<'static>,
    nonce: Vec<u8>,
    switched: bool,
}

impl Auth {
    /// Takes one packet of the server and answers; true at the end.
    async fn goes_on(&mut self, wire: &mut Wire, password: &str) -> Result<bool, Error> {
        let packet = wire.receive().await?;
        let is_sha2 = self.plugin == AuthPlugin::CachingSha2Password;
        match *packet {
            [OK, ..] => return Ok(true),
            [EOF, ..] if !self.switched => self.switch(wire, &packet, password).await?,
            [MORE_DATA, KNOWN, ..] if is_sha2 => {}
            [MORE_DATA, PASSWORD_WANTED, ..] if is_sha2 => self.reveal(wire, password).await?,
            _ => return Err(unexpected(&packet)),
        }
        Ok(false)
    }

    async fn switch(
        &mut self,
        wire: &mut Wire,
        packet: &[u8],
        password: &str,
    ) -> Result<(), Error> {
        let Switch { plugin, nonce } = Switch::read(packet)?;
        (self.plugin, self.nonce, self.switched) = (known(&plugin)?, nonce, true);
        let scramble = self.plugin.gen_data(Some(password), &self.nonce);
        wire.send(scramble.as_deref().unwrap_or_default()).await
    }

    /// Gives the server the password itself: inside TLS as it is, else sealed with its key.
    async fn reveal(&self, wire: &mut Wire, password: &str) -> Result<(), Error> {
        let mut secret = password.as_bytes().to_vec();
        secret.push(0);
        if matches!(wire.socket, Socket::Tls(_)) {
            return wire.send(&secret).await;
        }
        wire.send(&[PUBLIC_KEY]).await?;
        let key = wire.receive().await?;
        for (byte, nonce) in secret.iter_mut().zip(self.nonce.iter().cycle()) {
            *byte ^= nonce;
        }
        let sealed = key.strip_prefix(&[MORE_DATA]).and_then(|key| rsa::seal(&secret, key));
        wire.send(&sealed.ok_or_else(|| unexpected(&key))?).await
    }
}

fn known(name: &[u8]) -> Result<AuthPlugin<'static>, Error> {
    match AuthPlugin::from_bytes(name) {
        plugin @ (AuthPlugin::CachingSha2Password | AuthPlugin::MysqlNativePassword) => {
            Ok(plugin.into_owned())
        }
        AuthPlugin::MysqlOldPassword => Err(DriverError::MysqlOldPasswordDisabled.into()),
        AuthPlugin::MysqlClearPassword => Err(DriverError::CleartextPluginDisabled.into()),
        AuthPlugin::Ed25519 | AuthPlugin::MariadbParsec { .. } | AuthPlugin::Other(_) => {
            let name = String::from_utf8_lossy(name).into_owned();
            Err(DriverError::UnknownAuthPlugin { name }.into())
        }
    }
}
