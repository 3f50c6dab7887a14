//! Expressions after analysis: every column is found, every type known, every implicit cast explicit.

use functions::{ScalarCall, TableCall};
use types::{DataType, Value};

pub use sql::ast::{ArithmeticOp, CompareOp, LogicalOp};

/// A column of the record that an expression is computed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ColumnRef {
    /// The nth key column.
    Key(usize),
    /// The nth value column (of a source: value columns in declared order, then header columns).
    Value(usize),
    /// The record's timestamp (BIGINT ms).
    RowTime,
    /// The partition the record was read from (INTEGER).
    RowPartition,
    /// The record's offset (BIGINT).
    RowOffset,
    /// Start of the key's window (BIGINT ms).
    WindowStart,
    /// End of the key's window (BIGINT ms).
    WindowEnd,
    /// The nth lambda parameter in scope, counted from the outermost lambda's first parameter.
    Param(usize),
}

/// A typed expression.
#[derive(Clone)]
pub struct Expr {
    /// What it computes.
    pub kind: ExprKind,
    /// The type of its values; `None` only for a literal NULL.
    pub data_type: Option<DataType>,
}

/// An argument of a scalar call.
#[derive(Clone)]
pub enum CallArg {
    /// Computed for each row; already of the parameter's type.
    Expr(Expr),
    /// `params` new lambda parameters, numbered from `first`.
    Lambda {
        /// Number of the first parameter (see `ColumnRef::Param`).
        first: usize,
        /// How many parameters.
        params: usize,
        /// What is computed for them.
        body: Box<Expr>,
    },
}

/// What a typed expression computes.
///
/// NULL rules are ksqlDB's: arithmetic with a NULL operand yields NULL; comparisons, LIKE and IN with a
/// NULL operand are false (not NULL, so their NOT is true); AND, OR and NOT of a NULL BOOLEAN are
/// three-valued.
#[derive(Clone)]
pub enum ExprKind {
    /// A constant, of the expression's type.
    Constant(Value),
    /// A column.
    Column(ColumnRef),
    /// Both operands have the expression's type (INTEGER, BIGINT, DOUBLE), or are DECIMALs of any scale
    /// whose result is rounded to the expression's type. Division by zero and overflow are row errors
    /// for DECIMAL and integers (integers wrap as in Java, except division by zero).
    Arithmetic(ArithmeticOp, Box<Expr>, Box<Expr>),
    /// STRING or BYTES concatenation.
    Concat(Box<Expr>, Box<Expr>),
    /// `- x`
    Negate(Box<Expr>),
    /// Operands comparable by `types::order` / `types::equal`.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// Three-valued AND, OR.
    Logical(LogicalOp, Box<Expr>, Box<Expr>),
    /// Three-valued NOT.
    Not(Box<Expr>),
    /// Never NULL itself; `negated`: IS NOT NULL.
    IsNull(Box<Expr>, bool),
    /// `expr [NOT] IN (list)`
    In(Box<Expr>, Vec<Expr>, bool),
    /// `expr [NOT] LIKE pattern ESCAPE c`: % and _ match also line breaks.
    Like {
        /// STRING.
        expr: Box<Expr>,
        /// STRING; a constant in nearly all queries.
        pattern: Box<Expr>,
        /// The escape character.
        escape: Option<char>,
        /// NOT LIKE.
        negated: bool,
    },
    /// The first branch whose condition is true; BETWEEN and simple CASE are already rewritten.
    Case(Vec<(Expr, Expr)>, Option<Box<Expr>>),
    /// A value computed once that `body` reads as a parameter: the operand of a simple CASE or of BETWEEN that is more
    /// than a column.
    Bind {
        /// What is computed.
        value: Box<Expr>,
        /// Number of the parameter (see `ColumnRef::Param`).
        param: usize,
        /// What is computed with it.
        body: Box<Expr>,
    },
    /// `types::cast` from the operand's type to the expression's.
    Cast(Box<Expr>),
    /// A scalar function.
    Call {
        /// Upper-case name, for EXPLAIN and messages.
        name: String,
        /// The code.
        call: ScalarCall,
        /// One for each parameter.
        args: Vec<CallArg>,
    },
    /// `ARRAY[…]`
    Array(Vec<Expr>),
    /// `MAP(k := v, …)`
    Map(Vec<(Expr, Expr)>),
    /// `STRUCT(…)`, fields in the order of the type.
    Struct(Vec<Expr>),
    /// `array[i]`: 1-based, negative from the end, out of range and 0 are NULL.
    ArrayItem {
        /// The array.
        array: Box<Expr>,
        /// INTEGER or BIGINT.
        index: Box<Expr>,
        /// KSQL 5's 0-based arrays (legacy mode).
        zero_based: bool,
    },
    /// `map[key]`
    MapItem(Box<Expr>, Box<Expr>),
    /// `struct->field` by the field's place in the type.
    Field(Box<Expr>, usize),
}

/// A table function call whose rows are appended as a column.
#[derive(Clone)]
pub struct TableFunction {
    /// Upper-case name.
    pub name: String,
    /// The code.
    pub call: TableCall,
    /// Already of the parameters' types.
    pub args: Vec<Expr>,
}

impl Expr {
    /// A constant of a known type.
    pub fn constant(value: Value, data_type: DataType) -> Self {
        Self { kind: ExprKind::Constant(value), data_type: Some(data_type) }
    }

    /// A column of a known type.
    pub fn column(column: ColumnRef, data_type: DataType) -> Self {
        Self { kind: ExprKind::Column(column), data_type: Some(data_type) }
    }
}
