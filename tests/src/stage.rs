//! A job that prints, and statements whose every line is foretold.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{Job, Script, Server};

const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the table that [`Stage::row`] writes to.
pub const TABLE: &str = "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(2000))";

/// A job that follows all tables of database `d` and prints them. Database `o` is another's.
pub struct Stage<'s> {
    pub server: &'s Server,
    pub job: Job,
    seen: usize,
    marks: u32,
}

impl<'s> Stage<'s> {
    /// Makes the databases, runs `setup`, which is to leave every table empty, and starts the job.
    pub async fn begin(server: &'s Server, setup: &str) -> Result<Self> {
        Self::with(server, setup, |script| script).await
    }

    /// The same with another script.
    pub async fn with(
        server: &'s Server,
        setup: &str,
        change: impl FnOnce(Script) -> Script,
    ) -> Result<Self> {
        let databases = "CREATE DATABASE d DEFAULT CHARACTER SET utf8mb4;\nCREATE DATABASE o";
        server.sql(&format!("{databases};\nCREATE TABLE d.mark (id INT PRIMARY KEY)")).await?;
        server.sql(setup).await?;
        let job = Job::new("stage")?;
        let script = Script::new("stage", server, "d", ".*").print();
        job.script(&change(script.set("restart-strategy", "none")))?;
        let mut stage = Self { server, job, seen: 0, marks: 0 };
        stage.start(&[]).await?;
        stage.job.live(PATIENCE).await?;
        Ok(stage)
    }

    /// Starts the job, for the first time or again.
    pub async fn start(&mut self, arguments: &[&str]) -> Result<()> {
        self.seen = 0;
        self.job.start(arguments)
    }

    /// Stops the job and starts it again.
    pub async fn again(&mut self) -> Result<()> {
        self.job.sigterm().await?;
        self.start(&[]).await
    }

    /// Inserts one row into `d.t`, and expects it.
    pub async fn row(&mut self, id: u32) -> Result<()> {
        let sql = format!("INSERT INTO d.t VALUES ({id}, 'x')");
        self.expect(&sql, &[&format!("d.t> +I[{id}, x]")]).await
    }

    /// Runs statements on one connection, and expects these lines of them and no others. Of a line
    /// that ends in `…` only the beginning counts.
    pub async fn expect(&mut self, sql: &str, lines: &[&str]) -> Result<()> {
        self.server.sql(sql).await?;
        self.come(lines).await.with_context(|| format!("after `{sql}`"))
    }

    /// Expects these lines of all that has been written.
    pub async fn come(&mut self, lines: &[&str]) -> Result<()> {
        let got = self.lines().await?;
        let same = |(got, line): (&String, &&str)| match line.strip_suffix('…') {
            Some(beginning) => got.starts_with(beginning),
            None => got == line,
        };
        let all = got.len() == lines.len() && got.iter().zip(lines).all(same);
        ensure!(all, "{got:#?}\nexpected {lines:#?}");
        Ok(())
    }

    /// What has come since the last look.
    pub async fn lines(&mut self) -> Result<Vec<String>> {
        self.marks += 1;
        let mark = format!("d.mark> +I[{}]", self.marks);
        self.server.sql(&format!("INSERT INTO d.mark VALUES ({})", self.marks)).await?;
        self.job.wait_for(&mark, PATIENCE, |job| job.stdout().contains(&mark)).await?;
        let all = self.job.stdout();
        let new = all.iter().skip(self.seen).filter(|line| **line != mark).cloned().collect();
        self.seen = all.len();
        Ok(new)
    }

    /// Expects the job to end by itself, with exit code 1 and all of `words` in its last error.
    pub async fn ends(&mut self, words: &[&str]) -> Result<()> {
        let code = self.job.wait_exit(PATIENCE).await?;
        let log = self.job.stderr();
        ensure!(code == 1, "exit code {code}, not 1:\n{log}");
        ensure!(!log.contains("panicked"), "{log}");
        for word in words {
            ensure!(log.contains(word), "`{word}` is not in:\n{log}");
        }
        Ok(())
    }
}
