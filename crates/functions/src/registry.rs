//! What a function is, and the registry that finds the overload for given argument types.
//!
//! A function has a name and a list of *overloads*. The planner describes each argument (`ArgType`),
//! `resolve` answers with the parameter types (the planner inserts the implicit casts), the result type and
//! the code. Code is a plain typed Rust function lifted by an adapter of this crate.

use std::sync::Arc;

use types::{DataType, EvalError, Value};

/// Why a call cannot be resolved: text for the user, without position (the caller knows it).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// No function of that name.
    #[error("unknown function {name}{}", .nearest.as_ref().map(|n| format!(", did you mean {n}?")).unwrap_or_default())]
    Unknown {
        /// As written.
        name: String,
        /// The nearest known name.
        nearest: Option<String>,
    },
    /// No overload takes these arguments.
    #[error("function {name} does not accept arguments ({given}); it takes {expected}")]
    NoOverload {
        /// The function.
        name: String,
        /// The types given.
        given: String,
        /// The overloads known.
        expected: String,
    },
    /// A literal argument is wrong, a lambda has a wrong number of parameters …
    #[error("{0}")]
    Invalid(String),
}

/// An argument as the planner knows it when it resolves a call.
pub enum ArgType<'a> {
    /// An expression of that type, with its value if it is a literal.
    Value(DataType, Option<&'a Value>),
    /// A literal NULL: fits every type.
    Null,
    /// `DAYS`, `HOURS` …: passed as STRING value in upper case plural.
    Interval,
    /// A lambda with so many parameters; the callback types its body for given parameter types.
    Lambda(usize, &'a dyn Fn(&[DataType]) -> Result<DataType, FunctionError>),
}

/// A parameter after resolution.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamType {
    /// The argument is cast to this type.
    Value(DataType),
    /// An interval unit, passed as STRING.
    Interval,
    /// A lambda whose parameters have these types.
    Lambda(Vec<DataType>),
}

/// A lambda at run time: parameter values in, body's value out.
pub type Lambda<'a> = &'a dyn Fn(&[Value]) -> Result<Value, EvalError>;

/// An argument at run time.
pub enum Arg<'a> {
    /// A value of the parameter's type, or NULL.
    Value(Value),
    /// A lambda.
    Lambda(Lambda<'a>),
}

/// The code of a scalar overload. It sees NULL arguments; adapters answer NULL for them where the
/// function does.
pub type ScalarCode = Arc<dyn Fn(&[Arg<'_>]) -> Result<Value, EvalError> + Send + Sync>;

/// A scalar call, resolved.
#[derive(Clone)]
pub struct ScalarCall {
    /// One for each argument.
    pub params: Vec<ParamType>,
    /// The result.
    pub returns: DataType,
    /// What runs for each row.
    pub code: ScalarCode,
    /// Whether equal arguments give equal results (so that a call on literals can be computed once).
    /// False for UUID, RANDOM, UNIX_TIMESTAMP().
    pub is_pure: bool,
}

/// A table function's code: one row in, rows out (NULL argument: no rows).
pub type TableCode = Arc<dyn Fn(&[Value]) -> Result<Vec<Value>, EvalError> + Send + Sync>;

/// A table function call, resolved.
#[derive(Clone)]
pub struct TableCall {
    /// One for each argument.
    pub params: Vec<DataType>,
    /// The type of the rows.
    pub returns: DataType,
    /// What runs for each row.
    pub code: TableCode,
}

/// An aggregate call, resolved. The state is a `Value` of type `state`, so that it can be stored and
/// restored like any row.
#[derive(Clone)]
pub struct AggregateCall {
    /// One for each argument that is computed for each row (literal configuration arguments are not
    /// among them: they are inside `code`).
    pub params: Vec<DataType>,
    /// Type of the state kept.
    pub state: DataType,
    /// The result.
    pub returns: DataType,
    /// What runs.
    pub code: Arc<dyn Aggregate>,
}

/// An aggregate's code.
pub trait Aggregate: Send + Sync {
    /// The state before the first row.
    fn initial(&self) -> Value;
    /// Takes a row in. `args` has one value for each of `AggregateCall::params`, and behind them the row's number where
    /// `wants_arrival` and states are merged.
    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError>;
    /// Takes a row out again; only called when `can_undo`.
    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        let _ = (state, args);
        Err(EvalError::new("aggregate cannot undo"))
    }
    /// Whether `undo` works: needed to aggregate a table.
    fn can_undo(&self) -> bool {
        false
    }
    /// Whether the order in which rows came is needed to merge states: then each row has a BIGINT that grows from row to
    /// row, also over restarts.
    fn wants_arrival(&self) -> bool {
        false
    }
    /// Joins the states of two session windows; `left` is the older one.
    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError>;
    /// The result for a state.
    fn finish(&self, state: &Value) -> Result<Value, EvalError>;
    /// Whether `finish` gives the state itself and so never fails.
    fn result_is_state(&self) -> bool {
        false
    }
}

/// What DESCRIBE FUNCTION and SHOW FUNCTIONS tell.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionDoc {
    /// Upper-case name.
    pub name: &'static str,
    /// `SCALAR`, `AGGREGATE` or `TABLE`.
    pub kind: &'static str,
    /// ksqlDB's category, e.g. `STRING`.
    pub category: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// `(ARRAY<T>, T) → BOOLEAN` …
    pub signatures: Vec<String>,
}
