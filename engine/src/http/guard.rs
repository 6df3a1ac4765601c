//! Requests that a browser sends because a foreign page says so.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

pub(super) async fn admit(is_local: bool, request: Request, next: Next) -> Response {
    match refused(is_local, request.headers()) {
        Some(why) => Problem::new(StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    }
}

/// Why a request is not answered. Pages of other sites show themselves by the headers that a browser
/// adds; a page whose name was made to lead to this machine, by that name.
fn refused(is_local: bool, headers: &HeaderMap) -> Option<&'static str> {
    if headers.contains_key(header::ORIGIN) {
        return Some("requests of web pages are refused (`Origin`)");
    }
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    if site.is_some_and(|site| site != b"none" && site != b"same-origin") {
        return Some("requests of web pages are refused (`Sec-Fetch-Site`)");
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if is_local && !host.is_some_and(is_this_machine) {
        return Some("name this machine by its address or `localhost` (`Host`)");
    }
    None
}

fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn tools_are_admitted_and_foreign_pages_are_not() {
        let local = ("host", "127.0.0.1:8083");
        for admitted in [
            &[local][..],
            &[("host", "localhost:8083")],
            &[("host", "[::1]:8083")],
            &[local, ("sec-fetch-site", "none")],
        ] {
            assert_eq!(refused(true, &headers(admitted)), None, "{admitted:?}");
        }
        for foreign in [
            &[local, ("origin", "https://evil.example")][..],
            &[local, ("origin", "null")],
            &[local, ("sec-fetch-site", "cross-site")],
            &[local, ("sec-fetch-site", "same-site")],
            &[("host", "evil.example:8083")],
            &[],
        ] {
            assert!(refused(true, &headers(foreign)).is_some(), "{foreign:?}");
        }
        assert_eq!(refused(false, &headers(&[("host", "db.example:8083")])), None);
    }
}
