use crate::function::AggregateFunction;
pub(crate) fn all() -> Vec<AggregateFunction> { vec![] }
