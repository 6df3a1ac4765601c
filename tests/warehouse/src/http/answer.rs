//! What goes back.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: StatusCode,
    body: String,
    headers: Vec<(HeaderName, String)>,
    /// The connection is not used again: what the client still sends is not read.
    close: bool,
}

impl Answer {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        let headers = vec![(CONTENT_TYPE, "application/json".to_owned())];
        Self { status: StatusCode::OK, body: body.into(), headers, close: false }
    }

    pub(crate) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        let headers = vec![(CONTENT_TYPE, "text/plain".to_owned())];
        Self { status, body: body.into(), headers, close: false }
    }

    /// 307: the same method, headers and body, over there.
    pub(crate) fn redirect(location: String) -> Self {
        let headers = vec![(CONTENT_TYPE, "text/html".to_owned()), (LOCATION, location)];
        let status = StatusCode::TEMPORARY_REDIRECT;
        Self { status, body: String::new(), headers, close: true }
    }

    pub(crate) fn asking_for_credentials(mut self) -> Self {
        self.headers.push((WWW_AUTHENTICATE, "Basic realm=\"\"".to_owned()));
        Self { status: StatusCode::UNAUTHORIZED, ..self }
    }

    pub(crate) fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    pub(crate) fn is_redirect(&self) -> bool {
        self.status == StatusCode::TEMPORARY_REDIRECT
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        if self.close {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
