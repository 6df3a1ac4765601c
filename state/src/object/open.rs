//! From a URL to a store of objects.

use std::path::{Component, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use model::StoreError;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::url::{Kind, ObjectUrl};

/// A request that fails is sent again within this time; who waits for it has a limit of their own.
const RETRIED_WITHIN: Duration = Duration::from_secs(20);
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// Of a whole request: the largest object is a few MiB.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// The place's store, and where in it the place is. Nothing is made or asked. What the URL does not
/// say comes from the environment, as the stores' own tools read it (`AWS_REGION`, …).
///
/// # Errors
/// [`StoreError::Io`] where the settings do not fit together.
pub fn open(url: &ObjectUrl) -> Result<(Arc<dyn ObjectStore>, Path), StoreError> {
    if url.kind == Kind::Directory {
        let prefix =
            directory(&url.path).map_err(|error| failed(url, "open a directory", error))?;
        return Ok((Arc::new(LocalFileSystem::new().with_fsync(true)), prefix));
    }
    let store = match url.kind {
        Kind::S3 => s3(url),
        Kind::Google => google(url),
        Kind::Azure => azure(url),
        Kind::Hdfs | Kind::Directory => hdfs(url),
    };
    let store = store.map_err(|error| failed(url, "open the object store", error))?;
    let prefix = Path::parse(&url.path).map_err(|error| failed(url, "use the path", error))?;
    Ok((store, prefix))
}

pub(crate) fn failed(
    store: &ObjectUrl,
    what: impl Into<String>,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Io { store: store.to_string(), what: what.into(), source: source.into() }
}

pub(crate) fn is_missing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
}

type Opened = Result<Arc<dyn ObjectStore>, Box<dyn std::error::Error + Send + Sync>>;

/// The directory as a path of the whole file system: it need not be there, and links in the part
/// that is are followed before a `..` leads out of them.
fn directory(path: &str) -> Result<Path, Box<dyn std::error::Error + Send + Sync>> {
    let absolute = std::path::absolute(path)?;
    let mut clean = PathBuf::from("/");
    for component in absolute.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean = clean.canonicalize().unwrap_or(clean);
                clean.pop();
            }
            Component::RootDir | Component::Prefix(_) | Component::CurDir => {}
        }
    }
    let text = clean.to_str().ok_or("its name is not UTF-8")?;
    Ok(Path::parse(text.trim_start_matches('/'))?)
}

fn retries() -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: 8, retry_timeout: RETRIED_WITHIN }
}

fn client() -> ClientOptions {
    // One TLS provider in the process, and chosen before the first connection asks for it.
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error says that one is chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    ClientOptions::new().with_connect_timeout(CONNECTED_WITHIN).with_timeout(ANSWERED_WITHIN)
}

/// Plain HTTP where the URL asks for it, by an option or by its endpoint's scheme.
fn plain(url: &ObjectUrl) -> bool {
    let endpoint = url.option("endpoint").unwrap_or_default();
    url.flag("allow_http").unwrap_or(endpoint.starts_with("http://"))
}

fn s3(url: &ObjectUrl) -> Opened {
    Ok(Arc::new(s3_builder(url).build()?))
}

pub(crate) fn s3_builder(url: &ObjectUrl) -> AmazonS3Builder {
    let mut options = client();
    let allowed = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|v| v.eq_ignore_ascii_case("true"));
    if plain(url) || allowed {
        options = options.with_allow_http(true);
    }
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&url.authority)
        .with_client_options(options)
        .with_retry(retries());
    if let Some(endpoint) = url.option("endpoint") {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = url.option("region") {
        builder = builder.with_region(region);
    }
    if let Some(path_style) = url.flag("path_style") {
        builder = builder.with_virtual_hosted_style_request(!path_style);
    }
    builder
}

fn google(url: &ObjectUrl) -> Opened {
    let mut options = client();
    if plain(url) {
        options = options.with_allow_http(true);
    }
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&url.authority)
        .with_client_options(options)
        .with_retry(retries());
    if let Some(endpoint) = url.option("endpoint") {
        builder = builder.with_config(GoogleConfigKey::BaseUrl, endpoint);
    }
    Ok(Arc::new(builder.build()?))
}

fn azure(url: &ObjectUrl) -> Opened {
    let mut options = client();
    if plain(url) {
        options = options.with_allow_http(true);
    }
    let mut builder =
        MicrosoftAzureBuilder::from_env().with_client_options(options).with_retry(retries());
    builder = match url.authority.split_once('@') {
        Some(_) => builder.with_url(format!("abfss://{}/", url.authority)),
        None => builder.with_container_name(&url.authority),
    };
    if let Some(account) = url.option("account") {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = url.option("endpoint") {
        builder = builder.with_endpoint(endpoint);
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "hdfs")]
fn hdfs(url: &ObjectUrl) -> Opened {
    let mut builder = hdfs_native_object_store::HdfsObjectStoreBuilder::new();
    // Without a name node in the URL it is Hadoop's `fs.defaultFS`.
    if !url.authority.is_empty() {
        builder = builder.with_url(format!("hdfs://{}", url.authority));
    }
    Ok(Arc::new(builder.with_config(url.options()).build()?))
}

#[cfg(not(feature = "hdfs"))]
fn hdfs(_: &ObjectUrl) -> Opened {
    Err("this build has no HDFS: build it with the feature `hdfs`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_a_path_from_the_root() {
        let here = std::env::current_dir().unwrap();
        let here = here.to_str().unwrap().trim_start_matches('/');
        for (path, expect) in [
            ("/var/./lib//state/", "var/lib/state".to_owned()),
            ("/var/none/../lib", "var/lib".to_owned()),
            ("state", format!("{here}/state")),
            ("./a b%20c/é", format!("{here}/a b%20c/é")),
            ("/", String::new()),
        ] {
            assert_eq!(directory(path).unwrap().as_ref(), expect, "{path}");
        }
    }

    #[tokio::test]
    async fn every_kind_opens_without_asking_anybody() {
        for url in [
            "/nowhere",
            "file:///nowhere",
            "s3://bucket/p?endpoint=http://127.0.0.1:1&region=x&path_style=false",
            "s3://bucket/p",
            "gs://bucket/p?endpoint=http://127.0.0.1:1",
            "az://container/p?account=a",
            "abfss://container@account.dfs.core.windows.net/p",
            "hdfs://127.0.0.1:1/p",
        ] {
            let (_, prefix) = open(&url.parse().unwrap()).unwrap();
            assert!(prefix.as_ref() == "p" || prefix.as_ref() == "nowhere", "{url}: {prefix}");
        }
        let error = open(&"az://container/p".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("az://container/p"), "{error}");
    }
}
