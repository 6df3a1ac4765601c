//! Messages as e-mail, by SMTP.

use std::time::Duration;

use lettre::message::{Mailbox, Mailboxes, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::{Digest, SendError};
use crate::alerts::config::{ChannelConfig, MailTls};

/// For each command with its answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// For all of them together.
const SENT_WITHIN: Duration = Duration::from_secs(30);

/// A server that takes e-mail.
pub struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Mailboxes,
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Email").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Email {
    pub(super) fn new(config: &ChannelConfig) -> Result<Self, String> {
        let server = config.server.as_deref().ok_or("it needs `server`")?;
        let mailbox = |text: &str| -> Result<Mailbox, String> {
            text.parse().map_err(|error| format!("`{text}` is no address: {error}"))
        };
        let from = mailbox(config.from.as_deref().ok_or("it needs `from`")?)?;
        let to: Vec<Mailbox> = config.to.iter().map(|to| mailbox(to)).collect::<Result<_, _>>()?;
        if to.is_empty() {
            return Err("it needs `to`, a list of addresses".to_owned());
        }
        let wrong = |error: lettre::transport::smtp::Error| format!("`server`: {error}");
        type Transport = AsyncSmtpTransport<Tokio1Executor>;
        let tls = config.tls.unwrap_or_default();
        let mut builder = match tls {
            MailTls::Tls => Transport::relay(server).map_err(wrong)?,
            MailTls::Starttls => Transport::starttls_relay(server).map_err(wrong)?,
            MailTls::None => Transport::builder_dangerous(server),
        };
        if let Some(port) = config.port {
            builder = builder.port(port);
        }
        builder = match (&config.user, &config.password) {
            (Some(user), Some(password)) => {
                if tls == MailTls::None {
                    return Err(
                        "a password is sent with `tls` = \"starttls\" or \"tls\" alone".to_owned()
                    );
                }
                builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()))
            }
            (None, None) => builder,
            (Some(_), None) | (None, Some(_)) => {
                return Err("`user` and `password` belong together".to_owned());
            }
        };
        let transport = builder.timeout(Some(ANSWERED_WITHIN)).build();
        Ok(Self { transport, from, to: to.into_iter().collect() })
    }

    pub(super) async fn send(&self, digest: &Digest) -> Result<(), SendError> {
        let unfit = |error: lettre::error::Error| SendError::Definite(error.to_string());
        let mut builder = Message::builder().from(self.from.clone()).subject(&digest.title);
        for to in self.to.iter() {
            builder = builder.to(to.clone());
        }
        let mail = builder
            .header(ContentType::TEXT_PLAIN)
            .body(format!("{}\n", digest.text))
            .map_err(unfit)?;
        match tokio::time::timeout(SENT_WITHIN, self.transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => {
                Err(SendError::Definite(crate::error::chain(&error)))
            }
            Ok(Err(error)) => Err(SendError::Transient(crate::error::chain(&error))),
            Err(_) => Err(SendError::Transient(format!("not taken within {SENT_WITHIN:?}"))),
        }
    }
}
