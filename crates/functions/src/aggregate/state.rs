//! Access to the values a state is made of.

use std::sync::Arc;

use types::{DataType, EvalError, Value};

use crate::registry::{Aggregate, AggregateCall};
use crate::signature::Resolved;

/// The call of an aggregate whose parameters are as resolved.
pub(super) fn call(
    resolved: &Resolved,
    state: DataType,
    returns: DataType,
    code: impl Aggregate + 'static,
) -> AggregateCall {
    AggregateCall { params: resolved.row_params(), state, returns, code: Arc::new(code) }
}

pub(super) fn wrong_state() -> EvalError {
    EvalError::new("state of the aggregate has another type")
}

/// The fields of a STRUCT, to change them.
pub(super) fn fields_mut(state: &mut Value) -> Result<&mut [Value], EvalError> {
    match state {
        Value::Struct(fields) => Ok(Arc::make_mut(fields).as_mut_slice()),
        _ => Err(wrong_state()),
    }
}

/// The items of an ARRAY, to change them.
pub(super) fn items_mut(state: &mut Value) -> Result<&mut Vec<Value>, EvalError> {
    match state {
        Value::Array(items) => Ok(Arc::make_mut(items)),
        _ => Err(wrong_state()),
    }
}

/// The items of an ARRAY.
pub(super) fn items(state: &Value) -> Result<&[Value], EvalError> {
    match state {
        Value::Array(items) => Ok(items),
        _ => Err(wrong_state()),
    }
}

/// The fields of a STRUCT of DOUBLEs.
pub(super) fn doubles<const N: usize>(state: &Value) -> Result<[f64; N], EvalError> {
    let Value::Struct(fields) = state else { return Err(wrong_state()) };
    if fields.len() != N {
        return Err(wrong_state());
    }
    Ok(std::array::from_fn(|at| fields[at].as_f64().unwrap_or_default()))
}

/// Changes a STRUCT of DOUBLEs in place.
pub(super) fn set_doubles<const N: usize>(state: &mut Value, numbers: [f64; N]) -> Result<(), EvalError> {
    let fields = fields_mut(state)?;
    for (field, number) in fields.iter_mut().zip(numbers) {
        *field = Value::Double(number);
    }
    Ok(())
}

/// The type of a STRUCT of DOUBLEs.
pub(super) fn doubles_type(names: &[&str]) -> DataType {
    DataType::structure(names.iter().map(|name| (*name, DataType::Double)))
}

/// The first argument of a row, NULL if there is none.
pub(super) fn first(args: &[Value]) -> &Value {
    args.first().unwrap_or(&Value::Null)
}
