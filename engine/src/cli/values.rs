//! Words of the command line, read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use job::TablePatterns;

use crate::daemon::From;

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected K=V, for instance port=3307")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

pub(super) fn tables(text: &str) -> Result<TablePatterns, String> {
    TablePatterns::new(None, Some(text), None).map_err(|error| error.to_string())
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let expected = "expected a port, or an address with one: 8083, 127.0.0.1:8083, [::1]:8083";
    text.parse().map_err(|_| expected.to_owned())
}

pub(super) fn from(text: &str) -> Result<From, String> {
    Ok(match text {
        "latest" => From::Latest,
        "earliest" => From::Earliest,
        "none" => From::Nothing,
        // A slip in one of the words is no path.
        path if path.contains('/') => From::Elsewhere(path.to_owned()),
        id => From::Id(id.parse().map_err(|_| {
            "expected latest, earliest, none, the number of a snapshot (`seachange snapshots`), or a \
             path or URL with a `/` in it"
        })?),
    })
}
