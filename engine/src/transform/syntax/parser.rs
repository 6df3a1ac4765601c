//! Words and signs → trees, by precedence climbing.

use super::{Expr, HEIGHT_MAX, Kind, Piece, Projected, TypeName, Wrong};

pub(super) struct Parser {
    pieces: Vec<(Piece, usize)>,
    next: usize,
    depth: u16,
}

/// How tightly an operator binds.
mod binds {
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const NOT: u8 = 3;
    pub(super) const COMPARE: u8 = 4;
    pub(super) const ADD: u8 = 5;
    pub(super) const MULTIPLY: u8 = 6;
    pub(super) const NEGATE: u8 = 7;
}

/// Words that end an expression, or stand within one, and so name nothing without quotes.
const RESERVED: [&str; 18] = [
    "AS", "AND", "OR", "NOT", "IS", "IN", "LIKE", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "END",
    "FROM", "FOR", "ESCAPE", "NULL", "DISTINCT",
];

impl Parser {
    pub(super) fn new(pieces: Vec<(Piece, usize)>) -> Self {
        Self { pieces, next: 0, depth: 0 }
    }

    pub(super) fn projection(mut self) -> Result<Vec<Projected>, Wrong> {
        let mut all = Vec::new();
        loop {
            all.push(self.projected()?);
            if !self.takes(",") {
                break;
            }
        }
        self.ends("a comma, `AS` or the end")?;
        Ok(all)
    }

    pub(super) fn filter(mut self) -> Result<Expr, Wrong> {
        let expr = self.expr(0)?;
        self.ends("an operator or the end")?;
        Ok(expr)
    }

    pub(super) fn names(mut self) -> Result<Vec<(String, usize)>, Wrong> {
        let mut names = Vec::new();
        loop {
            let at = self.at();
            names.push((self.name("the name of a column")?, at));
            if !self.takes(",") {
                break;
            }
        }
        self.ends("a comma or the end")?;
        Ok(names)
    }

    fn projected(&mut self) -> Result<Projected, Wrong> {
        // A star at the beginning is escaped in YAML.
        self.takes("\\");
        if self.takes("*") {
            return Ok(Projected::All);
        }
        let expr = self.expr(0)?;
        let named = self.takes_word("AS");
        let bare = match self.peek() {
            Piece::Quoted(_) => true,
            Piece::Word(word, _) => !RESERVED.contains(&word.as_str()),
            Piece::Number(_) | Piece::Text(_) | Piece::Sign(_) | Piece::End => false,
        };
        let name = if named || bare { Some(self.name("a name")?) } else { None };
        Ok(Projected::One { expr, name })
    }

    fn peek(&self) -> &Piece {
        self.pieces.get(self.next).map_or(&Piece::End, |(piece, _)| piece)
    }

    fn at(&self) -> usize {
        self.pieces.get(self.next).or(self.pieces.last()).map_or(0, |(_, at)| *at)
    }

    fn take(&mut self) -> Piece {
        let piece = self.peek().clone();
        self.next += 1;
        piece
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Piece::Sign(found) if found == sign);
        self.next += usize::from(found);
        found
    }

    fn is_word(&self, ahead: usize, wanted: &str) -> bool {
        let piece = self.pieces.get(self.next + ahead);
        matches!(piece, Some((Piece::Word(word, _), _)) if word == wanted)
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let found = self.is_word(0, wanted);
        self.next += usize::from(found);
        found
    }

    fn wants(&mut self, sign: &str) -> Result<(), Wrong> {
        if self.takes(sign) { Ok(()) } else { Err(self.expected(&format!("`{sign}`"))) }
    }

    fn wants_word(&mut self, word: &str) -> Result<(), Wrong> {
        if self.takes_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    fn ends(&self, what: &str) -> Result<(), Wrong> {
        if *self.peek() == Piece::End { Ok(()) } else { Err(self.expected(what)) }
    }

    fn expected(&self, what: &str) -> Wrong {
        let found = match self.peek() {
            Piece::Word(_, word) | Piece::Quoted(word) => format!("`{word}`"),
            Piece::Number(text) | Piece::Sign(text) => format!("`{text}`"),
            Piece::Text(_) => "a text".to_owned(),
            Piece::End => "the end".to_owned(),
        };
        Wrong::new(self.at(), format!("expected {what}, found {found}"))
    }

    fn name(&mut self, what: &str) -> Result<String, Wrong> {
        match self.peek() {
            Piece::Word(_, name) | Piece::Quoted(name) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            Piece::Number(_) | Piece::Text(_) | Piece::Sign(_) | Piece::End => {
                Err(self.expected(what))
            }
        }
    }

    /// An expression whose operators bind at least as tightly as `least`.
    fn expr(&mut self, least: u8) -> Result<Expr, Wrong> {
        self.depth += 1;
        if self.depth > HEIGHT_MAX {
            return Err(too_deep(self.at()));
        }
        let mut left = self.prefix()?;
        while let Some((name, binds)) = self.infix().filter(|(_, binds)| *binds >= least) {
            let at = self.at();
            left = match name.as_str() {
                "IS" => self.is(left, at)?,
                "IN" | "LIKE" | "BETWEEN" | "NOT" => self.tested(left, at)?,
                _ => {
                    self.next += 1;
                    let right = self.expr(binds + 1)?;
                    call(&name, vec![left, right], at)?
                }
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// The operator that comes next.
    fn infix(&self) -> Option<(String, u8)> {
        let (name, binds) = match self.peek() {
            Piece::Sign(sign) => match sign.as_str() {
                "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=" => (sign, binds::COMPARE),
                "+" | "-" => (sign, binds::ADD),
                "*" | "/" | "%" | "||" => (sign, binds::MULTIPLY),
                _ => return None,
            },
            Piece::Word(word, _) => match word.as_str() {
                "OR" => (word, binds::OR),
                "AND" => (word, binds::AND),
                "IS" | "IN" | "LIKE" | "BETWEEN" => (word, binds::COMPARE),
                "NOT" if ["IN", "LIKE", "BETWEEN"].iter().any(|next| self.is_word(1, next)) => {
                    (word, binds::COMPARE)
                }
                _ => return None,
            },
            Piece::Quoted(_) | Piece::Number(_) | Piece::Text(_) | Piece::End => return None,
        };
        Some((if name == "!=" { "<>".to_owned() } else { name.clone() }, binds))
    }

    fn is(&mut self, left: Expr, at: usize) -> Result<Expr, Wrong> {
        self.next += 1;
        let negated = self.takes_word("NOT");
        let name = match self.take() {
            Piece::Word(word, _) => match word.as_str() {
                "NULL" | "UNKNOWN" => "IS NULL",
                "TRUE" => "IS TRUE",
                "FALSE" => "IS FALSE",
                _ => "",
            },
            Piece::Quoted(_) | Piece::Number(_) | Piece::Text(_) | Piece::Sign(_) | Piece::End => {
                ""
            }
        };
        if name.is_empty() {
            self.next -= 1;
            return Err(self.expected("`NULL`, `TRUE`, `FALSE` or `UNKNOWN`"));
        }
        negate(call(name, vec![left], at)?, negated)
    }

    /// `[NOT] IN`, `LIKE`, `BETWEEN`.
    fn tested(&mut self, left: Expr, at: usize) -> Result<Expr, Wrong> {
        let negated = self.takes_word("NOT");
        let test = if self.takes_word("IN") {
            self.wants("(")?;
            let mut arguments = vec![left];
            arguments.extend(self.list()?);
            call("IN", arguments, at)
        } else if self.takes_word("LIKE") {
            let mut arguments = vec![left, self.expr(binds::ADD)?];
            if self.takes_word("ESCAPE") {
                arguments.push(self.expr(binds::ADD)?);
            }
            call("LIKE", arguments, at)
        } else {
            self.wants_word("BETWEEN")?;
            let low = self.expr(binds::ADD)?;
            self.wants_word("AND")?;
            let high = self.expr(binds::ADD)?;
            call("BETWEEN", vec![left, low, high], at)
        };
        negate(test?, negated)
    }

    /// At least one expression, and the bracket that closes.
    fn list(&mut self) -> Result<Vec<Expr>, Wrong> {
        let mut list = vec![self.expr(0)?];
        while self.takes(",") {
            list.push(self.expr(0)?);
        }
        self.wants(")")?;
        Ok(list)
    }

    fn prefix(&mut self) -> Result<Expr, Wrong> {
        let at = self.at();
        let word = match self.take() {
            Piece::Number(number) => return Ok(leaf(Kind::Number(number), at)),
            Piece::Text(text) => return Ok(leaf(Kind::Text(text), at)),
            Piece::Quoted(name) => return Ok(leaf(Kind::Name(name), at)),
            Piece::Sign(sign) => {
                return match sign.as_str() {
                    "(" => {
                        let inner = self.expr(0)?;
                        self.wants(")")?;
                        Ok(inner)
                    }
                    "-" => match self.expr(binds::NEGATE)? {
                        // The least of integers has no positive counterpart.
                        Expr { kind: Kind::Number(number), .. } if !number.starts_with('-') => {
                            Ok(leaf(Kind::Number(format!("-{number}")), at))
                        }
                        negated => call("NEGATE", vec![negated], at),
                    },
                    "+" => self.expr(binds::NEGATE),
                    _ => {
                        self.next -= 1;
                        Err(self.expected("an expression"))
                    }
                };
            }
            Piece::End => {
                self.next -= 1;
                return Err(self.expected("an expression"));
            }
            Piece::Word(word, written) => (word, written),
        };
        self.word(&word.0, word.1, at)
    }

    fn word(&mut self, word: &str, written: String, at: usize) -> Result<Expr, Wrong> {
        let is_text = matches!(self.peek(), Piece::Text(_));
        match word {
            "NULL" => Ok(leaf(Kind::Null, at)),
            "TRUE" => Ok(leaf(Kind::Bool(true), at)),
            "FALSE" => Ok(leaf(Kind::Bool(false), at)),
            "NOT" => {
                let inner = self.expr(binds::NOT)?;
                call("NOT", vec![inner], at)
            }
            "CASE" => self.case(at),
            "DATE" | "TIMESTAMP" if is_text => {
                let text = self.expr(binds::NEGATE)?;
                let name = word.to_owned();
                built(Kind::Cast(Box::new(text), TypeName { name, numbers: vec![6], at }), at)
            }
            "CAST" if self.takes("(") => {
                let inner = self.expr(0)?;
                self.wants_word("AS")?;
                let ty = self.type_name()?;
                self.wants(")")?;
                built(Kind::Cast(Box::new(inner), ty), at)
            }
            "TRIM" if self.takes("(") => self.trim(at),
            "SUBSTRING" if self.takes("(") => {
                let mut arguments = vec![self.expr(0)?];
                if self.takes_word("FROM") {
                    arguments.push(self.expr(0)?);
                    if self.takes_word("FOR") {
                        arguments.push(self.expr(0)?);
                    }
                    self.wants(")")?;
                } else {
                    self.wants(",")?;
                    arguments.extend(self.list()?);
                }
                call("SUBSTR", arguments, at)
            }
            word if RESERVED.contains(&word) => {
                self.next -= 1;
                Err(self.expected("an expression"))
            }
            word if self.takes("(") => {
                let arguments = if self.takes(")") { Vec::new() } else { self.list()? };
                call(word, arguments, at)
            }
            _ if matches!(self.peek(), Piece::Sign(sign) if sign == ".") => Err(Wrong::new(
                at,
                format!("`{written}.…`: columns are named alone, for a transform reads one table"),
            )),
            _ => Ok(leaf(Kind::Name(written), at)),
        }
    }

    fn case(&mut self, at: usize) -> Result<Expr, Wrong> {
        let operand = if self.is_word(0, "WHEN") { None } else { Some(Box::new(self.expr(0)?)) };
        let mut whens = Vec::new();
        while self.takes_word("WHEN") {
            let when = self.expr(0)?;
            self.wants_word("THEN")?;
            whens.push((when, self.expr(0)?));
        }
        if whens.is_empty() {
            return Err(self.expected("`WHEN`"));
        }
        let otherwise = if self.takes_word("ELSE") { Some(Box::new(self.expr(0)?)) } else { None };
        self.wants_word("END")?;
        built(Kind::Case { operand, whens, otherwise }, at)
    }

    /// `TRIM(text)`, `TRIM(LEADING 'x' FROM text)`.
    fn trim(&mut self, at: usize) -> Result<Expr, Wrong> {
        let side = ["BOTH", "LEADING", "TRAILING"].into_iter().find(|side| self.takes_word(side));
        let name = match side {
            Some("LEADING") => "LTRIM",
            Some("TRAILING") => "RTRIM",
            _ => "TRIM",
        };
        let mut arguments = Vec::new();
        let bare = side.is_some() && self.takes_word("FROM");
        arguments.push(self.expr(0)?);
        if !bare && self.takes_word("FROM") {
            // The text first, as other functions have it.
            arguments.insert(0, self.expr(0)?);
        }
        self.wants(")")?;
        call(name, arguments, at)
    }

    fn type_name(&mut self) -> Result<TypeName, Wrong> {
        let at = self.at();
        let name = self.name("a type")?.to_ascii_uppercase();
        let mut numbers = Vec::new();
        if self.takes("(") {
            loop {
                let Piece::Number(number) = self.peek() else {
                    return Err(self.expected("a number"));
                };
                let number = number.parse();
                numbers.push(number.map_err(|_| self.expected("a smaller number"))?);
                self.next += 1;
                if !self.takes(",") {
                    break;
                }
            }
            self.wants(")")?;
        }
        Ok(TypeName { name, numbers, at })
    }
}

fn leaf(kind: Kind, at: usize) -> Expr {
    Expr { kind, at, height: 0 }
}

fn call(name: &str, arguments: Vec<Expr>, at: usize) -> Result<Expr, Wrong> {
    built(Kind::Call(name.to_owned(), arguments), at)
}

fn negate(expr: Expr, negated: bool) -> Result<Expr, Wrong> {
    let at = expr.at;
    if negated { call("NOT", vec![expr], at) } else { Ok(expr) }
}

fn built(kind: Kind, at: usize) -> Result<Expr, Wrong> {
    let height = match &kind {
        Kind::Name(_) | Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => 0,
        Kind::Call(_, arguments) => highest(arguments.iter()),
        Kind::Case { operand, whens, otherwise } => highest(
            whens
                .iter()
                .flat_map(|(when, then)| [when, then])
                .chain(operand.as_deref())
                .chain(otherwise.as_deref()),
        ),
        Kind::Cast(inner, _) => inner.height,
    };
    if height >= HEIGHT_MAX { Err(too_deep(at)) } else { Ok(Expr { kind, at, height: height + 1 }) }
}

fn highest<'e>(parts: impl Iterator<Item = &'e Expr>) -> u16 {
    parts.map(|part| part.height).max().unwrap_or(0)
}

fn too_deep(at: usize) -> Wrong {
    Wrong::new(at, format!("more than {HEIGHT_MAX} operations within one another"))
}
