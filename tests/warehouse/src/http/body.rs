//! Reading a body to its end.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::txn::Refusal;

/// As much of it as came before the end, or before the connection was lost.
pub(super) async fn read(mut body: Incoming, max: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| truncated())?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if length(&bytes) > max {
            let text = format!("body exceed max size: {max}, limit: {max}");
            return Err(Refusal::new("EXCEEDED_LIMIT", text));
        }
    }
    Ok(bytes)
}

pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn truncated() -> Refusal {
    Refusal::new("NETWORK_ERROR", "receive body don't equal with body bytes")
}
