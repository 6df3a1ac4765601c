//! Reading a body to its end.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::txn::Refusal;

pub(super) async fn read(body: Incoming, max: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    each(body, max, |data| bytes.extend_from_slice(data)).await?;
    Ok(bytes)
}

/// Hands on what comes as it comes.
pub(super) async fn each(
    mut body: Incoming,
    max: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Refusal> {
    let mut length = 0_u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| truncated())?;
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if length > max {
            let text = format!("body exceed max size: {max}, limit: {max}");
            return Err(Refusal::new("EXCEEDED_LIMIT", text));
        }
        take(&data);
    }
    Ok(())
}

fn truncated() -> Refusal {
    Refusal::new("NETWORK_ERROR", "receive body don't equal with body bytes")
}
