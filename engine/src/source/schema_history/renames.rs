//! A table gets another name: it is followed under the new one, or let go.

use std::sync::Arc;

use binlog::event::QueryEvent;
use binlog::reader::Delivered;
use model::{TableName, TableSchema};

use super::super::ddl::{self, Touch};
use super::super::definition::{self, Altered, Renamed};
use super::super::{MySqlSource, SourceError};
use super::Told;

/// A table may be renamed twice in one statement (`a TO tmp, b TO a, tmp TO b`). The name in between
/// is nobody's to see, and no pattern's to match.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    /// The name it had, where the one it has here is one in between.
    began: Option<TableName>,
    /// The name it gets is.
    pub(super) goes_on: bool,
}

impl Hop {
    /// Of the `n`th of a statement's touches.
    pub(super) fn of(touches: &[Touch], n: usize) -> Self {
        let (before, rest) = touches.split_at(n.min(touches.len()));
        let Some((Touch::Rename { from, to }, after)) = rest.split_first() else {
            return Self { began: None, goes_on: false };
        };
        let mut began = None;
        for touch in before.iter().rev() {
            if let Touch::Rename { from: earlier, to } = touch
                && to == began.as_ref().unwrap_or(from)
            {
                began = Some(earlier.clone());
            }
        }
        let takes = |t: &Touch| matches!(t, Touch::Rename { from, .. } if from == to);
        Self { began, goes_on: after.iter().any(takes) }
    }
}

impl MySqlSource {
    pub(super) async fn renamed(
        &mut self,
        from: &TableName,
        to: TableName,
        hop: Hop,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        self.refuse_inside_a_pass(from)?;
        let wanted = hop.goes_on || self.tables.patterns.matches(&to);
        if self.let_go_of_quarantined(&to).is_some() {
            self.announce_dropped(&to, query, delivered);
        }
        if let Some(known) = self.let_go_of_quarantined(from) {
            if hop.began.is_none() {
                self.announce_dropped(from, query, delivered);
            }
            if wanted {
                tracing::warn!(table = %to, "it stays in quarantine under its new name");
                self.tables.apart.rename(known, &to);
            }
            return Ok(());
        }
        let Some(mut followed) = self.tables.followed.remove(from) else {
            if wanted && !hop.goes_on && !self.tables.followed.contains_key(&to) {
                return self.follow(&to, true, query, delivered).await;
            }
            return Ok(());
        };
        self.shared.planner.lock().await.remove(followed.plan);
        if hop.began.is_none() {
            self.announce_dropped(from, query, delivered);
        }
        if !wanted {
            return Ok(());
        }
        // ALTER … RENAME may change columns in the same statement.
        let alters = ddl::alters(&query.sql);
        let proven = followed.is_proven_at(&self.reader.position().binlog);
        let derived = match alters {
            true => definition::altered(&followed.schema, query, &self.dialect),
            false => Some(TableSchema::clone(&followed.schema).into()),
        };
        let exact = proven && derived.is_some();
        let Altered { schema, renamed, filled } =
            derived.unwrap_or_else(|| TableSchema::clone(&followed.schema).into());
        let (renamed, filled) = if exact { (renamed, filled) } else { (Renamed::new(), vec![]) };
        let schema = Arc::new(TableSchema { name: to.clone(), ..schema });
        followed.rename(Arc::clone(&schema));
        self.tables.followed.insert(to.clone(), followed);
        if hop.goes_on {
            return Ok(());
        }
        let renamed_from =
            Some(hop.began.map_or_else(|| from.clone(), |name| self.tables.stored(&name)));
        let told = Told { renamed, filled, renamed_from, ..Told::of(schema) };
        self.announce(&to, told, query, delivered);
        self.plan(&to).await;
        if exact { Ok(()) } else { self.redefine_quietly(&to).await }
    }

    async fn redefine_quietly(&mut self, table: &TableName) -> Result<(), SourceError> {
        let (found, read_at) = self.definition(table).await?;
        if let (Some(found), Some(followed)) = (found, self.tables.followed.get_mut(table))
            && found.schema != followed.schema
        {
            followed.read_at(read_at);
            let redefined = followed.redefine(found.schema);
            return self.planned_anew(table, redefined).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_between_is_seen_as_one() {
        let rename = |(from, to)| Touch::Rename {
            from: TableName::new("d", from),
            to: TableName::new("d", to),
        };
        let hops = |pairs: &[(&'static str, &'static str)]| -> Vec<(bool, bool)> {
            let touches: Vec<Touch> = pairs.iter().copied().map(rename).collect();
            let hop = |n| Hop::of(&touches, n);
            (0..touches.len()).map(|n| (hop(n).began.is_some(), hop(n).goes_on)).collect()
        };
        let swap = [("a", "tmp"), ("b", "a"), ("tmp", "b")];
        assert_eq!(hops(&swap), [(false, true), (false, false), (true, false)]);
        assert_eq!(hops(&[("a", "b"), ("b", "c")]), [(false, true), (true, false)]);
        let far: Vec<_> = [("a", "b"), ("x", "y"), ("b", "c"), ("c", "d")].map(rename).into();
        assert_eq!(Hop::of(&far, 3).began, Some(TableName::new("d", "a")));
        // As the tools that alter online cut over: no name is in between.
        assert_eq!(hops(&[("a", "_a_del"), ("_a_gho", "a")]), [(false, false); 2]);
    }
}
