//! The description of all this for programs, made from the handlers themselves.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi};

use crate::api::{Problem, Told};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Seachange",
        description = "Jobs of a daemon of Seachange. Refusals are problem documents (RFC 9457). \
                       Times are milliseconds since the epoch, in fields that end in `_ms`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem, Told)),
    security(("bearer" = [])),
    modifiers(&Bearer),
    tags(
        (name = "daemon", description = "The daemon itself"),
        (name = "jobs", description = "Jobs and their scripts"),
        (name = "run", description = "Starting and stopping"),
        (name = "snapshots", description = "Checkpoints and savepoints"),
        (name = "tables", description = "Tables of a job"),
        (name = "events", description = "What happened, and what happens"),
    ),
)]
pub(super) struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.description = Some("Asked for where the daemon has tokens".to_owned());
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(http));
    }
}

/// The path of what is about one job.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes; `extract::JobName` reads")]
pub(super) struct InJob {
    /// The job's path, with `%2F` for each `/`.
    #[param(
        min_length = 1,
        max_length = 500,
        example = "retail/orders/emp_sync",
        pattern = r"^[^/\x00-\x1f\x7f-\x9f]+(/[^/\x00-\x1f\x7f-\x9f]+)*$"
    )]
    job: String,
}

/// The path of a version of its script.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes; `extract::JobName` and `Number` read")]
pub(super) struct InVersion {
    /// The job's path, with `%2F` for each `/`.
    #[param(
        min_length = 1,
        max_length = 500,
        example = "retail/orders/emp_sync",
        pattern = r"^[^/\x00-\x1f\x7f-\x9f]+(/[^/\x00-\x1f\x7f-\x9f]+)*$"
    )]
    job: String,
    /// Counted from 1.
    #[param(minimum = 0, maximum = 4294967295u64)]
    number: u32,
}

/// The header of what is done once, however often it is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes; `once::Once` reads")]
pub(super) struct Key {
    /// For 24 hours the same key with the same request is answered as it was the first time.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 200,
        pattern = "^[\\x20-\\x7e]*$"
    )]
    key: Option<String>,
}
