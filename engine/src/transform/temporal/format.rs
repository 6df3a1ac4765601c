//! Forms of days and times by the letters of Java's `SimpleDateFormat`, as far as they are numbers.

use model::value::{Date, DateTime};

use super::made;

/// `yyyy-MM-dd HH:mm:ss`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transform) struct Format(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Field, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    /// Of twelve.
    HalfDayHour,
    Minute,
    Second,
    Millisecond,
    HalfDay,
}

impl Format {
    /// # Errors
    /// What cannot be understood.
    pub(in crate::transform) fn read(pattern: &str) -> Result<Self, String> {
        if pattern.contains('%') {
            return Err("the letters are those of Java, for instance `yyyy-MM-dd`".to_owned());
        }
        let mut parts = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                let mut literal = String::new();
                loop {
                    match chars.next() {
                        Some('\'') if chars.next_if_eq(&'\'').is_some() => literal.push('\''),
                        Some('\'') => break,
                        Some(c) => literal.push(c),
                        None => return Err("a quote is not closed".to_owned()),
                    }
                }
                parts.push(Part::Literal(if literal.is_empty() { "'".into() } else { literal }));
                continue;
            }
            if !c.is_ascii_alphabetic() {
                parts.push(Part::Literal(c.to_string()));
                continue;
            }
            let mut width = 1;
            while chars.next_if_eq(&c).is_some() {
                width += 1;
            }
            let field = match c {
                'y' => Field::Year,
                'M' if width <= 2 => Field::Month,
                'd' => Field::Day,
                'H' => Field::Hour,
                'h' => Field::HalfDayHour,
                'm' => Field::Minute,
                's' => Field::Second,
                'S' => Field::Millisecond,
                'a' => Field::HalfDay,
                _ => {
                    let letters = c.to_string().repeat(width);
                    return Err(format!(
                        "`{letters}` is not understood: there are y, M, MM, d, H, h, m, s, S and a"
                    ));
                }
            };
            parts.push(Part::Field(field, width));
        }
        Ok(Self(parts))
    }

    /// Characters that it writes, at most.
    pub(in crate::transform) fn width(&self) -> usize {
        let width = |part: &Part| match part {
            Part::Literal(text) => text.chars().count(),
            Part::Field(_, width) => (*width).max(4),
        };
        self.0.iter().map(width).sum()
    }

    pub(in crate::transform) fn write(&self, v: &DateTime) -> String {
        let mut text = String::new();
        for part in &self.0 {
            let (field, width) = match part {
                Part::Literal(literal) => {
                    text.push_str(literal);
                    continue;
                }
                Part::Field(field, width) => (*field, *width),
            };
            let number = match field {
                Field::Year if width == 2 => u32::from(v.date.year % 100),
                Field::Year => u32::from(v.date.year),
                Field::Month => u32::from(v.date.month),
                Field::Day => u32::from(v.date.day),
                Field::Hour => u32::from(v.hour),
                Field::HalfDayHour => match v.hour % 12 {
                    0 => 12,
                    hour => u32::from(hour),
                },
                Field::Minute => u32::from(v.minute),
                Field::Second => u32::from(v.second),
                Field::Millisecond => v.micros / 1000,
                Field::HalfDay => {
                    text.push_str(if v.hour < 12 { "AM" } else { "PM" });
                    continue;
                }
            };
            text.push_str(&format!("{number:0width$}"));
        }
        text
    }

    /// `None` for a text of another form, and for what no calendar or clock has.
    pub(in crate::transform) fn parse(&self, text: &str) -> Option<DateTime> {
        let mut rest = text;
        let mut found =
            DateTime { date: Date { year: 1970, month: 1, day: 1 }, ..DateTime::default() };
        let (mut afternoon, mut halved) = (false, false);
        for (number, part) in self.0.iter().enumerate() {
            let (field, width) = match part {
                Part::Literal(literal) => {
                    rest = rest.strip_prefix(literal.as_str())?;
                    continue;
                }
                Part::Field(field, width) => (*field, *width),
            };
            if field == Field::HalfDay {
                afternoon = rest.get(..2)?.eq_ignore_ascii_case("PM");
                let known = afternoon || rest.get(..2)?.eq_ignore_ascii_case("AM");
                rest = rest.get(2..).filter(|_| known)?;
                continue;
            }
            // Digits end at the next sign, or by their number where another field follows.
            let packed = matches!(self.0.get(number + 1), Some(Part::Field(..)));
            let longest = if packed { width } else { width.max(4) };
            let digits = rest.bytes().take(longest).take_while(u8::is_ascii_digit).count();
            let value: u32 =
                rest.get(..digits).filter(|digits| !digits.is_empty())?.parse().ok()?;
            rest = rest.get(digits..)?;
            let small = u8::try_from(value);
            match field {
                Field::Year if width == 2 && value < 100 => {
                    found.date.year = u16::try_from(2000 + value).ok()?;
                }
                Field::Year => found.date.year = u16::try_from(value).ok()?,
                Field::Month => found.date.month = small.ok()?,
                Field::Day => found.date.day = small.ok()?,
                Field::Hour => found.hour = small.ok()?,
                Field::HalfDayHour => {
                    halved = true;
                    found.hour = small.ok().filter(|hour| (1..=12).contains(hour))? % 12;
                }
                Field::Minute => found.minute = small.ok()?,
                Field::Second => found.second = small.ok()?,
                Field::Millisecond => found.micros = value.checked_mul(1000)?,
                Field::HalfDay => {}
            }
        }
        if halved && afternoon {
            found.hour += 12;
        }
        let Date { year, month, day } = found.date;
        let time = [found.hour, found.minute, found.second].map(u32::from);
        let [hour, minute, second] = time;
        let whole =
            made(year.into(), month.into(), day.into(), [hour, minute, second, found.micros]);
        whole.filter(|_| rest.is_empty())
    }
}
