//! Adapters: lift plain typed Rust into the code of an overload.
//!
//! `lift!(|text: &str, length: i32| …)` reads the arguments as those types without copying them and
//! answers NULL as soon as one is NULL; a parameter of type `Option<…>` takes NULL as `None`. The body
//! may be anything that is `IntoResult`: a plain value, an `Option`, a `Result`.

use std::sync::Arc;

use types::{Decimal, EvalError, Map, Text, Value};

use crate::registry::{Arg, Lambda, ScalarCode};

/// A type an argument can be read as.
pub(crate) trait FromArg<'a>: Sized {
    /// `None` for NULL (and for a value of another type, which resolution rules out).
    fn from_arg(arg: Option<&'a Arg<'a>>) -> Option<Self>;
}

/// A DATE: days since 1970-01-01.
#[derive(Clone, Copy)]
pub(crate) struct Date(pub i32);
/// A TIME: milliseconds since midnight.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub i32);
/// A TIMESTAMP: milliseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy)]
pub(crate) struct Timestamp(pub i64);

macro_rules! from_arg {
    ($($type:ty: $pattern:pat => $value:expr;)*) => {$(
        impl<'a> FromArg<'a> for $type {
            fn from_arg(arg: Option<&'a Arg<'a>>) -> Option<Self> {
                match arg? {
                    $pattern => Some($value),
                    _ => None,
                }
            }
        }
    )*};
}

from_arg! {
    bool: Arg::Value(Value::Boolean(v)) => *v;
    i32: Arg::Value(Value::Int(v)) => *v;
    i64: Arg::Value(Value::BigInt(v)) => *v;
    f64: Arg::Value(Value::Double(v)) => *v;
    Decimal: Arg::Value(Value::Decimal(v)) => *v;
    &'a str: Arg::Value(Value::String(v)) => v.as_str();
    &'a [u8]: Arg::Value(Value::Bytes(v)) => &**v;
    Date: Arg::Value(Value::Date(v)) => Date(*v);
    Time: Arg::Value(Value::Time(v)) => Time(*v);
    Timestamp: Arg::Value(Value::Timestamp(v)) => Timestamp(*v);
    &'a [Value]: Arg::Value(Value::Array(v)) => v.as_slice();
    &'a Map: Arg::Value(Value::Map(v)) => &**v;
    Lambda<'a>: Arg::Lambda(v) => *v;
}

impl<'a> FromArg<'a> for &'a Value {
    fn from_arg(arg: Option<&'a Arg<'a>>) -> Option<Self> {
        match arg? {
            Arg::Value(value) if !value.is_null() => Some(value),
            _ => None,
        }
    }
}

impl<'a, T: FromArg<'a>> FromArg<'a> for Option<T> {
    fn from_arg(arg: Option<&'a Arg<'a>>) -> Option<Self> {
        Some(T::from_arg(arg))
    }
}

/// A type a result can be made of.
pub(crate) trait IntoResult {
    /// The SQL value, or why there is none.
    fn into_result(self) -> Result<Value, EvalError>;
}

macro_rules! into_result {
    ($($type:ty: $value:ident => $result:expr;)*) => {$(
        impl IntoResult for $type {
            fn into_result(self) -> Result<Value, EvalError> {
                let $value = self;
                Ok($result)
            }
        }
    )*};
}

into_result! {
    bool: v => Value::Boolean(v);
    i32: v => Value::Int(v);
    i64: v => Value::BigInt(v);
    f64: v => Value::Double(v);
    Decimal: v => Value::Decimal(v);
    &str: v => Value::text(v);
    String: v => Value::String(Text::from(v));
    Text: v => Value::String(v);
    Vec<u8>: v => Value::bytes(v);
    Vec<Value>: v => Value::array(v);
    Map: v => Value::Map(Arc::new(v));
    Date: v => Value::Date(v.0);
    Time: v => Value::Time(v.0);
    Timestamp: v => Value::Timestamp(v.0);
    Value: v => v;
}

impl<T: IntoResult> IntoResult for Option<T> {
    fn into_result(self) -> Result<Value, EvalError> {
        self.map_or(Ok(Value::Null), T::into_result)
    }
}

impl<T: IntoResult> IntoResult for Result<T, EvalError> {
    fn into_result(self) -> Result<Value, EvalError> {
        self.and_then(T::into_result)
    }
}

/// Makes a closure the code of an overload.
pub(crate) fn code(f: impl Fn(&[Arg<'_>]) -> Result<Value, EvalError> + Send + Sync + 'static) -> ScalarCode {
    Arc::new(f)
}

/// The values among the arguments (lambdas are left out).
pub(crate) fn values<'a>(args: &'a [Arg<'_>]) -> impl Iterator<Item = &'a Value> {
    args.iter().filter_map(|arg| match arg {
        Arg::Value(value) => Some(value),
        Arg::Lambda(_) => None,
    })
}

/// The first argument, NULL if there is none.
pub(crate) fn first(args: &[Arg<'_>]) -> Value {
    values(args).next().cloned().unwrap_or_default()
}

macro_rules! lift {
    (|| $body:expr) => {
        $crate::adapter::code(move |_| $crate::adapter::IntoResult::into_result($body))
    };
    (|$($name:ident: $type:ty),+| $body:expr) => {
        $crate::adapter::code(move |args| {
            let mut args = args.iter();
            $(
                let Some($name) = <$type as $crate::adapter::FromArg>::from_arg(args.next()) else {
                    return Ok(::types::Value::Null);
                };
            )+
            $crate::adapter::IntoResult::into_result($body)
        })
    };
}
pub(crate) use lift;
