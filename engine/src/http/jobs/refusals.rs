//! What is not done, as a status and a kind of problem; and the same as the description tells it.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, openapi::ObjectBuilder, openapi::schema::Type};

use crate::http::problem::Problem;
use crate::jobs::Refused;

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::NoJob(_) | Refused::NoVersion { .. } => {
                Self::new(StatusCode::NOT_FOUND, detail)
            }
            Refused::Bad(_) => Self::unreadable(detail),
            Refused::InTheWay(_) => {
                Self::new(StatusCode::CONFLICT, detail).of_kind("/problems/in-the-way")
            }
            Refused::Outdated { .. } => {
                Self::new(StatusCode::CONFLICT, detail).of_kind("/problems/outdated")
            }
            Refused::Script(errors) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
                .of_kind("/problems/script")
                .with_errors(errors),
            Refused::Snapshot(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail).of_kind("/problems/snapshot")
            }
            Refused::SavepointFailed(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                .of_kind("/problems/savepoint-failed"),
            Refused::Leaving | Refused::State(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
        }
    }
}

/// Of every route that asks for a token.
pub(super) struct Guarded;
/// Of routes that have something in them or behind their `?` that can be wrong.
pub(super) struct Readable;
/// Of routes with a job in their path.
pub(super) struct OfJob;
/// Of routes that take a body.
pub(super) struct WithBody;
/// Of what a job's state may not allow.
pub(super) struct InTheWay;
/// Of what is done by a script.
pub(super) struct ByScript;
/// Of what begins with a snapshot that is named.
pub(super) struct BySnapshot;
/// Of what runs to its end even where nobody waits for it.
pub(super) struct Carried;

type Described = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for Guarded {
    fn responses() -> Described {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
        let retry = HeaderBuilder::new()
            .schema(Some(seconds))
            .description(Some("Seconds until it may be asked again"))
            .build();
        let slow = problem("Too many requests").header("Retry-After", retry).build();
        let mut described = described(&[
            ("401", "No token, or one that is not known"),
            ("403", "The token's role does not allow it, or another site's page asked"),
            ("503", UNAVAILABLE),
        ]);
        described.insert("429".to_owned(), RefOr::T(slow));
        described
    }
}

impl IntoResponses for Readable {
    fn responses() -> Described {
        described(&[("400", "A body, query or name that cannot be read")])
    }
}

impl IntoResponses for OfJob {
    fn responses() -> Described {
        described(&[
            ("400", "A body, query or name that cannot be read"),
            ("404", "No such job or version"),
        ])
    }
}

impl IntoResponses for WithBody {
    fn responses() -> Described {
        described(&[
            ("400", "A body, query or name that cannot be read"),
            ("408", "The body did not come in time"),
            ("413", "A body over the limit"),
            ("415", "A body that is not `application/json`"),
        ])
    }
}

impl IntoResponses for InTheWay {
    fn responses() -> Described {
        described(&[(
            "409",
            "`/problems/in-the-way`: the job's state, its name or the key of the request does \
             not allow it. `/problems/outdated`: it follows a version that is not the newest",
        )])
    }
}

impl IntoResponses for ByScript {
    fn responses() -> Described {
        described(&[("422", "`/problems/script`: the script is wrong, and where")])
    }
}

impl IntoResponses for BySnapshot {
    fn responses() -> Described {
        described(&[(
            "422",
            "`/problems/snapshot`: no such snapshot, or it cannot be restored. \
             `/problems/script`: the script is wrong by now, and where",
        )])
    }
}

impl IntoResponses for Carried {
    fn responses() -> Described {
        described(&[("500", "A fault of the daemon; its log has it")])
    }
}

const UNAVAILABLE: &str = "`/problems/savepoint-failed`: no savepoint was taken, and the job runs \
    on. `about:blank`: the daemon is ending, it took too long, or the state does not answer";

fn described(texts: &[(&str, &str)]) -> Described {
    let one =
        |(status, text): &(&str, &str)| ((*status).to_owned(), RefOr::T(problem(text).build()));
    texts.iter().map(one).collect()
}

fn problem(text: &str) -> ResponseBuilder {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(text).content("application/problem+json", content)
}
