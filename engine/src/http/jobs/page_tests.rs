use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

fn script() -> File {
    let text = "let a = 1;\n".repeat(100);
    let data = Cow::Owned(text.into_bytes());
    let metadata = rust_embed::Metadata::__rust_embed_new([7; 32], None, None);
    File::of("js/app.js", EmbeddedFile { data, metadata }).unwrap()
}

fn asks(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect()
}

#[test]
fn every_file_of_the_page_is_in_the_binary() {
    let mut on_disk = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("ui")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { on_disk.push(path) }
        }
    }
    let name =
        |path: &std::path::PathBuf| path.strip_prefix("ui").unwrap().to_str().unwrap().to_owned();
    let mut on_disk: Vec<String> = on_disk.iter().map(name).collect();
    let mut embedded: Vec<String> = Ui::iter().map(|name| name.into_owned()).collect();
    on_disk.sort();
    embedded.sort();
    assert_eq!(embedded, on_disk, "build again: a new file is seen when this source changes");
}

#[tokio::test]
async fn a_file_is_sent_with_its_kind_and_packed_where_that_is_taken() {
    let file = script();
    let answer = file.answer(&asks(&[]));
    assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
    assert!(!answer.headers().contains_key("content-encoding"));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), file.plain);
    let packed = file.answer(&asks(&[("accept-encoding", "deflate, gzip;q=0.9")]));
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.headers()["vary"], "accept-encoding");
    let packed = packed.into_body().collect().await.unwrap().to_bytes();
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*packed), &mut plain).unwrap();
    assert_eq!(plain, file.plain);
    let refused = file.answer(&asks(&[("accept-encoding", "gzip;q=0")]));
    assert!(!refused.headers().contains_key("content-encoding"));
}

#[test]
fn a_file_that_the_asker_has_is_not_sent_again() {
    let file = script();
    let tag = file.plain_tag.to_str().unwrap();
    for had in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let answer = file.answer(&asks(&[("if-none-match", &had)]));
        assert_eq!(answer.status(), 304, "{had}");
        assert_eq!(answer.headers()["etag"], tag);
        assert!(!answer.headers().contains_key("content-type"));
    }
    assert_eq!(file.answer(&asks(&[("if-none-match", "\"other\"")])).status(), 200);
    let packed = [("if-none-match", tag), ("accept-encoding", "gzip")];
    assert_eq!(file.answer(&asks(&packed)).status(), 200, "the packed one is another");
}

#[tokio::test]
async fn the_first_page_is_at_the_root() {
    let root = routes::<()>().oneshot(Request::get("/").body(Body::empty()).unwrap()).await;
    let root = root.unwrap();
    if Ui::get(FIRST).is_some() {
        assert_eq!(root.headers()["content-type"], "text/html; charset=utf-8");
    } else {
        assert_eq!(root.status(), 404);
    }
}
