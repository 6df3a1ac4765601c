//! A load's options bound to its table: which field goes where, and what becomes of one that does not fit.

use crate::System;
use crate::table::{Column, KeyModel, Misfit, Sequence, Table, Type, Value};
use crate::txn::Refusal;

use super::convert::convert;
use super::json::Wanted;
use super::options::{Assigned, Format, not_built};
use super::{Field, Operation, Options, Row};

const DELETE_SIGN: &str = "__DORIS_DELETE_SIGN__";
const SEQUENCE: &str = "__DORIS_SEQUENCE_COL__";
const OP: &str = "__op";
/// Bytes (`primary_key_limit_size`).
const KEY_MAX: usize = 128;

#[derive(Debug)]
pub struct Plan<'a> {
    system: System,
    table: &'a Table,
    options: &'a Options,
    slots: Vec<Slot>,
    /// Of every row that does not say otherwise.
    operation: Operation,
    is_json: bool,
}

/// A field of every record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    name: String,
    target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Column(usize),
    DeleteSign,
    Op,
    /// The hidden sequence column.
    Sequence,
    /// Read and dropped.
    Nothing,
}

impl<'a> Plan<'a> {
    /// # Errors
    /// Columns that the table lacks, and columns that it must have and the load does not name.
    pub fn new(system: System, table: &'a Table, options: &'a Options) -> Result<Self, Refusal> {
        let is_json = matches!(options.format, Format::Json(_));
        let operation = if options.deletes_all { Operation::Delete } else { Operation::Upsert };
        let mut plan = Self { system, table, options, slots: Vec::new(), operation, is_json };
        if options.deletes_all && table.model != KeyModel::Unique {
            let text = "load by MERGE or DELETE is only supported in unique tables.";
            return Err(plan.plan_error(text));
        }
        match &options.columns {
            Some(columns) => plan.take_named(columns)?,
            None => plan.take_all()?,
        }
        plan.check_sequence()?;
        plan.check_absent()?;
        Ok(plan)
    }

    /// How many fields a record has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.slots.len()
    }

    /// What JSON is asked for.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted<'_>> {
        let is_json = |slot: &Slot| match slot.target {
            Target::Column(at) => self.table.columns.get(at).is_some_and(|c| c.ty == Type::Json),
            Target::DeleteSign | Target::Op | Target::Sequence | Target::Nothing => false,
        };
        let slots = self.slots.iter();
        slots.map(|slot| Wanted { name: &slot.name, is_json: is_json(slot) }).collect()
    }

    /// # Errors
    /// Why this record is no row of the table.
    pub fn row(&self, fields: &[Field]) -> Result<Row, String> {
        let mut values: Vec<Option<Value>> = vec![None; self.table.columns.len()];
        let mut operation = self.operation;
        let mut sequence = None;
        for (slot, field) in self.slots.iter().zip(fields) {
            match slot.target {
                Target::Column(at) => {
                    if let (Some(column), Some(value)) =
                        (self.table.columns.get(at), values.get_mut(at))
                    {
                        *value = Some(self.value(column, field)?);
                    }
                }
                Target::DeleteSign | Target::Op => {
                    operation = operation_of(&slot.name, field, self.operation)?;
                }
                Target::Sequence => sequence = self.hidden_sequence(field)?,
                Target::Nothing => {}
            }
        }
        let columns = self.table.columns.iter().zip(values);
        let values: Result<Vec<Value>, String> =
            columns.map(|(column, value)| value.map_or_else(|| self.absent(column), Ok)).collect();
        let values = values?;
        if let Some(at) = self.sequence_column() {
            sequence = values.get(at).cloned();
        }
        Ok(Row { values, operation, sequence })
    }

    fn take_all(&mut self) -> Result<(), Refusal> {
        for (at, column) in self.table.columns.iter().enumerate() {
            self.slots.push(Slot { name: column.name.clone(), target: Target::Column(at) });
        }
        for name in &self.options.hidden_columns {
            let target = self.hidden(name).ok_or_else(|| self.unknown_column(name))?;
            self.slots.push(Slot { name: name.clone(), target });
        }
        if self.takes_op() && self.is_json {
            self.slots.push(Slot { name: OP.to_owned(), target: Target::Op });
        }
        Ok(())
    }

    fn take_named(&mut self, columns: &[Assigned]) -> Result<(), Refusal> {
        for Assigned { name, expression } in columns {
            if let Some(expression) = expression {
                self.operation = self.constant(name, expression)?;
                continue;
            }
            let target = self.target(name)?;
            self.slots.push(Slot { name: name.clone(), target });
        }
        let names_op = columns.iter().any(|column| column.name == OP);
        if self.takes_op() && self.is_json && !names_op {
            self.slots.push(Slot { name: OP.to_owned(), target: Target::Op });
        }
        Ok(())
    }

    fn target(&self, name: &str) -> Result<Target, Refusal> {
        if let Some(at) = self.table.position_in_sql(name) {
            return Ok(Target::Column(at));
        }
        match self.system {
            System::Doris => {
                let sequence = self.options.sequence.as_deref() == Some(name);
                match self.hidden(name) {
                    Some(target) => Ok(target),
                    None if sequence => Ok(Target::Sequence),
                    None => Err(self.unknown_column(name)),
                }
            }
            System::StarRocks if name == OP && self.takes_op() => Ok(Target::Op),
            System::StarRocks => Ok(Target::Nothing),
        }
    }

    /// The one expression there is: `__op='delete'`.
    fn constant(&self, name: &str, expression: &str) -> Result<Operation, Refusal> {
        match expression.trim_matches(['\'', '"']) {
            "upsert" if name == OP && self.takes_op() => Ok(Operation::Upsert),
            "delete" if name == OP && self.takes_op() => Ok(Operation::Delete),
            _ => Err(not_built(&format!("the expression `{name}={expression}`"))),
        }
    }

    fn takes_op(&self) -> bool {
        self.system == System::StarRocks && self.table.model == KeyModel::Unique
    }

    /// The columns of a table that nobody sees.
    fn hidden(&self, name: &str) -> Option<Target> {
        match name {
            DELETE_SIGN if self.table.model == KeyModel::Unique => Some(Target::DeleteSign),
            SEQUENCE if self.table.sequence.is_some() => Some(Target::Sequence),
            _ => None,
        }
    }

    fn unknown_column(&self, name: &str) -> Refusal {
        self.plan_error(&format!("Unknown column '{name}' in '{}'", self.table.name))
    }

    /// A sequence that no column of the table is must be named by the header, wherever it stands in the rows.
    fn check_sequence(&self) -> Result<(), Refusal> {
        let table = &self.table.name;
        let unsaid =
            format!("Table {table} has sequence column, need to specify the sequence column");
        match (&self.table.sequence, &self.options.sequence) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(self
                .plan_error(&format!("There is no sequence column in the table {table}"))),
            (Some(Sequence::Hidden(_)), None) => Err(self.plan_error(&unsaid)),
            (Some(Sequence::Hidden(_)), Some(name)) if !self.gives_sequence() => Err(self
                .plan_error(&format!(
                    "There is no sequence column {name} in the {table} or the COLUMNS and SET clause"
                ))),
            (Some(Sequence::Hidden(_)), Some(_)) => Ok(()),
            (Some(Sequence::Column(name)), _) => {
                let at = self.table.position_in_sql(name);
                let given = self.slots.iter().any(|slot| Some(slot.target) == at.map(Target::Column));
                let column = at.and_then(|at| self.table.columns.get(at));
                // The time of the load is an order too.
                let is_now = column.is_some_and(|column| {
                    matches!(column.ty, Type::DateTime(_)) && column.default.is_some()
                });
                if given || is_now { Ok(()) } else { Err(self.plan_error(&unsaid)) }
            }
        }
    }

    fn gives_sequence(&self) -> bool {
        let at = self.sequence_column();
        let gives = |slot: &Slot| match slot.target {
            Target::Sequence => true,
            Target::Column(column) => Some(column) == at,
            Target::DeleteSign | Target::Op | Target::Nothing => false,
        };
        self.slots.iter().any(gives)
    }

    /// The visible column whose value is the sequence, by the table's definition or the load's header.
    fn sequence_column(&self) -> Option<usize> {
        let name = match self.table.sequence.as_ref()? {
            Sequence::Column(name) => name,
            Sequence::Hidden(_) => self.options.sequence.as_ref()?,
        };
        self.table.position_in_sql(name)
    }

    /// A column that no field is for takes its default, or must not be needed.
    fn check_absent(&self) -> Result<(), Refusal> {
        for (at, column) in self.table.columns.iter().enumerate() {
            let given = self.slots.iter().any(|slot| slot.target == Target::Column(at));
            if !given && !column.nullable && column.default.is_none() {
                let text = format!("Column has no default value. column: {}", column.name);
                return Err(self.plan_error(&text));
            }
        }
        Ok(())
    }

    fn absent(&self, column: &Column) -> Result<Value, String> {
        match &column.default {
            None => Ok(Value::Null),
            Some(text) => self.value(column, &Field::Text(text.clone())),
        }
    }

    fn value(&self, column: &Column, field: &Field) -> Result<Value, String> {
        match field {
            Field::Text(text) => self.typed(column, text),
            Field::Missing if self.system == System::Doris && column.default.is_some() => {
                self.absent(column)
            }
            Field::Null | Field::Missing if column.nullable => Ok(Value::Null),
            Field::Null | Field::Missing => Err(self.null_refused(column, field)),
        }
    }

    fn typed(&self, column: &Column, text: &str) -> Result<Value, String> {
        let misfit = match convert(column.ty, text, self.system, self.options.zone) {
            Ok(value) => return Ok(value),
            Err(misfit) => misfit,
        };
        // Doris lets only what it cannot read become NULL, StarRocks also what is too long.
        let lenient = self.system == System::StarRocks || misfit == Misfit::Unparsable;
        if self.options.strict || !lenient {
            return Err(self.misfit_refused(column, text, misfit));
        }
        if column.nullable { Ok(Value::Null) } else { Err(self.null_refused(column, &Field::Null)) }
    }

    fn plan_error(&self, detail: &str) -> Refusal {
        match self.system {
            System::Doris => Refusal::new(
                "ANALYSIS_ERROR",
                format!("TStatus: errCode = 2, detailMessage = {detail}"),
            ),
            System::StarRocks => Refusal::new("INTERNAL_ERROR", detail),
        }
    }

    fn null_refused(&self, column: &Column, field: &Field) -> String {
        let name = &column.name;
        match (self.system, field) {
            (System::StarRocks, _) => format!("NULL value in non-nullable column '{name}'"),
            (System::Doris, Field::Missing) => {
                format!("The column `{name}` is not nullable, but it's not found in jsondata.")
            }
            (System::Doris, Field::Null) if self.is_json => {
                format!("Json value is null, but the column `{name}` is not nullable.")
            }
            (System::Doris, _) => {
                format!("column({name}) values is null while columns is not nullable")
            }
        }
    }

    fn misfit_refused(&self, column: &Column, text: &str, misfit: Misfit) -> String {
        let (name, ty) = (&column.name, column.ty);
        match (self.system, misfit) {
            (System::Doris, Misfit::Unparsable) => format!(
                "column({name}) value is incorrect while strict mode is true, src value is {text}"
            ),
            (System::Doris, Misfit::TooLong { limit }) => {
                let start = text.as_bytes().get(..32).unwrap_or(text.as_bytes());
                let start = String::from_utf8_lossy(start);
                format!(
                    "column_name[{name}], the length of input is too long than schema. first 32 bytes \
                     of input str: [{start}] schema length: {limit}; actual length: {}; ",
                    text.len()
                )
            }
            (System::Doris, Misfit::DecimalRange) => format!(
                "column_name[{name}], decimal value is not valid for definition, column={text}, \
                 type={ty}; "
            ),
            (System::StarRocks, Misfit::TooLong { .. }) => format!(
                "String '{text}'(length: {}) is too long. The type of '{name}' is {ty}",
                text.len()
            ),
            (System::StarRocks, _) => {
                format!("Value '{text}' is out of range. The type of '{name}' is {ty}")
            }
        }
    }

    /// StarRocks bounds what a key may take in its index.
    ///
    /// # Errors
    /// A key of more than 128 bytes, which fails the whole load.
    pub fn check_key(&self, row: &Row) -> Result<(), Refusal> {
        if !self.takes_op() {
            return Ok(());
        }
        let keys = self.table.columns.iter().zip(&row.values).filter(|(column, _)| column.is_key);
        let size: usize = keys.map(|(column, value)| encoded_length(column.ty, value)).sum();
        if size > KEY_MAX {
            let text = format!("primary key size exceed the limit. Size: {size}, limit: {KEY_MAX}");
            return Err(Refusal::new("INTERNAL_ERROR", text));
        }
        Ok(())
    }

    fn hidden_sequence(&self, field: &Field) -> Result<Option<Value>, String> {
        let (Some(Sequence::Hidden(ty)), Field::Text(text)) = (&self.table.sequence, field) else {
            return Ok(None);
        };
        let value = convert(*ty, text, self.system, self.options.zone);
        value.map(Some).map_err(|_| {
            format!(
                "column({SEQUENCE}) value is incorrect while strict mode is true, src value is {text}"
            )
        })
    }
}

fn encoded_length(ty: Type, value: &Value) -> usize {
    match (ty, value) {
        (Type::Boolean | Type::TinyInt, _) => 1,
        (Type::SmallInt, _) => 2,
        (Type::Int | Type::Date, _) => 4,
        (Type::LargeInt, _) => 16,
        (_, Value::Text(text)) if !matches!(ty, Type::DateTime(_)) => text.len(),
        _ => 8,
    }
}

fn operation_of(name: &str, field: &Field, otherwise: Operation) -> Result<Operation, String> {
    match field {
        Field::Text(text) if text == "0" => Ok(Operation::Upsert),
        Field::Text(text) if text == "1" => Ok(Operation::Delete),
        Field::Text(text) => Err(format!("column({name}) value is incorrect, src value is {text}")),
        Field::Null | Field::Missing => Ok(otherwise),
    }
}
