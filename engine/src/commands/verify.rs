//! `seachange verify`: does the target hold what the source holds?

use std::sync::Arc;

use super::run::SystemClock;
use super::{Usage, exit, show};
use crate::cli::VerifyArgs;
use crate::daemon::sink_context;
use crate::verify::{self, Choice, VerifyError};

pub async fn run(args: &VerifyArgs) -> anyhow::Result<u8> {
    let job = super::read_job(&args.script)?;
    if let Some(why) = verify::refusal(&job) {
        return Err(Usage(why).into());
    }
    let url = super::state_url(&args.state, job.checkpointing.dir.as_deref())?;
    let store = state::open_read_only(&url, &job.name)?;
    let choice = Choice {
        tables: args.tables.clone(),
        keys_max: args.keys,
        rows_per_second: args.rows_per_second.map(std::num::NonZeroU32::get),
        parallelism: usize::from(args.parallelism.get()),
        wait: args.wait,
    };
    let context = |spec: &job::SinkSpec| sink_context(&job, spec, Arc::new(SystemClock));
    let compared = Box::pin(verify::run(&job, store, &choice, context)).await;
    let report = match compared {
        Ok(report) => report,
        Err(VerifyError::NoSnapshot) => {
            return Err(anyhow::anyhow!("{url}: {}", VerifyError::NoSnapshot));
        }
        Err(error) => return Err(error.into()),
    };
    if args.json {
        show(format!("{:#}", report.json(args.show_values)))?;
    } else {
        show(report.text(args.show_values))?;
    }
    Ok(if report.is_equal() { exit::DONE } else { exit::CHECK })
}
