//! A place for objects, as a user names it.

use std::fmt;
use std::str::FromStr;

use ::url::form_urlencoded;

use crate::url::StateUrlError;

/// `file://DIR` (or a bare path), `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`,
/// `hdfs://NAMENODE:PORT/PATH`, with options behind a `?`. It holds no secret, so it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUrl {
    pub(super) kind: Kind,
    /// As it was written, in lower case; empty for a bare path.
    scheme: String,
    /// Bucket, container or name node; empty for a directory.
    pub(super) authority: String,
    /// Without a slash at its end; that of a directory as it was written, of all others without one
    /// at its start too.
    pub(super) path: String,
    /// As it was written.
    query: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    S3,
    Google,
    Azure,
    Hdfs,
}

const S3_OPTIONS: &str = "`endpoint`, `region`, `path_style`, `allow_http`";
const S3_VARIABLES: &str = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN";
const GOOGLE_OPTIONS: &str = "`endpoint`";
const GOOGLE_VARIABLES: &str = "GOOGLE_SERVICE_ACCOUNT, GOOGLE_SERVICE_ACCOUNT_KEY";
const AZURE_OPTIONS: &str = "`account`, `endpoint`, `allow_http`";
const AZURE_VARIABLES: &str =
    "AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_KEY, AZURE_STORAGE_CLIENT_SECRET";
const HDFS_OPTIONS: &str = "Hadoop's own, which have a dot in their name (`dfs.…`, `hadoop.…`)";
const HDFS_VARIABLES: &str = "HADOOP_USER_NAME, or a Kerberos ticket";

/// What a key of an option may not hold: such a thing is given by the environment.
const SECRET_WORDS: [&str; 7] =
    ["secret", "password", "token", "access_key", "sas", "credential", "account_key"];

impl Kind {
    fn of(scheme: &str) -> Result<Self, StateUrlError> {
        Ok(match scheme {
            "file" => Self::Directory,
            "s3" | "s3a" | "s3n" => Self::S3,
            "gs" | "gcs" => Self::Google,
            "az" | "azure" | "abfs" | "abfss" => Self::Azure,
            "hdfs" => Self::Hdfs,
            _ => {
                let hint = match scheme {
                    "oss" | "obs" | "cos" | "cosn" | "minio" | "r2" | "tos" | "bos" => {
                        "; a store that speaks S3's protocol is named `s3://BUCKET/PREFIX?endpoint=…`"
                    }
                    _ => "",
                };
                return Err(StateUrlError::UnknownScheme { scheme: scheme.to_owned(), hint });
            }
        })
    }

    fn options(self) -> (&'static str, &'static str) {
        match self {
            Self::Directory => ("none", "none are needed"),
            Self::S3 => (S3_OPTIONS, S3_VARIABLES),
            Self::Google => (GOOGLE_OPTIONS, GOOGLE_VARIABLES),
            Self::Azure => (AZURE_OPTIONS, AZURE_VARIABLES),
            Self::Hdfs => (HDFS_OPTIONS, HDFS_VARIABLES),
        }
    }

    fn has_option(self, option: &str) -> bool {
        match self {
            Self::Hdfs => option.contains('.'),
            Self::Directory | Self::S3 | Self::Google | Self::Azure => {
                self.options().0.contains(&format!("`{option}`"))
            }
        }
    }
}

impl ObjectUrl {
    /// The same place, one name deeper.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let path = match self.path.as_str() {
            "" if self.kind != Kind::Directory => name.to_owned(),
            "/" => format!("/{name}"),
            path => format!("{path}/{name}"),
        };
        Self { path, ..self.clone() }
    }

    /// The place that holds this one; the place itself where it has no name within its store.
    #[must_use]
    pub fn parent(&self) -> Self {
        let path = match self.path.rsplit_once('/') {
            Some(("", _)) if self.kind == Kind::Directory => "/",
            Some((parent, _)) => parent,
            None if self.kind == Kind::Directory => ".",
            None => "",
        };
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// The last name of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The path, where the place is a directory of this machine.
    pub(crate) fn directory(&self) -> Option<&std::path::Path> {
        (self.kind == Kind::Directory).then(|| std::path::Path::new(&self.path))
    }

    /// The value of an option, the last where it is there several times.
    pub(super) fn option(&self, name: &str) -> Option<String> {
        self.options().filter(|(key, _)| key == name).map(|(_, value)| value).last()
    }

    pub(super) fn options(&self) -> impl Iterator<Item = (String, String)> {
        form_urlencoded::parse(self.query.as_bytes())
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
    }

    /// True, false, or not said.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.option(name).map(|value| value == "true")
    }

    fn check(self) -> Result<Self, StateUrlError> {
        let scheme = || self.scheme.clone();
        let (known, variables) = self.kind.options();
        let user = self.authority.split_once('@').map(|(user, _)| user);
        let may_have_user = self.scheme.starts_with("abfs");
        if user.is_some_and(|user| !may_have_user || user.contains(':')) {
            return Err(StateUrlError::Secret { scheme: scheme(), variables });
        }
        for (option, value) in self.options() {
            let lower = option.to_ascii_lowercase();
            if SECRET_WORDS.iter().any(|word| lower.contains(word)) || value.contains('@') {
                return Err(StateUrlError::Secret { scheme: scheme(), variables });
            }
            if !self.kind.has_option(&option) {
                return Err(StateUrlError::UnknownOption { scheme: scheme(), option, known });
            }
            let flag = matches!(option.as_str(), "path_style" | "allow_http");
            if flag && !matches!(value.as_str(), "true" | "false") {
                let expected = "true or false";
                return Err(StateUrlError::BadOption { scheme: scheme(), option, expected });
            }
            let is_url = value.starts_with("http://") || value.starts_with("https://");
            if option == "endpoint" && !is_url {
                let expected = "a URL: http://HOST:PORT or https://HOST";
                return Err(StateUrlError::BadOption { scheme: scheme(), option, expected });
            }
        }
        let incomplete =
            |what, example| Err(StateUrlError::Incomplete { scheme: scheme(), what, example });
        match self.kind {
            Kind::Directory if self.path.is_empty() => {
                incomplete("a directory", "`file:///var/lib/seachange`")
            }
            Kind::S3 | Kind::Google if self.authority.is_empty() => {
                incomplete("a bucket", "`s3://BUCKET/PREFIX`")
            }
            Kind::Azure if self.authority.is_empty() => {
                incomplete("a container", "`az://CONTAINER/PREFIX`")
            }
            Kind::Directory | Kind::S3 | Kind::Google | Kind::Azure | Kind::Hdfs => Ok(self),
        }
    }
}

impl FromStr for ObjectUrl {
    type Err = StateUrlError;

    fn from_str(text: &str) -> Result<Self, StateUrlError> {
        let directory = |scheme: &str, path: &str| Self {
            kind: Kind::Directory,
            scheme: scheme.to_owned(),
            authority: String::new(),
            path: trimmed(path),
            query: String::new(),
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            // As Hadoop writes it too: `file:/DIR`.
            return match text.strip_prefix("file:") {
                _ if text.is_empty() => Err(StateUrlError::Empty),
                Some(path) if path.starts_with('/') => directory("file", path).check(),
                _ => directory("", text).check(),
            };
        };
        let scheme = scheme.to_ascii_lowercase();
        let kind = Kind::of(&scheme)?;
        if kind == Kind::Directory {
            return directory(&scheme, rest).check();
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let path = path.trim_matches('/').to_owned();
        if let Err(why) = object_store::path::Path::parse(&path) {
            return Err(StateUrlError::BadPath { scheme, why: why.to_string() });
        }
        let (authority, query) = (authority.to_owned(), query.to_owned());
        Self { kind, scheme, authority, path, query }.check()
    }
}

/// Without slashes at the end; the root stays.
fn trimmed(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" if path.starts_with('/') => "/".to_owned(),
        path => path.to_owned(),
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}://", self.scheme)?;
        }
        f.write_str(&self.authority)?;
        if self.kind != Kind::Directory && !self.path.is_empty() {
            f.write_str("/")?;
        }
        f.write_str(&self.path)?;
        if !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ObjectUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_form_reads_back_as_it_prints() {
        for text in [
            "/var/lib/seachange",
            "./state",
            "file:///var/lib/seachange",
            "file://./state",
            "s3://bucket",
            "s3a://bucket/a/b",
            "s3://bucket/a?endpoint=http://127.0.0.1:9000&region=us-east-1&path_style=true",
            "gs://bucket/a",
            "az://container/a?account=acc",
            "abfss://container@account.dfs.core.windows.net/a",
            "hdfs://nn:8020/a",
            "hdfs:///a",
            "hdfs://ns/a?dfs.ha.namenodes.ns=nn1,nn2",
        ] {
            assert_eq!(url(text).to_string(), text);
        }
        assert_eq!(url("file:/x/").to_string(), "file:///x");
        assert_eq!(url("S3://bucket/a/").to_string(), "s3://bucket/a");
    }

    #[test]
    fn a_name_deeper_and_back() {
        for (text, deeper) in [
            ("/x", "/x/n"),
            ("file:///", "file:///n"),
            ("x", "x/n"),
            ("s3://b?region=r", "s3://b/n?region=r"),
            ("s3://b/p?region=r", "s3://b/p/n?region=r"),
            ("hdfs://nn:1/p", "hdfs://nn:1/p/n"),
        ] {
            let joined = url(text).join("n");
            assert_eq!((joined.to_string().as_str(), joined.name()), (deeper, "n"));
            assert_eq!(joined.parent(), url(text));
        }
        assert_eq!(url("x").parent(), url("."));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_to_write() {
        for (text, word) in [
            ("", "empty"),
            ("file://", "needs a directory"),
            ("s3://", "needs a bucket"),
            ("s3:///x", "needs a bucket"),
            ("gs://", "needs a bucket"),
            ("az:///x", "needs a container"),
            ("s3://b/a//b", "path"),
            ("s3://b/../c", "path"),
            ("s3://b?regoin=x", "no option `regoin`"),
            ("s3://b?path_style=yes", "true or false"),
            ("s3://b?endpoint=127.0.0.1:9000", "http://HOST:PORT"),
            ("hdfs://nn/p?user=x", "dfs.…"),
            ("ftp://x/y", "no place for state"),
        ] {
            let error = text.parse::<ObjectUrl>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_are_refused_unseen() {
        for text in [
            "s3://key:hush@b/p",
            "s3://key@b/p",
            "s3://b/p?aws_secret_access_key=hush",
            "s3://b/p?endpoint=http://u:hush@127.0.0.1:9000",
            "az://c/p?sas_token=hush",
            "abfss://c:hush@a.dfs.core.windows.net/p",
            "gs://b?service_account_credentials=hush",
            "hdfs://u:hush@nn/p",
        ] {
            let error = text.parse::<ObjectUrl>().unwrap_err();
            assert!(matches!(error, StateUrlError::Secret { .. }), "{text}: {error}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
