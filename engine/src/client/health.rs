//! Whether anybody answers, for who watches over processes. It asks for no token, and once: whoever
//! watches asks again.

use std::time::Duration;

use super::{Client, ClientError};

/// Health checks are given few seconds, and one that is ended from outside says nothing.
const ANSWERED_WITHIN: Duration = Duration::from_secs(4);

/// What is asked of a daemon, or of a job that serves HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Alive,
    /// The daemon has brought back its jobs; the job runs.
    Ready,
}

impl Client {
    /// # Errors
    /// It does not answer, or is not ready.
    pub async fn health(&self, asked: Health) -> Result<(), ClientError> {
        let path = match asked {
            Health::Alive => "healthz",
            Health::Ready => "readyz",
        };
        let request = self.http.get(self.server.beside_api(path)).timeout(ANSWERED_WITHIN);
        let response = request.send().await.map_err(|error| self.unsent(&error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| self.cut(&error))?;
        if status.is_success() { Ok(()) } else { Err(self.refusal(status.as_u16(), &text)) }
    }
}
