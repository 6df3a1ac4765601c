use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::commands::run::SystemClock;
use crate::jobs::Settings;
use crate::serve::seal::{KeySource, Sealer};

mod fuzz;
mod walk;

/// The routes, asked without a socket.
struct Asked {
    router: Router,
    end: channel::Sender<bool>,
    _dir: tempfile::TempDir,
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Asked {
    /// A daemon without jobs.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = state::Registry::open(&dir.path().join("registry")).await.unwrap();
        let sealer = Sealer::open(&KeySource::Own(dir.path().join("key"))).unwrap();
        let settings = Settings {
            state: dir.path().join("state").to_str().unwrap().parse().unwrap(),
            work_dir: dir.path().join("work"),
            threads: 1,
            starts_at_once: 4,
            output_lines: 100,
        };
        let clock = Arc::new(SystemClock);
        let (jobs, waiting) = Jobs::open(registry, sealer, settings, clock).await.unwrap();
        let (end, ends) = channel::channel(false);
        let metrics: Metrics = Arc::new(|| "seachange_jobs 1\n".to_owned());
        let api = Api { jobs: Arc::clone(&jobs), metrics, started_at_ms: 7, ends };
        let asked = Self { router: routes(api), end, _dir: dir };
        asked.is_refused(("GET", "/readyz", ""), 503, "is bringing back its jobs").await;
        jobs.bring_back(waiting).await;
        asked
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = || Value::from(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Answered { status: head.status.as_u16(), headers: head.headers, body }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answered {
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn is_refused(&self, asked: (&str, &str, &str), status: u16, why: &str) {
        let (method, path, body) = asked;
        let answered = self.ask(method, path, body).await;
        answered.is_problem(status, why);
    }
}

impl Answered {
    fn is_problem(&self, status: u16, why: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        let detail = self.body["detail"].as_str().unwrap();
        assert!(detail.contains(why), "wanted {why:?}, got {detail:?}");
    }
}

const EMP: &str = "/api/v1/jobs/retail%2Femp";

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_its_field_and_place() {
    let asked = Asked::new().await;
    let start = format!("{EMP}/start");
    for (body, why) in [
        ("{", "line 1 column 1"),
        ("[]", "JSON object"),
        ("null", "JSON object"),
        ("\"latest\"", "JSON object"),
        (r#"{"form": "latest"}"#, "unknown field `form`"),
        (r#"{"from": "newest"}"#, "`from`: unknown variant `newest`"),
        (r#"{"from": 7}"#, "`from`"),
        (r#"{"from": {"custom": 17}}"#, "`from.custom`: invalid type: integer `17`"),
        (r#"{"from": {"custom": ""}}"#, "`from.custom` is empty"),
        (r#"{"resnapshot": ["a.b", 5]}"#, "`resnapshot[1]`: invalid type: integer `5`"),
        (r#"{"resnapshot": ["a.b", "a\u0000b"]}"#, "`resnapshot[1]` has a control character at 2"),
        (r#"{"allow_fallback": "yes"}"#, "`allow_fallback`"),
        (r#"{"allow_fallback": true} {}"#, "goes on after its end"),
        ("{\"from\": \"\u{0}\"}", "line 1"),
    ] {
        asked.is_refused(("POST", &start, body), 400, why).await;
    }
    let bytes = Request::post(&start).header("content-type", "application/json");
    let answered = asked.send(bytes.body(Body::from(vec![b'{', b'"', 0xff])).unwrap()).await;
    answered.is_problem(400, "the body");
    asked.is_refused(("POST", "/api/v1/jobs", ""), 400, "JSON object").await;
    asked.is_refused(("POST", "/api/v1/jobs", "{}"), 400, "missing field `script`").await;
    asked.is_refused(("POST", &format!("{EMP}/resume"), r#"{"from": 1}"#), 400, "`from`").await;
    asked.is_refused(("POST", &format!("{start}?from=none"), ""), 400, "no query").await;
}

#[tokio::test]
async fn queries_are_read_strictly() {
    let asked = Asked::new().await;
    for (path, why) in [
        ("/api/v1/jobs?limt=5", "unknown field `limt`"),
        ("/api/v1/jobs?limit=0", "`limit` = 0: give 1 to 5000"),
        ("/api/v1/jobs?limit=5001", "`limit` = 5001"),
        ("/api/v1/jobs?limit=many", "`limit`: invalid digit"),
        ("/api/v1/jobs?limit=", "`limit`"),
        ("/api/v1/jobs?limit=5&limit=6", "limit"),
        ("/api/v1/jobs?state=running", "unknown variant `running`"),
        ("/api/v1/jobs?search=%00", "`search` has a NUL"),
        ("/api/v1/events?before=-1", "`before`"),
        ("/api/v1/events?before=", "`before`"),
        ("/api/v1/events?kind=audit&kind=all", "unknown variant `all`"),
        ("/api/v1/jobs/a/output?after=x", "`after`"),
        ("/api/v1/jobs/a/samples?after_ms=1.5", "`after_ms`"),
        ("/api/v1/stream?since=x", "`since`"),
        ("/api/v1/stream?job=a//b", "empty part"),
    ] {
        asked.is_refused(("GET", path, ""), 400, why).await;
    }
    asked.is_refused(("DELETE", &format!("{EMP}?snapshots=1"), ""), 400, "`snapshots`").await;
}

#[tokio::test]
async fn names_that_cannot_be_are_refused_and_not_looked_for() {
    let asked = Asked::new().await;
    for (path, why) in [
        ("/api/v1/jobs/%00", "control character at 1"),
        ("/api/v1/jobs/a%2F%2Fb", "empty part"),
        ("/api/v1/jobs/a%2F", "empty part"),
        ("/api/v1/jobs/..%2Fa", "a part `..`"),
        ("/api/v1/jobs/%ff", "UTF-8"),
        ("/api/v1/jobs/a/versions/x", "`x` in the path is no version's number"),
        ("/api/v1/jobs/a/versions/4294967296", "no version's number"),
        ("/api/v1/jobs/a/versions/-1", "no version's number"),
    ] {
        asked.is_refused(("GET", path, ""), 400, why).await;
    }
    let long = format!("/api/v1/jobs/{}", "x".repeat(501));
    asked.is_refused(("GET", &long, ""), 400, "`job` has 501 characters; 500 are taken").await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let asked = Asked::new().await;
    for path in ["/api/v1", "/api/v2/jobs", "/api/v1/jobs/", "/api/v1/jobs//start", "/nothing"] {
        asked.is_refused(("GET", path, ""), 404, "nothing at this path").await;
    }
    for (method, path, allowed) in [
        ("PATCH", "/api/v1/jobs", "GET,HEAD,POST"),
        ("POST", EMP, "GET,HEAD,PUT,DELETE"),
        ("OPTIONS", "/api/v1/info", "GET,HEAD"),
        ("QUERY", "/api/v1/info", "GET,HEAD"),
        ("GET", "/api/v1/validate", "POST"),
        ("POST", "/healthz", "GET,HEAD"),
    ] {
        let answered = asked.ask(method, path, "").await;
        answered.is_problem(405, "another method");
        assert_eq!(answered.headers["allow"], allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn bodies_of_another_kind_or_too_large_are_refused() {
    let asked = Asked::new().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "x"] {
        let request = Request::post("/api/v1/jobs").header("content-type", kind);
        let answered = asked.send(request.body(Body::from("{}")).unwrap()).await;
        answered.is_problem(415, "application/json");
    }
    let request = Request::post("/api/v1/jobs").body(Body::from("{}")).unwrap();
    asked.send(request).await.is_problem(415, "application/json");
    let script = "x".repeat(crate::api::SCRIPT_BYTES_MAX + 1);
    let body = json!({ "script": script }).to_string();
    asked.is_refused(("POST", "/api/v1/jobs", &body), 413, "`script` has 1048577 bytes").await;
    let body = "x".repeat(limits::BODY_BYTES_MAX + 1);
    asked.is_refused(("POST", "/api/v1/jobs", &body), 413, "limit").await;
    let note = json!({ "script": "x", "note": "n".repeat(1001) }).to_string();
    asked.is_refused(("POST", "/api/v1/jobs", &note), 400, "`note` has 1001 characters").await;
    let tables = json!({ "tables": vec!["a.b"; 1001] }).to_string();
    let path = format!("{EMP}/tables/add");
    asked.is_refused(("POST", &path, &tables), 400, "names 1001 tables; 1000 are taken").await;
    asked.is_refused(("POST", &path, r#"{"tables": []}"#), 400, "`tables` is empty").await;
}

#[tokio::test]
async fn what_monitors_ask_is_answered() {
    let asked = Asked::new().await;
    let answered = asked.ask("GET", "/healthz", "").await;
    assert_eq!((answered.status, answered.body), (200, json!("ok\n")));
    let answered = asked.ask("GET", "/metrics", "").await;
    assert_eq!((answered.status, answered.body), (200, json!("seachange_jobs 1\n")));
    assert_eq!(answered.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let answered = asked.ask("GET", "/readyz", "").await;
    assert_eq!((answered.status, answered.body), (200, json!("ready\n")));
    asked.end.send_replace(true);
    asked.is_refused(("GET", "/readyz", ""), 503, "the daemon is ending").await;
}

#[tokio::test]
async fn the_description_is_served() {
    let answered = Asked::new().await.ask("GET", "/api/v1/openapi.json", "").await;
    assert_eq!(answered.headers["content-type"], "application/json");
    assert_eq!(answered.body["openapi"], "3.1.0");
}

fn described_routes() -> BTreeSet<String> {
    let description: Value = serde_json::from_str(description()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn the_page_of_the_api_and_its_description_name_the_same_routes() {
    let page = std::fs::read_to_string("../docs/api.md").unwrap();
    let routes = page.split("## Routes").nth(1).unwrap().split("## ").next().unwrap();
    let cells = routes.lines().filter_map(|line| line.strip_prefix("| `"));
    let named = cells.flat_map(|line| {
        line.split(" | ").next().unwrap().split('`').filter(|part| part.contains(" /"))
    });
    let named: BTreeSet<String> = named.map(|route| route.replace("GET / ", "GET /")).collect();
    let described = described_routes();
    let page_alone: Vec<_> = named.difference(&described).collect();
    // The page itself is for people.
    assert_eq!(page_alone, [&"GET /".to_owned()], "in docs/api.md alone");
    let unsaid: Vec<_> = described.difference(&named).collect();
    assert!(unsaid.is_empty(), "not in docs/api.md: {unsaid:?}");
}

#[test]
fn each_route_tells_every_refusal_that_may_meet_it() {
    let description: Value = serde_json::from_str(description()).unwrap();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let told: BTreeSet<&str> =
                operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            let place = format!("{method} {path}: {told:?}");
            let wants = |statuses: &[&str]| {
                assert!(statuses.iter().all(|status| told.contains(status)), "{place}");
            };
            if !matches!(path.as_str(), "/healthz" | "/readyz") {
                wants(&["401", "403", "429", "503"]);
            }
            if path.contains("{job}") {
                wants(&["400", "404"]);
            }
            if method != "get" && !path.ends_with("/validate") {
                wants(&["400", "409", "500"]);
            }
            if matches!(method.as_str(), "post" | "put") {
                wants(&["408", "413", "415"]);
            }
        }
    }
    let described = description.to_string();
    for part in described.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(description["components"]["schemas"][name].is_object(), "no schema {name}");
    }
}

#[test]
fn limits_are_those_that_the_description_tells() {
    let description: Value = serde_json::from_str(description()).unwrap();
    let schemas = &description["components"]["schemas"];
    let of = |schema: &str, field: &str| schemas[schema]["properties"][field].clone();
    assert_eq!(of("SubmitWish", "script")["maxLength"], crate::api::SCRIPT_BYTES_MAX);
    assert_eq!(of("SubmitWish", "note")["maxLength"], crate::api::NOTE_CHARS_MAX);
    assert_eq!(of("SubmitWish", "name")["maxLength"], crate::api::NAME_CHARS_MAX);
    assert_eq!(of("TableWish", "tables")["maxItems"], limits::TABLES_MAX);
    assert_eq!(schemas["SubmitWish"]["additionalProperties"], false);
    let key = &description["paths"]["/api/v1/jobs"]["post"]["parameters"][0];
    assert_eq!(key["schema"]["maxLength"], once::KEY_CHARS_MAX);
    assert_eq!(key["name"], "Idempotency-Key");
}
