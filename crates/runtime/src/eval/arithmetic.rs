//! Arithmetic as Java does it: whole numbers wrap, whole division by zero fails, DECIMAL keeps to its type.

use plan::expr::ArithmeticOp;
use types::{DataType, DecimalError, EvalError, Value};

/// Computes `left op right` for operands that are not NULL.
pub(crate) fn compute(
    op: ArithmeticOp,
    left: &Value,
    right: &Value,
    result: Option<&DataType>,
) -> Result<Value, EvalError> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(op, *left, *right),
        (Value::BigInt(left), Value::BigInt(right)) => big_int(op, *left, *right),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(double(op, *left, *right))),
        (Value::Decimal(left), Value::Decimal(right)) => {
            let Some(&DataType::Decimal { precision, scale }) = result else {
                return Err(EvalError::new("arithmetic on DECIMAL has no DECIMAL result"));
            };
            let result = match op {
                ArithmeticOp::Add => left.add(*right, precision, scale),
                ArithmeticOp::Subtract => left.sub(*right, precision, scale),
                ArithmeticOp::Multiply => left.mul(*right, precision, scale),
                ArithmeticOp::Divide => left.div(*right, precision, scale),
                ArithmeticOp::Modulo => left.rem(*right, precision, scale),
            };
            result.map(Value::Decimal).map_err(decimal_error)
        }
        _ => Err(EvalError::new("arithmetic on operands of different types")),
    }
}

/// Computes `- operand`.
pub(crate) fn negate(operand: &Value) -> Result<Value, EvalError> {
    match *operand {
        Value::Null => Ok(Value::Null),
        Value::Int(v) => Ok(Value::Int(v.wrapping_neg())),
        Value::BigInt(v) => Ok(Value::BigInt(v.wrapping_neg())),
        Value::Double(v) => Ok(Value::Double(-v)),
        Value::Decimal(v) => v.negated().map(Value::Decimal).map_err(decimal_error),
        _ => Err(EvalError::new("negation of something that is no number")),
    }
}

fn decimal_error(error: DecimalError) -> EvalError {
    EvalError::new(error.to_string())
}

fn int(op: ArithmeticOp, left: i32, right: i32) -> Result<Value, EvalError> {
    Ok(Value::Int(match op {
        ArithmeticOp::Add => left.wrapping_add(right),
        ArithmeticOp::Subtract => left.wrapping_sub(right),
        ArithmeticOp::Multiply => left.wrapping_mul(right),
        ArithmeticOp::Divide | ArithmeticOp::Modulo if right == 0 => return Err(division_by_zero()),
        ArithmeticOp::Divide => left.wrapping_div(right),
        ArithmeticOp::Modulo => left.wrapping_rem(right),
    }))
}

fn big_int(op: ArithmeticOp, left: i64, right: i64) -> Result<Value, EvalError> {
    Ok(Value::BigInt(match op {
        ArithmeticOp::Add => left.wrapping_add(right),
        ArithmeticOp::Subtract => left.wrapping_sub(right),
        ArithmeticOp::Multiply => left.wrapping_mul(right),
        ArithmeticOp::Divide | ArithmeticOp::Modulo if right == 0 => return Err(division_by_zero()),
        ArithmeticOp::Divide => left.wrapping_div(right),
        ArithmeticOp::Modulo => left.wrapping_rem(right),
    }))
}

fn double(op: ArithmeticOp, left: f64, right: f64) -> f64 {
    match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Subtract => left - right,
        ArithmeticOp::Multiply => left * right,
        ArithmeticOp::Divide => left / right,
        ArithmeticOp::Modulo => left % right,
    }
}

fn division_by_zero() -> EvalError {
    EvalError::new("division by zero")
}
