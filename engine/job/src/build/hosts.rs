//! The servers of the source: `db1,db2:3307,[::1]:3308`.

use std::net::Ipv6Addr;
use std::num::NonZeroU16;

use super::required;
use super::source::part_at;
use crate::draft::Draft;
use crate::settings::Scope::With;
use crate::spec::Host;
use crate::value::{Expected, integer, text};

const KEY: &str = "hostname";
const PORT: u16 = 3306;

/// Every host of the list, in its order; what is wrong with one is reported at its place.
pub(super) fn hosts(draft: &mut Draft<'_>) -> Option<Vec<Host>> {
    let port = draft.get(With, "port", integer::<NonZeroU16>).map_or(PORT, NonZeroU16::get);
    required(draft, KEY)?;
    let list = draft.get(With, KEY, text)?;
    let secret = draft.entries(With).get(KEY).is_some_and(|entry| entry.secret);
    let mut hosts = Vec::new();
    let mut good = true;
    let mut start = 0;
    for part in list.split(',') {
        let name = part.trim();
        let wrong = match host(name, port) {
            Ok(host) if hosts.contains(&host) => Some("it is in the list twice".to_owned()),
            Ok(host) => {
                hosts.push(host);
                None
            }
            Err(expected) => Some(format!("expected {expected}")),
        };
        if let Some(wrong) = wrong {
            good = false;
            let indent = part.len() - part.trim_start().len();
            let at = part_at(KEY, start + indent, name.len(), draft);
            let shown = if secret { "a host of the list".to_owned() } else { format!("`{name}`") };
            draft.report.error(at, format!("`{KEY}`: {shown}: {wrong}"));
        }
        start += part.len() + 1;
    }
    good.then_some(hosts)
}

/// `name`, `name:port`, `[IPv6]`, `[IPv6]:port`, or an IPv6 address alone.
fn host(text: &str, default: u16) -> Expected<Host> {
    let host = |name: &str, port| Host { name: name.to_owned(), port };
    if text.is_empty() {
        return Err("a host on either side of every comma".to_owned());
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok(host(text, default));
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (name, rest) = bracketed.split_once(']').unwrap_or_default();
        if name.parse::<Ipv6Addr>().is_err() {
            return Err("an IPv6 address in brackets, for instance `[::1]:3306`".to_owned());
        }
        return match (rest, rest.strip_prefix(':')) {
            ("", _) => Ok(host(name, default)),
            (_, Some(digits)) => Ok(host(name, port(digits)?)),
            (_, None) => Err("a `:` and a port after the bracket, or nothing".to_owned()),
        };
    }
    let (name, port) = match text.split_once(':') {
        Some((name, digits)) => (name, port(digits)?),
        None => (text, default),
    };
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || !name.chars().all(fits) {
        return Err("a host name or an address, for instance `db1` or `db1:3306`".to_owned());
    }
    Ok(host(name, port))
}

fn port(digits: &str) -> Expected<u16> {
    let port = digits.parse().ok().filter(|_| !digits.starts_with('+')).map(NonZeroU16::get);
    port.ok_or_else(|| "a port from 1 to 65535 after the `:`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_with_its_port_or_the_default() {
        let check = |text: &str, name: &str, port: u16| {
            assert_eq!(host(text, 3306), Ok(Host { name: name.to_owned(), port }), "{text}");
        };
        check("db1", "db1", 3306);
        check("db-1.example_x.com:3307", "db-1.example_x.com", 3307);
        check("10.0.0.1:1", "10.0.0.1", 1);
        check("::1", "::1", 3306);
        check("[::1]", "::1", 3306);
        check("[2001:db8::7]:65535", "2001:db8::7", 65535);
        for bad in [
            "",
            ":3306",
            "db1:",
            "db1:0",
            "db1:65536",
            "db1:+1",
            "db 1",
            "u@db1",
            "[db1]:1",
            "[::1",
            "[::1]3306",
            "db1:1:2",
            "mysql://db1",
        ] {
            assert!(host(bad, 3306).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_shown_as_it_is_written() {
        for text in ["db1:3306", "[::1]:3307"] {
            assert_eq!(host(text, 1).unwrap().to_string(), text);
        }
    }
}
