//! What people and programs do, against real jobs. Their source is a port where nobody listens.

use super::*;

const SCRIPT: &str = "\
SET pipeline.name = retail/emp;
EXECUTE CDCSOURCE emp WITH (
  'connector' = 'mysql-cdc',
  'hostname' = '127.0.0.1',
  'port' = '1',
  'username' = 'root',
  'password' = 'planted-secret',
  'table-name' = 'emp_1\\.employees_[0-9]+',
  'sink.connector' = 'print'
);
";

impl Asked {
    /// Asks, and holds the answer against the description.
    async fn walk(&self, method: &str, path: &str, body: &Value) -> Answered {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answered = self.ask(method, path, &body).await;
        let place = format!("{method} {path} {body}: {} {}", answered.status, answered.body);
        assert!(!answered.body.to_string().contains("planted-secret"), "{place}");
        let description: Value = serde_json::from_str(description()).unwrap();
        let template = template(&description, path);
        let responses = &description["paths"][template][method.to_lowercase()]["responses"];
        let told = &responses[answered.status.to_string()];
        assert!(told.is_object(), "not in the description: {place}");
        if answered.status != 204 {
            let kind = answered.headers["content-type"].to_str().unwrap();
            assert!(told["content"][kind].is_object(), "{kind} is not in the description: {place}");
        }
        answered
    }

    async fn gets(&self, path: &str) -> Value {
        let answered = self.walk("GET", path, &Value::Null).await;
        assert_eq!(answered.status, 200, "{path}: {}", answered.body);
        answered.body
    }

    async fn submits(&self, name: &str) {
        let wish = json!({ "script": SCRIPT, "name": name });
        assert_eq!(self.walk("POST", "/api/v1/jobs", &wish).await.status, 201);
    }
}

/// The path of the description that a path is of.
fn template(description: &Value, path: &str) -> String {
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let (ours, theirs) = (path.split('/'), template.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours.zip(theirs).all(|(one, other)| one == other || other.starts_with('{'))
    };
    let paths = description["paths"].as_object().unwrap();
    paths.keys().find(|template| fits(template)).unwrap().clone()
}

#[tokio::test]
async fn a_job_is_submitted_listed_changed_and_forgotten() {
    let asked = Asked::new().await;
    let wish = json!({ "script": SCRIPT, "note": "the first" });
    let new = asked.walk("POST", "/api/v1/jobs", &wish).await;
    assert_eq!((new.status, &new.body["name"]), (201, &json!("retail/emp")), "{}", new.body);
    let again = asked.walk("POST", "/api/v1/jobs", &wish).await;
    assert_eq!((again.status, &again.body["version"]), (200, &json!(1)));
    asked.submits("retail/orders/a").await;
    asked.submits("b").await;

    let names = |list: &Value| -> Vec<String> {
        let jobs = list["jobs"].as_array().unwrap();
        jobs.iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
    };
    let list = asked.gets("/api/v1/jobs?folder=retail").await;
    assert_eq!(names(&list), ["retail/emp", "retail/orders/a"]);
    let list = asked.gets("/api/v1/jobs?search=EMP&state=created&state=failed").await;
    assert_eq!((names(&list), &list["total"]), (vec!["retail/emp".to_owned()], &json!(1)));
    assert_eq!(list["counts"], json!({ "created": 3 }));
    let page = asked.gets("/api/v1/jobs?limit=2").await;
    let next = page["next"].as_str().unwrap().replace('/', "%2F");
    let last = asked.gets(&format!("/api/v1/jobs?limit=2&after={next}")).await;
    assert_eq!([names(&page), names(&last)].concat(), ["b", "retail/emp", "retail/orders/a"]);
    assert_eq!(last["next"], Value::Null);
    assert_eq!(asked.gets("/api/v1/info").await["jobs"], json!({ "created": 3 }));

    let other = SCRIPT.replace("'port' = '1'", "'port' = '2'");
    let update = json!({ "script": other, "after": 1, "note": "another port" });
    let edited = asked.walk("PUT", EMP, &update).await;
    assert_eq!((edited.status, &edited.body["changed"]), (200, &json!(true)), "{}", edited.body);
    let outdated = asked.walk("PUT", EMP, &json!({ "script": SCRIPT, "after": 1 })).await;
    outdated.is_problem(409, "version 1 is not the newest: 2 is");
    assert_eq!(outdated.body["type"], "/problems/outdated");
    let versions = asked.gets(&format!("{EMP}/versions")).await;
    assert_eq!(versions["versions"][0]["note"], "another port");
    let text = asked.gets(&format!("{EMP}/versions/1")).await;
    assert!(text["script"].as_str().unwrap().contains("******"), "{text}");

    let path = format!("{EMP}?snapshots=true");
    assert_eq!(asked.walk("DELETE", &path, &Value::Null).await.status, 204);
    asked.walk("DELETE", EMP, &Value::Null).await.is_problem(404, "there is no job `retail/emp`");
}

#[tokio::test]
async fn what_is_not_done_says_why_and_of_which_kind_that_is() {
    let asked = Asked::new().await;
    asked.submits("a").await;
    let wrong = json!({ "script": SCRIPT.replace("'port' = '1'", "'port' = 'x'") });
    let refused = asked.walk("POST", "/api/v1/jobs", &wrong).await;
    refused.is_problem(422, "`port` is `x`");
    assert_eq!(refused.body["type"], "/problems/script");
    assert_eq!(refused.body["errors"][0]["line"], 5, "{}", refused.body);
    let taken = json!({ "script": SCRIPT.replace("'1'", "'2'"), "name": "a" });
    let refused = asked.walk("POST", "/api/v1/jobs", &taken).await;
    refused.is_problem(409, "there is a job `a` already");
    assert_eq!(refused.body["type"], "/problems/in-the-way");

    let told = asked.walk("POST", "/api/v1/validate", &wrong).await;
    assert_eq!((told.status, &told.body["valid"]), (200, &json!(false)));
    let right = json!({ "script": SCRIPT });
    let told = asked.walk("POST", "/api/v1/validate", &right).await;
    assert_eq!((told.status, &told.body["valid"]), (200, &json!(true)), "{}", told.body);
    let of_none = json!({ "script": SCRIPT, "job": "no/such" });
    asked.walk("POST", "/api/v1/validate", &of_none).await.is_problem(404, "`no/such`");

    for (method, path, body, status) in [
        ("POST", "/api/v1/jobs/a/savepoints", Value::Null, 409),
        ("POST", "/api/v1/jobs/a/resume", json!({}), 409),
        ("POST", "/api/v1/jobs/a/restore", json!({ "snapshot": "17" }), 422),
        ("POST", "/api/v1/jobs/a/tables/release", json!({ "tables": ["x.y"] }), 409),
        ("POST", "/api/v1/jobs/a/tables/resnapshot", json!({ "tables": ["x.y"] }), 400),
        ("GET", "/api/v1/jobs/a/versions/9", Value::Null, 404),
        ("GET", "/api/v1/jobs/b", Value::Null, 404),
        ("GET", "/api/v1/jobs/b/output", Value::Null, 404),
        ("GET", "/api/v1/jobs/b/samples", Value::Null, 404),
        ("GET", "/api/v1/jobs/b/tables", Value::Null, 404),
        ("GET", "/api/v1/jobs/b/events", Value::Null, 404),
        ("GET", "/api/v1/jobs/b/snapshots", Value::Null, 404),
        ("GET", "/api/v1/jobs/b/versions", Value::Null, 404),
        ("GET", "/api/v1/stream?job=b", Value::Null, 404),
        ("PUT", "/api/v1/jobs/b", json!({ "note": "" }), 404),
        ("POST", "/api/v1/jobs/b/start", Value::Null, 404),
        ("POST", "/api/v1/jobs/b/stop", json!({ "kind": "cancel" }), 404),
        ("POST", "/api/v1/jobs/b/pause", Value::Null, 404),
        ("POST", "/api/v1/jobs/b/tables/add", json!({ "tables": ["x.y"] }), 404),
        ("POST", "/api/v1/jobs/b/tables/drop", json!({ "tables": ["x.y"] }), 404),
    ] {
        asked.walk(method, path, &body).await.is_problem(status, "");
    }
}

#[tokio::test]
async fn what_is_asked_again_is_done_once() {
    let asked = Asked::new().await;
    asked.submits("a").await;
    for (path, body) in [
        ("/api/v1/jobs/a/stop", json!({ "kind": "smart" })),
        ("/api/v1/jobs/a/stop", json!({ "kind": "cancel" })),
    ] {
        let halted = asked.walk("POST", path, &body).await;
        assert_eq!((halted.status, &halted.body["savepoint"]), (200, &Value::Null));
    }
    let keyed = |script: &str| {
        let body = json!({ "script": script, "name": "c" }).to_string();
        Request::post("/api/v1/jobs")
            .header("content-type", "application/json")
            .header("Idempotency-Key", "k-1")
            .body(Body::from(body))
            .unwrap()
    };
    assert_eq!(asked.send(keyed(SCRIPT)).await.status, 201);
    assert_eq!(asked.send(keyed(SCRIPT)).await.status, 201, "as the first time");
    asked.send(keyed("SET a = b;")).await.is_problem(409, "was used for another request");
}

#[tokio::test]
async fn a_job_that_cannot_reach_its_source_is_started_shown_and_cancelled() {
    let asked = Asked::new().await;
    asked.submits("a").await;
    let stream = Request::get("/api/v1/stream?since=0&job=a").body(Body::empty()).unwrap();
    let stream = asked.router.clone().oneshot(stream).await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let start = json!({ "from": "none", "allow_fallback": true });
    let job = asked.walk("POST", "/api/v1/jobs/a/start", &start).await;
    assert_eq!((job.status, &job.body["wanted"]), (200, &json!("running")), "{}", job.body);
    assert_eq!(asked.walk("POST", "/api/v1/jobs/a/start", &Value::Null).await.status, 200);
    asked.walk("DELETE", "/api/v1/jobs/a", &Value::Null).await.is_problem(409, "stop it first");
    let halted = asked.walk("POST", "/api/v1/jobs/a/stop", &json!({ "kind": "cancel" })).await;
    assert_eq!((halted.status, &halted.body["job"]["wanted"]), (200, &json!("stopped")));
    for path in ["tables", "output?limit=5", "samples?after_ms=5", "snapshots"] {
        asked.gets(&format!("/api/v1/jobs/a/{path}")).await;
    }
    let events = asked.gets("/api/v1/jobs/a/events?kind=state&kind=audit&limit=50").await;
    let text = events.to_string();
    assert!(text.contains("submitted it") && text.contains("\"state\":\"stopped\""), "{text}");
    let newest = asked.gets("/api/v1/events?limit=1").await;
    assert_eq!(newest["events"][0], events["events"][0]);
    let mut stream = stream.into_body();
    let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(first.contains("event: event") && first.contains("submitted it"), "{first}");
    asked.end.send_replace(true);
    stream.collect().await.unwrap();
}
