//! When people are told. Pure: told how jobs stand and the time, it says what is to be sent.
//!
//! A rule looks at one job at a time. What it watches for *holds* or does not; it is told once it has
//! held for the rule's `for`, told anew when it comes to mean more (another table), and once more when
//! it is over. A change that a sink did not follow is no state that could be over: each is told once.

mod condition;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use self::condition::{Condition, Holds};
use super::config::{self, AlertsError, AlertsErrors, Config, Repeat};
use super::observation::Observation;

/// What becomes known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    Raised,
    /// It still holds.
    Reminded,
    /// It holds no more.
    Settled,
}

impl News {
    pub fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Reminded => "reminded",
            Self::Settled => "settled",
        }
    }
}

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub rule: String,
    pub job: String,
    pub news: News,
    pub text: String,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// Since when it holds.
    pub since_ms: i64,
    /// Names.
    pub channels: Vec<String>,
}

impl Message {
    /// In one line.
    pub fn title(&self) -> String {
        match self.news {
            News::Raised => format!("{}: {}", self.rule, self.job),
            News::Reminded => format!("still {}: {}", self.rule, self.job),
            News::Settled => format!("settled: {}: {}", self.rule, self.job),
        }
    }
}

/// The rules, and what they know of each job.
#[derive(Debug)]
pub struct Rules {
    repeat: Repeat,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    condition: Condition,
    jobs: Vec<String>,
    lasts: Duration,
    remind: Option<Duration>,
    channels: Vec<String>,
    standings: BTreeMap<String, Standing>,
}

/// What a rule knows of a job.
#[derive(Debug, Default)]
struct Standing {
    counted: condition::Counted,
    holds: Option<Held>,
    /// When messages were sent, as far as the limit looks back.
    sent: VecDeque<i64>,
    /// Messages that the limit held back since the last one that was sent.
    held_back: u64,
}

#[derive(Debug)]
struct Held {
    since_ms: i64,
    /// What it meant when it was told last; `None`: not told yet.
    told: Option<Vec<String>>,
    told_at_ms: i64,
    /// People know of it.
    is_known: bool,
    /// It was held back, for the job had been told of often enough.
    waits: bool,
}

impl Rule {
    fn of(rule: &config::Rule, name: String, channels: &[&str]) -> Result<Self, String> {
        if let Some(unknown) = rule.channels.iter().find(|c| !channels.contains(&&***c)) {
            return Err(format!("there is no channel `{unknown}`"));
        }
        let all = || channels.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self {
            condition: Condition::of(rule)?,
            jobs: rule.jobs.clone(),
            lasts: rule.lasts,
            remind: rule.remind,
            channels: if rule.channels.is_empty() { all() } else { rule.channels.clone() },
            standings: BTreeMap::new(),
            name,
        })
    }
}

impl Rules {
    /// # Errors
    /// Rules that make no sense.
    pub fn new(config: &Config) -> Result<Self, AlertsErrors> {
        let channels: Vec<&str> = config.channels.iter().map(|channel| &*channel.name).collect();
        let (mut rules, mut errors) = (Vec::new(), AlertsErrors::default());
        let mut names = BTreeSet::new();
        for rule in &config.rules {
            let name = rule.name.clone().unwrap_or_else(|| rule.when.name().to_owned());
            let made = match names.insert(name.clone()) {
                true => Rule::of(rule, name.clone(), &channels),
                false => Err("another rule has this name: give one a `name`".to_owned()),
            };
            match made {
                Ok(rule) => rules.push(rule),
                Err(what) => errors.0.push(AlertsError::Rule { rule: name, what }),
            }
        }
        errors.or(Self { repeat: config.repeat, rules })
    }

    /// Looks at all jobs: one that is missing is gone, and forgotten.
    pub fn observe(&mut self, observations: &[Observation], now_ms: i64) -> Vec<Message> {
        let mut messages = Vec::new();
        for rule in &mut self.rules {
            let mut known = std::mem::take(&mut rule.standings);
            for seen in observations {
                if !is_meant(&rule.jobs, &seen.job) {
                    continue;
                }
                let (job, standing) = known
                    .remove_entry(&seen.job)
                    .unwrap_or_else(|| (seen.job.clone(), Standing::default()));
                rule.standings.insert(job, standing);
                rule.look(seen, now_ms, self.repeat, &mut messages);
            }
        }
        messages
    }
}

impl Rule {
    fn look(&mut self, seen: &Observation, now_ms: i64, repeat: Repeat, out: &mut Vec<Message>) {
        let Some(standing) = self.standings.get_mut(&seen.job) else { return };
        let message = |news, text, since_ms| Message {
            rule: self.name.clone(),
            job: seen.job.clone(),
            news,
            text,
            at_ms: now_ms,
            since_ms,
            channels: self.channels.clone(),
        };
        match self.condition.look(seen, now_ms, &mut standing.counted) {
            Holds::Not => {
                let Some(held) = standing.holds.take().filter(|held| held.is_known) else {
                    return;
                };
                let lasted = u64::try_from(now_ms - held.since_ms).unwrap_or_default() / 1000;
                let lasted = humantime::format_duration(Duration::from_secs(lasted));
                let text = format!("It is over, after {lasted}. The job is {}.", seen.state.name());
                out.push(message(News::Settled, text, held.since_ms));
            }
            Holds::Once(texts) => {
                for text in texts {
                    if let Some(text) = standing.let_out(text, now_ms, repeat) {
                        out.push(message(News::Raised, text, now_ms));
                    }
                }
            }
            Holds::Since { since_ms, means, text } => {
                let held = standing.holds.get_or_insert_with(|| Held {
                    since_ms: since_ms.unwrap_or(now_ms),
                    told: None,
                    told_at_ms: now_ms,
                    is_known: false,
                    waits: false,
                });
                let Some(news) = held.news(&means, now_ms, self.lasts, self.remind) else {
                    // What is over and comes again is news.
                    if let Some(told) = &mut held.told {
                        told.retain(|what| means.contains(what));
                    }
                    return;
                };
                let (since_ms, waited) = (held.since_ms, std::mem::replace(&mut held.waits, true));
                // Held back once, however often it is looked at.
                standing.held_back = standing.held_back.saturating_sub(u64::from(waited));
                let Some(text) = standing.let_out(text, now_ms, repeat) else { return };
                if let Some(held) = &mut standing.holds {
                    (held.told, held.told_at_ms) = (Some(means), now_ms);
                    (held.is_known, held.waits) = (true, false);
                }
                out.push(message(news, text, since_ms));
            }
        }
    }
}

impl Held {
    /// What there is to tell, if anything.
    fn news(
        &self,
        means: &[String],
        now_ms: i64,
        lasts: Duration,
        remind: Option<Duration>,
    ) -> Option<News> {
        let passed = |since_ms: i64, time: Duration| {
            u128::try_from(now_ms - since_ms).is_ok_and(|passed| passed >= time.as_millis())
        };
        match &self.told {
            None => passed(self.since_ms, lasts).then_some(News::Raised),
            Some(told) if means.iter().any(|what| !told.contains(what)) => Some(News::Raised),
            Some(_) => remind.filter(|time| passed(self.told_at_ms, *time)).map(|_| News::Reminded),
        }
    }
}

impl Standing {
    /// The text, unless the limit holds it back; with how many it has held back.
    fn let_out(&mut self, text: String, now_ms: i64, repeat: Repeat) -> Option<String> {
        let window = i64::try_from(repeat.within.as_millis()).unwrap_or(i64::MAX);
        while self.sent.front().is_some_and(|at| now_ms.saturating_sub(*at) >= window) {
            self.sent.pop_front();
        }
        if self.sent.len() >= repeat.messages {
            self.held_back += 1;
            return None;
        }
        self.sent.push_back(now_ms);
        Some(match std::mem::take(&mut self.held_back) {
            0 => text,
            held => format!("{text} ({held} more before this one were held back)"),
        })
    }
}

/// Whether a job is among those of the patterns.
fn is_meant(patterns: &[String], job: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, job))
}

/// `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(begin) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, behind)) = left.split_once(part) else { return false };
        left = behind;
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests;
