//! Requests that a browser sends because a foreign page says so.
//!
//! There are no cookies, so that a browser adds nothing to such a request by which it would be taken
//! for its user's; but where no tokens are asked, whoever reaches the address is obeyed.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Whose requests are answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Pages that were loaded from here may ask, and links may lead to them.
    pub(crate) has_pages: bool,
    /// The `Host` header has to name this machine: a page whose name was made to lead here is then
    /// no page from here.
    pub(crate) checks_host: bool,
    /// Names of this machine, beside `localhost` and addresses; in small letters.
    pub(crate) hosts: Vec<String>,
}

/// Of a server without pages.
pub(super) async fn admit(is_local: bool, request: Request, next: Next) -> Response {
    let rules = Rules { checks_host: is_local, ..Rules::default() };
    let (parts, body) = request.into_parts();
    match rules.refused(&parts) {
        Some(why) => Problem::new(StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(Request::from_parts(parts, body)).await,
    }
}

impl Rules {
    /// Why a request is not answered. Pages of other sites show themselves by the headers that a
    /// browser adds; a page whose name was made to lead to this machine, by that name.
    pub(crate) fn refused(&self, request: &Parts) -> Option<&'static str> {
        let headers = &request.headers;
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        if hosts.next().is_some() {
            return Some("one `Host` is enough");
        }
        if self.checks_host && !host.as_ref().is_some_and(|host| self.is_ours(host)) {
            return Some(
                "name this machine by its address, `localhost` or a name of `server.hosts` (`Host`)",
            );
        }
        if !self.is_origin_allowed(headers, host.as_ref()) {
            return Some("requests of other sites' pages are refused (`Origin`)");
        }
        let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
        let is_own = site.is_none_or(|site| site == b"none" || site == b"same-origin");
        let is_admitted = is_own || (self.has_pages && is_link(request));
        if !is_admitted {
            return Some("requests of other sites' pages are refused (`Sec-Fetch-Site`)");
        }
        None
    }

    fn is_ours(&self, host: &Authority) -> bool {
        let name = host.host();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_named = || self.hosts.iter().any(|ours| name.eq_ignore_ascii_case(ours));
        name.eq_ignore_ascii_case("localhost") || address.is_ok() || is_named()
    }

    /// A page from here names the very host and port that it asks. The scheme is not compared: behind
    /// a proxy it is not known, and one port speaks one of the two.
    fn is_origin_allowed(&self, headers: &HeaderMap, host: Option<&Authority>) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let authority = origin.to_str().ok().and_then(|origin| {
            let rest = origin.strip_prefix("https://").or(origin.strip_prefix("http://"))?;
            rest.parse::<Authority>().ok()
        });
        self.has_pages
            && origins.next().is_none()
            && authority.is_some()
            && authority.as_ref() == host
    }
}

/// Somebody followed a link from elsewhere to a page, not to the API.
fn is_link(request: &Parts) -> bool {
    let is = |name, value: &str| {
        request.headers.get(name).is_some_and(|header| header.as_bytes() == value.as_bytes())
    };
    request.method == Method::GET
        && !request.uri.path().starts_with("/api")
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: (&str, &str) = ("host", "127.0.0.1:8083");

    fn refused(rules: &Rules, what: &str, headers: &[(&str, &str)]) -> Option<&'static str> {
        let (method, path) = what.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        rules.refused(&parts)
    }

    #[test]
    fn tools_are_admitted_and_foreign_pages_are_not() {
        let rules = Rules { checks_host: true, ..Rules::default() };
        for admitted in [
            &[LOCAL][..],
            &[("host", "localhost:8083")],
            &[("host", "[::1]:8083")],
            &[LOCAL, ("sec-fetch-site", "none")],
        ] {
            assert_eq!(refused(&rules, "POST /api/v1/stop", admitted), None, "{admitted:?}");
        }
        for foreign in [
            &[LOCAL, ("origin", "https://evil.example")][..],
            &[LOCAL, ("origin", "http://127.0.0.1:8083")],
            &[LOCAL, ("origin", "null")],
            &[LOCAL, ("sec-fetch-site", "cross-site")],
            &[LOCAL, ("sec-fetch-site", "same-site")],
            &[("host", "evil.example:8083")],
            &[LOCAL, LOCAL],
            &[],
        ] {
            assert!(refused(&rules, "POST /api/v1/stop", foreign).is_some(), "{foreign:?}");
        }
        let open = [("host", "db.example:8083")];
        assert_eq!(refused(&Rules::default(), "GET /api/v1/status", &open), None);
    }

    #[test]
    fn the_page_from_here_may_ask_and_no_other() {
        let rules =
            Rules { has_pages: true, checks_host: true, hosts: vec!["cdc.example".to_owned()] };
        let own = ("sec-fetch-site", "same-origin");
        for admitted in [
            &[LOCAL, ("origin", "http://127.0.0.1:8083"), own][..],
            &[("host", "CDC.example"), ("origin", "https://cdc.example"), own],
            &[("host", "[::1]:8083"), ("origin", "http://[::1]:8083")],
            &[LOCAL],
        ] {
            assert_eq!(refused(&rules, "POST /api/v1/jobs", admitted), None, "{admitted:?}");
        }
        for foreign in [
            &[LOCAL, ("origin", "http://127.0.0.1:8084")][..],
            &[LOCAL, ("origin", "http://localhost:8083")],
            &[LOCAL, ("origin", "null")],
            &[LOCAL, ("origin", "http://127.0.0.1:8083"), ("origin", "http://evil.example")],
            &[("host", "rebound.example:8083"), ("origin", "http://rebound.example:8083"), own],
            &[LOCAL, ("sec-fetch-site", "same-site")],
            &[LOCAL, ("origin", "http://127.0.0.1:8083"), ("sec-fetch-site", "cross-site")],
            &[("origin", "http://127.0.0.1:8083")],
        ] {
            assert!(refused(&rules, "POST /api/v1/jobs", foreign).is_some(), "{foreign:?}");
        }
    }

    #[test]
    fn a_link_from_elsewhere_leads_to_the_page_and_never_into_the_api() {
        let rules = Rules { has_pages: true, checks_host: true, hosts: Vec::new() };
        let (from, mode) = (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"));
        let link = [LOCAL, from, mode, ("sec-fetch-dest", "document")];
        assert_eq!(refused(&rules, "GET /", &link), None);
        assert!(refused(&rules, "GET /api/v1/jobs", &link).is_some());
        assert!(refused(&rules, "POST /", &link).is_some());
        let frame = [LOCAL, from, mode, ("sec-fetch-dest", "iframe")];
        assert!(refused(&rules, "GET /", &frame).is_some());
        let script = [LOCAL, from, ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")];
        assert!(refused(&rules, "GET /page.js", &script).is_some());
    }
}
