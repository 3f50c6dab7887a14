//! EXPLODE: a row for each item of an array.

use std::sync::Arc;

use types::Value;

use crate::function::Table;

pub(super) fn functions() -> Vec<Table> {
    vec![Table::new("EXPLODE", "TABLE", "Returns a row for each item of an array.").overload(
        "(ARRAY<T>) → T",
        Arc::new(|args| match args.first() {
            Some(Value::Array(items)) => Ok(items.to_vec()),
            _ => Ok(Vec::new()),
        }),
    )]
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use crate::testing::list;
    use crate::{ArgType, library};

    #[test]
    fn items_become_rows() {
        let args = [ArgType::Value(DataType::array(DataType::Int), None)];
        let call = library().table("explode", &args).unwrap();
        assert_eq!(call.returns, DataType::Int);
        assert_eq!((call.code)(&[list([1, 2])]), Ok(vec![Value::Int(1), Value::Int(2)]));
        assert_eq!((call.code)(&[Value::Null]), Ok(vec![]));
    }
}
