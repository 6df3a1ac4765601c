use axum::Extension;
use axum::routing::any;
use futures_util::stream;
use tower::ServiceExt as _;

use super::*;
use crate::serve::token;

struct Guarded {
    dir: tempfile::TempDir,
    config: Config,
    router: Router,
}

/// Behind the gate a route that says who it is asked by, and one that never answers.
fn guarded(edit: impl FnOnce(&mut Config)) -> Guarded {
    guarded_with(&[], edit)
}

fn guarded_with(tokens: &[(&str, Role)], edit: impl FnOnce(&mut Config)) -> Guarded {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.state.dir = dir.path().to_owned();
    edit(&mut config);
    for (name, role) in tokens {
        let at = chrono::DateTime::default();
        let token = token::add(&config.tokens_file(), name, *role, at).unwrap();
        std::fs::write(dir.path().join(name), token.reveal()).unwrap();
    }
    let gate = Arc::new(Gate::open(&config).unwrap());
    let says = async |caller: Option<Extension<Caller>>, body: axum::body::Bytes| {
        let by = caller.map_or_else(|| "?".to_owned(), |caller| caller.name.clone());
        format!("{by} {}", body.len())
    };
    let routes = Router::new()
        .route("/api/v1/never", any(std::future::pending::<String>))
        .route("/api/v1/stream", any(std::future::pending::<String>))
        .fallback(says);
    Guarded { router: layer(routes, gate), config, dir }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Guarded {
    fn token(&self, name: &str) -> String {
        let token = std::fs::read_to_string(self.dir.path().join(name)).unwrap();
        format!("Bearer {token}")
    }

    async fn ask(&self, what: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(what, headers, Body::empty()).await
    }

    async fn ask_as(&self, name: &str, what: &str) -> Answer {
        self.ask(what, &[("authorization", &self.token(name))]).await
    }

    async fn send(&self, what: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let (method, path) = what.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", "127.0.0.1:8083");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body).unwrap();
        let peer: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }
}

#[track_caller]
fn is_problem(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let problem: crate::api::Problem = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(problem.status, status);
    assert!(problem.detail.contains(part), "{}", problem.detail);
}

#[tokio::test]
async fn without_tokens_whoever_is_on_this_machine_is_an_operator_without_a_name() {
    let guarded = guarded(|_| ());
    let answer = guarded.ask("DELETE /api/v1/jobs/emp", &[]).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "- 0"));
}

#[tokio::test]
async fn a_viewer_may_look_and_an_operator_may_do_everything() {
    let tokens = [("ops", Role::Operator), ("eye", Role::Viewer)];
    let guarded = guarded_with(&tokens, |_| ());
    for name in ["ops", "eye"] {
        assert_eq!(guarded.ask_as(name, "HEAD /api/v1/jobs").await.status, 200);
    }
    for what in ["GET /api/v1/jobs", "GET /metrics"] {
        for name in ["ops", "eye"] {
            let answer = guarded.ask_as(name, what).await;
            assert_eq!((answer.status, answer.text), (200, format!("{name} 0")), "{what}");
        }
    }
    for what in [
        "POST /api/v1/jobs",
        "PUT /api/v1/jobs/emp",
        "DELETE /api/v1/jobs/emp",
        "POST /api/v1/jobs/emp/stop",
        "POST /api/v1/validate",
        "PATCH /api/v1/jobs/emp",
        "OPTIONS /api/v1/jobs",
    ] {
        assert_eq!(guarded.ask_as("ops", what).await.status, 200, "{what}");
        is_problem(&guarded.ask_as("eye", what).await, 403, "`eye` is a viewer's token");
    }
}

#[tokio::test]
async fn without_a_known_token_nothing_of_the_api_answers_and_the_page_does() {
    let guarded = guarded_with(&[("ops", Role::Operator)], |_| ());
    let token = guarded.token("ops");
    let wrong = ["", "Bearer", "Bearer sct_AAAA", "Basic b3BzOm9wcw==", &token[..token.len() - 1]];
    for what in ["GET /api/v1/jobs", "GET /metrics", "GET /api", "GET /api/v1/openapi.json"] {
        let answer = guarded.ask(what, &[]).await;
        is_problem(&answer, 401, "a token is wanted");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"seachange\"");
        for wrong in wrong {
            let answer = guarded.ask(what, &[("authorization", wrong)]).await;
            is_problem(&answer, 401, "token");
        }
    }
    let twice = [("authorization", token.as_str()), ("authorization", token.as_str())];
    is_problem(&guarded.ask("GET /api/v1/jobs", &twice).await, 401, "a token is wanted");
    for what in ["GET /", "GET /page.js", "GET /api.js", "GET /healthz", "GET /readyz"] {
        assert_eq!(guarded.ask(what, &[]).await.text, "? 0", "{what}");
    }
    assert_eq!(guarded.ask_as("ops", "GET /api/v1/jobs").await.text, "ops 0");
}

#[tokio::test]
async fn a_token_that_was_revoked_is_refused_by_the_next_request() {
    let guarded = guarded_with(&[("ops", Role::Operator)], |_| ());
    assert_eq!(guarded.ask_as("ops", "POST /api/v1/jobs").await.status, 200);
    token::remove(&guarded.config.tokens_file(), "ops").unwrap();
    is_problem(&guarded.ask_as("ops", "POST /api/v1/jobs").await, 401, "revoked");
}

#[tokio::test]
async fn pages_of_other_sites_and_names_that_are_not_ours_are_refused() {
    let guarded = guarded(|config| config.server.hosts = vec!["cdc.example".to_owned()]);
    let own = [("origin", "http://127.0.0.1:8083"), ("sec-fetch-site", "same-origin")];
    assert_eq!(guarded.ask("POST /api/v1/jobs", &own).await.status, 200);
    let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    is_problem(&guarded.ask("POST /api/v1/jobs", &foreign).await, 403, "other sites");
    is_problem(&guarded.ask("GET /", &[("host", "evil.example")]).await, 403, "Host");
    assert_eq!(guarded.ask("GET /", &[("host", "cdc.example")]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_asks_too_often_is_told_when_to_come_back_and_probes_go_on() {
    let guarded = guarded(|config| {
        config.limits.requests_per_second = 1;
        config.limits.burst = 3;
    });
    for _ in 0..3 {
        assert_eq!(guarded.ask("GET /api/v1/jobs", &[]).await.status, 200);
    }
    let answer = guarded.ask("GET /api/v1/jobs", &[]).await;
    is_problem(&answer, 429, "too many requests");
    assert_eq!(guarded.ask("GET /healthz", &[]).await.status, 200);
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    tokio::time::advance(Duration::from_secs(wait)).await;
    assert_eq!(guarded.ask("GET /api/v1/jobs", &[]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn whoever_tries_tokens_is_slowed_down_and_locks_nobody_out() {
    let tokens = [("ops", Role::Operator)];
    let guarded = guarded_with(&tokens, |config| config.limits.failed_tokens_per_minute = 2);
    let guess = [("authorization", "Bearer sct_guess")];
    for _ in 0..2 {
        assert_eq!(guarded.ask("GET /api/v1/jobs", &guess).await.status, 401);
    }
    let answer = guarded.ask("GET /api/v1/jobs", &guess).await;
    is_problem(&answer, 429, "wrong tokens");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(guarded.ask_as("ops", "GET /api/v1/jobs").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_big_or_too_slow_reaches_no_route() {
    let guarded = guarded(|config| config.limits.body_bytes = 100);
    let told = guarded.send("POST /api/v1/jobs", &[], Body::from(vec![b'x'; 101])).await;
    is_problem(&told, 413, "100 bytes");
    let chunk = || Ok::<_, std::io::Error>(axum::body::Bytes::from_static(&[b'x'; 60]));
    let untold = Body::from_stream(stream::iter([chunk(), chunk()]));
    is_problem(&guarded.send("POST /api/v1/jobs", &[], untold).await, 413, "100 bytes");
    let fits = guarded.send("POST /api/v1/jobs", &[], Body::from(vec![b'x'; 100])).await;
    assert_eq!(fits.text, "- 100");

    let slow = Body::from_stream(stream::pending::<Result<axum::body::Bytes, std::io::Error>>());
    is_problem(&guarded.send("POST /api/v1/jobs", &[], slow).await, 408, "header_within");
    let broken = Body::from_stream(stream::iter([
        chunk(),
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
    ]));
    is_problem(&guarded.send("POST /api/v1/jobs", &[], broken).await, 400, "ended early");
}

#[tokio::test(start_paused = true)]
async fn what_only_reads_is_answered_in_time_and_streams_and_changes_are_waited_for() {
    let guarded = guarded(|_| ());
    is_problem(&guarded.ask("GET /api/v1/never", &[]).await, 503, "request_within");
    for what in ["GET /api/v1/stream", "POST /api/v1/never"] {
        let hour = Duration::from_secs(3600);
        assert!(timeout(hour, guarded.ask(what, &[])).await.is_err(), "{what}");
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_keep_to_themselves() {
    let guarded = guarded_with(&[("ops", Role::Operator)], |_| ());
    for what in ["GET /", "GET /api/v1/jobs", "GET /nothing"] {
        let answer = guarded.ask(what, &[]).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        let is_api = what.contains("/api/");
        assert_eq!(answer.headers.get("cache-control").is_some(), is_api, "{what}");
    }
}

#[test]
fn other_machines_are_let_in_by_tokens_or_by_an_explicit_word() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.state.dir = dir.path().to_owned();
    config.server.listen = "0.0.0.0:8083".parse().unwrap();
    let error = Gate::open(&config).err().unwrap().to_string();
    assert!(error.contains("0.0.0.0:8083") && error.contains("seachange token new"), "{error}");

    config.security.insecure = true;
    assert!(!Gate::open(&config).unwrap().needs_token());
    config.security.insecure = false;
    token::add(&config.tokens_file(), "ops", Role::Operator, chrono::DateTime::default()).unwrap();
    assert!(Gate::open(&config).unwrap().needs_token());
}
