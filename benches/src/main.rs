//! Speed, as ratios within one run: what Seachange needs against what the server's own tools need
//! for the same bytes, one after the other on the same machine.
//!
//! ```text
//! bench [PART]... [--write README] [--charts PAGE]
//!                                    measure (all parts by default)
//!                                    parts: bulk, oltp, decoder, snapshot, warehouse, shapes, tables, scale, columns, latency,
//!                                    idle
//! bench peers [PEER]...              beside other programs (benches/peers)
//! bench serve bulk|oltp              a server with the data of that part, for a profile
//! ```
//! `RUNS` (default 3) runs of each; the table shows medians.

mod chart;
mod columns;
mod decoder;
mod drain;
mod idle;
mod latency;
mod machine;
mod measure;
mod peers;
mod scale;
mod shapes;
mod snapshot;
mod stream;
mod table;
mod tables;
mod visible;
mod warehouse;
mod workload;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use tests::say;

use crate::chart::Chart;
use crate::machine::Machine;
use crate::table::{Figure, Line, Results};
use crate::workload::{Source, Workload};

const PARTS: [&str; 11] = [
    "bulk",
    "oltp",
    "decoder",
    "snapshot",
    "warehouse",
    "shapes",
    "tables",
    "scale",
    "columns",
    "latency",
    "idle",
];

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "serve") {
        let of = arguments.get(1).map(String::as_str);
        return serve(of.context("serve bulk, or serve oltp?")?).await;
    }
    if let Some(("peers", names)) = arguments.split_first().map(|(f, rest)| (f.as_str(), rest)) {
        return beside(names).await;
    }
    let readme = named(&mut arguments, "--write")?;
    let charts = named(&mut arguments, "--charts")?;
    if let Some(unknown) = arguments.iter().find(|a| !PARTS.contains(&a.as_str())) {
        bail!("no part `{unknown}`; known: {}", PARTS.join(", "));
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|a| a == part);
    let before = machine::load();
    let results = measure(wanted, runs()?).await?;
    let machine = Machine::this();
    let text = table::markdown(&machine.heading(&before, runs()?), &results);
    println!("{text}");
    if let Some(page) = readme {
        table::write(&page, &text)?;
        table::chart(&page.with_file_name("ratios.svg"), &results)?;
        table::remember(&page.with_file_name("history.jsonl"), &machine, &results)?;
    }
    if let Some(page) = charts {
        results.charts.iter().try_for_each(|chart| chart.write(&page, &machine))?;
    }
    Ok(())
}

/// Takes an option out of the arguments: the path of a page.
fn named(arguments: &mut Vec<String>, option: &str) -> Result<Option<PathBuf>> {
    let Some(at) = arguments.iter().position(|a| a == option) else { return Ok(None) };
    let page =
        arguments.get(at + 1).with_context(|| format!("{option} needs the path of a page"))?;
    let page = PathBuf::from(page);
    arguments.drain(at..=at + 1);
    Ok(Some(page))
}

async fn beside(names: &[String]) -> Result<()> {
    let tmpfs = tempfile::Builder::new().prefix("seachange-bench-").tempdir_in(tmpfs())?;
    let before = machine::load();
    let results = peers::beside(names, tmpfs.path(), runs()?).await?;
    println!("{}", table::markdown(&Machine::this().heading(&before, runs()?), &results));
    Ok(())
}

fn runs() -> Result<usize> {
    match std::env::var("RUNS") {
        Ok(text) => text.parse().context("RUNS is a number"),
        Err(_) => Ok(3),
    }
}

async fn measure(wanted: impl Fn(&str) -> bool, runs: usize) -> Result<Results> {
    // Raw copies go to memory: what is measured is the server and the tool, not a disk.
    let tmpfs = tempfile::Builder::new().prefix("seachange-bench-").tempdir_in(tmpfs())?;
    let mut lines = Told::default();
    if ["bulk", "decoder", "warehouse", "snapshot"].into_iter().any(&wanted) {
        let source = Source::with(Workload::Bulk).await?;
        if wanted("bulk") {
            lines.add(stream::against_raw(&source, tmpfs.path(), runs).await?);
            lines.add(stream::checkpoints(&source, runs).await?);
        }
        if wanted("decoder") {
            let file = stream::raw_copy(&source, tmpfs.path())?.first_file()?;
            lines.add(decoder::against_mysql_common(&file, runs)?);
        }
        if wanted("warehouse") {
            lines.add(warehouse::against_blackhole(&source, runs).await?);
        }
        if wanted("snapshot") {
            lines.add(snapshot::against_dumps(&source, runs).await?);
        }
    }
    if wanted("oltp") {
        let source = Source::with(Workload::Oltp).await?;
        lines.add(stream::against_raw(&source, tmpfs.path(), runs).await?);
    }
    if wanted("shapes") {
        lines.add(shapes::each(tmpfs.path(), runs).await?);
    }
    if wanted("tables") {
        let (ratios, charts) = tables::against_one(runs).await?;
        lines.add(ratios);
        lines.charts(charts);
    }
    if wanted("scale") {
        lines.charts(scale::rows(runs).await?);
    }
    if wanted("columns") {
        lines.charts(columns::each(runs)?);
    }
    if wanted("latency") {
        let (figures, charts) = latency::paced().await?;
        lines.figures(figures);
        lines.charts(charts);
    }
    if wanted("idle") {
        lines.figures(idle::quiet().await?);
    }
    Ok(lines.0)
}

/// Told as they come.
#[derive(Default)]
struct Told(Results);

impl Told {
    fn add(&mut self, new: Vec<Line>) {
        new.iter().for_each(|line| say(line.told()));
        self.0.lines.extend(new);
    }

    fn figures(&mut self, new: Vec<Figure>) {
        new.iter().for_each(|figure| say(format!("{}: {}", figure.what, figure.value)));
        self.0.figures.extend(new);
    }

    fn charts(&mut self, new: Vec<Chart>) {
        new.iter().for_each(|chart| say(chart.told()));
        self.0.charts.extend(new);
    }
}

fn tmpfs() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() }
}

async fn serve(what: &str) -> Result<()> {
    let workload = match what {
        "bulk" => Workload::Bulk,
        "oltp" => Workload::Oltp,
        other => bail!("serve bulk, or serve oltp; not `{other}`"),
    };
    let source = Source::with(workload).await?;
    if workload == Workload::Bulk {
        workload::grow_bulk(&source.server, snapshot::ROWS).await?;
    }
    for (name, script) in
        [("stream", stream::script(&source)), ("snapshot", snapshot::script(&source, 1))]
    {
        let path = std::env::temp_dir().join(format!("seachange-bench-{name}.sql"));
        std::fs::write(&path, script.text())?;
        println!("{}", path.display());
    }
    println!(
        "port {}, {} MB of binlog; ends with its standard input",
        source.server.port,
        source.bytes / 1_000_000
    );
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await?;
    Ok(())
}
