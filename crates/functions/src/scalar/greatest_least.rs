//! GREATEST and LEAST: the extreme of the arguments, leaving NULLs out.

use types::{Value, order};

use crate::adapter::{code, values};
use crate::function::Scalar;
use crate::registry::{ParamType, ScalarCode};
use crate::signature::{Resolved, widest_decimal};

const TYPES: [&str; 8] = ["INT", "BIGINT", "DOUBLE", "STRING", "BYTES", "DATE", "TIME", "TIMESTAMP"];

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        extreme("GREATEST", "Returns the greatest argument, leaving NULLs out.", true),
        extreme("LEAST", "Returns the least argument, leaving NULLs out.", false),
    ]
}

fn extreme(name: &'static str, description: &'static str, is_greatest: bool) -> Scalar {
    TYPES
        .iter()
        .fold(Scalar::new(name, "MATHEMATICAL", description), |function, data_type| {
            function
                .overload(&format!("({data_type}, {data_type}...) → {data_type}"), extreme_of(is_greatest))
        })
        .overload_with("(DECIMAL, DECIMAL...) → DECIMAL", move |call| {
            widen(call);
            Ok(extreme_of(is_greatest))
        })
}

/// All arguments and the result get the DECIMAL that holds every argument.
fn widen(call: &mut Resolved) {
    let given = (0..call.params.len()).filter_map(|at| call.param(at));
    if let Some(widest) = widest_decimal(given) {
        call.params.fill(ParamType::Value(widest.clone()));
        call.returns = widest;
    }
}

fn extreme_of(is_greatest: bool) -> ScalarCode {
    code(move |args| {
        let present = values(args).filter(|value| !value.is_null());
        let extreme = present.reduce(|best, value| {
            let is_better = match order(value, best) {
                Some(order) => {
                    if is_greatest {
                        order.is_gt()
                    } else {
                        order.is_lt()
                    }
                }
                None => false,
            };
            if is_better { value } else { best }
        });
        Ok(extreme.cloned().unwrap_or(Value::Null))
    })
}

#[cfg(test)]
mod tests {
    use types::{DataType, Decimal};

    use crate::testing::{NULL, cases, resolve_error, value};
    use crate::{ArgType, library};

    #[test]
    fn extremes_leave_nulls_out() {
        cases!("GREATEST": (1, NULL, 3, 2) => 3; ("a", "b") => "b"; (i64::MAX, i64::MIN) => i64::MAX; (1) => 1;
            (1.5, 0.5) => 1.5; (b"a".to_vec(), b"b".to_vec()) => b"b".to_vec(););
        cases!("LEAST": (1, NULL, 3, 2) => 1; ("!", "Z", NULL) => "!";
            (Decimal::new(15, 1), Decimal::new(2, 1)) => Decimal::new(2, 1););
    }

    #[test]
    fn decimals_are_widened() {
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        let args = [ArgType::Value(decimal(9, 2), None), ArgType::Value(decimal(7, 6), None)];
        assert_eq!(library().scalar("LEAST", &args).unwrap().returns, decimal(13, 6));
        let args = [ArgType::Value(decimal(9, 3), None), ArgType::Null];
        assert_eq!(library().scalar("LEAST", &args).unwrap().returns, decimal(9, 3));
    }

    #[test]
    fn unclear_or_missing_arguments_are_refused() {
        resolve_error("GREATEST", &[value(1), value(1i64)]);
        resolve_error("GREATEST", &[NULL, NULL]);
        resolve_error("GREATEST", &[value("a"), value(1)]);
        resolve_error("GREATEST", &[]);
    }
}
