//! The nodes of a compiled expression and how each is computed.

use std::borrow::Cow;
use std::cell::Cell;

use functions::{Arg, Lambda, ScalarCode};
use hashbrown::HashSet;
use plan::expr::{ArithmeticOp, ColumnRef, CompareOp};
use types::{DataType, EvalError, Text, Value};

use super::arithmetic;
use super::like::{Like, STEPS_MAX};
use super::work::Work;
use super::{Columns, JsonRow, Row};

/// What a node sees: the row, and the lambda parameters in scope, outermost first.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub row: &'a Row<'a>,
    pub params: &'a [Value],
    /// The first failure that only a part of the value was lost by.
    pub part_failure: &'a Cell<Option<EvalError>>,
    /// What lambdas may still do for this value.
    pub work: &'a Work,
}

impl Scope<'_> {
    /// The value of a part that can be NULL without the whole being lost.
    fn or_null(&self, part: Computed<'_>) -> Value {
        part.map(Cow::into_owned).unwrap_or_else(|error| {
            let first = self.part_failure.take().unwrap_or(error);
            self.part_failure.set(Some(first));
            Value::Null
        })
    }
}

type Computed<'a> = Result<Cow<'a, Value>, EvalError>;

pub(crate) enum Node {
    Constant(Value),
    Column(ColumnRef),
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Node>,
        right: Box<Node>,
        result: Option<DataType>,
    },
    Negate(Box<Node>),
    Concat(Box<Node>, Box<Node>),
    Compare {
        op: CompareOp,
        left: Box<Node>,
        right: Box<Node>,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    IsNull {
        operand: Box<Node>,
        negated: bool,
    },
    In {
        operand: Box<Node>,
        list: Vec<Node>,
        negated: bool,
    },
    InSet {
        operand: Box<Node>,
        set: Set,
        negated: bool,
    },
    Like {
        operand: Box<Node>,
        pattern: Like,
        negated: bool,
    },
    LikeComputed {
        operand: Box<Node>,
        pattern: Box<Node>,
        escape: Option<char>,
        negated: bool,
    },
    Case {
        branches: Vec<(Node, Node)>,
        default: Option<Box<Node>>,
    },
    /// `body` reads `value` as the parameter of that number.
    Bind {
        value: Box<Node>,
        param: usize,
        body: Box<Node>,
    },
    Cast {
        operand: Box<Node>,
        from: DataType,
        to: DataType,
    },
    Call {
        name: Box<str>,
        code: ScalarCode,
        args: Vec<ArgNode>,
    },
    Array(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Struct(Vec<Node>),
    ArrayItem {
        array: Box<Node>,
        index: Box<Node>,
        zero_based: bool,
    },
    MapItem(Box<Node>, Box<Node>),
    Field(Box<Node>, usize),
    /// Nothing that can be computed: fails for each row.
    Fail(&'static str),
}

/// Constants of one type.
pub(crate) enum Set {
    Texts(HashSet<Text>),
    Values(HashSet<Value>),
}

impl Set {
    fn contains(&self, value: &Value) -> bool {
        match self {
            Self::Texts(texts) => value.as_str().is_some_and(|text| texts.contains(text)),
            Self::Values(values) => values.contains(value),
        }
    }
}

/// An argument of a call.
pub(crate) enum ArgNode {
    Value(Node),
    Lambda { first: usize, params: usize, body: Node },
}

const NULL: Cow<'static, Value> = Cow::Owned(Value::Null);

impl Node {
    /// Computes the value, borrowed from row or tree where it is there already.
    pub(crate) fn get<'a>(&'a self, scope: &Scope<'a>) -> Computed<'a> {
        let value = match self {
            Self::Constant(value) => return Ok(Cow::Borrowed(value)),
            Self::Column(column) => return get_column(*column, scope),
            Self::Arithmetic { op, left, right, result } => {
                let (left, right) = (left.get(scope)?, right.get(scope)?);
                if left.is_null() || right.is_null() {
                    return Ok(NULL);
                }
                arithmetic::compute(*op, &left, &right, result.as_ref())?
            }
            Self::Negate(operand) => arithmetic::negate(&*operand.get(scope)?)?,
            Self::Concat(left, right) => concat(&*left.get(scope)?, &*right.get(scope)?)?,
            Self::Compare { .. }
            | Self::And(_)
            | Self::Or(_)
            | Self::Not(_)
            | Self::IsNull { .. }
            | Self::In { .. }
            | Self::InSet { .. }
            | Self::Like { .. }
            | Self::LikeComputed { .. } => self.truth(scope)?.map_or(Value::Null, Value::Boolean),
            Self::Case { branches, default } => {
                for (condition, result) in branches {
                    if condition.truth(scope)? == Some(true) {
                        return result.get(scope);
                    }
                }
                return default.as_ref().map_or(Ok(NULL), |default| default.get(scope));
            }
            Self::Bind { value, param, body } => {
                with_param(value, *param, scope, |scope| Ok(body.get(scope)?.into_owned()))?
            }
            Self::Cast { operand, from, to } => {
                // As in ksqlDB, what cannot be computed or cast is NULL here: IFNULL(CAST(…), …) sees it.
                match operand.get(scope) {
                    Ok(value) if value.is_null() => return Ok(NULL),
                    Ok(value) => {
                        scope.or_null(types::cast(&value, from, to).map(Cow::Owned).map_err(EvalError::from))
                    }
                    Err(error) => scope.or_null(Err(error)),
                }
            }
            Self::Call { name, code, args } => functions::bounded(name, call(code, args, scope)?)?,
            Self::Array(items) => Value::array(get_parts(items, scope)),
            Self::Map(entries) => {
                let mut map = types::Map::new();
                for (key, value) in entries {
                    map.insert(key.get(scope)?.into_owned(), scope.or_null(value.get(scope)));
                }
                Value::Map(map.into())
            }
            Self::Struct(fields) => Value::structure(get_parts(fields, scope)),
            Self::ArrayItem { array, index, zero_based } => {
                let (array, index) = (array.get(scope)?, index.get(scope)?);
                match (&*array, index.as_i64()) {
                    (Value::Array(items), Some(index)) => array_item(items, index, *zero_based),
                    _ => Value::Null,
                }
            }
            Self::MapItem(map, key) => {
                let (map, key) = (map.get(scope)?, key.get(scope)?);
                match &*map {
                    Value::Map(map) => map.get(&*key).cloned().unwrap_or_default(),
                    _ => Value::Null,
                }
            }
            Self::Field(..) if let Some((json, slot)) = self.json_column(scope.row) => json.value(slot)?,
            Self::Field(operand, field) => match &*operand.get(scope)? {
                Value::Struct(fields) => fields.get(*field).cloned().unwrap_or_default(),
                _ => Value::Null,
            },
            Self::Fail(message) => return Err(EvalError::new(*message)),
        };
        Ok(Cow::Owned(value))
    }

    /// Computes a BOOLEAN without building a value.
    pub(crate) fn truth(&self, scope: &Scope<'_>) -> Result<Option<bool>, EvalError> {
        Ok(match self {
            Self::Compare { op, left, right } => {
                let raw = right.constant().and_then(|constant| {
                    let (json, column) = left.json_column(scope.row)?;
                    json.compare(column, *op, constant)
                });
                match raw {
                    Some(result) => result,
                    None => compare(*op, &*left.get(scope)?, &*right.get(scope)?),
                }
            }
            Self::Column(_) | Self::Field(..) => match self.json_column(scope.row) {
                Some((json, column)) if let Some(result) = json.truth(column) => result,
                _ => self.get(scope)?.as_bool(),
            },
            Self::And(operands) => {
                let mut result = Some(true);
                for operand in operands {
                    match operand.truth(scope)? {
                        Some(true) => {}
                        Some(false) => return Ok(Some(false)),
                        None => result = None,
                    }
                }
                result
            }
            Self::Or(operands) => {
                let mut result = Some(false);
                for operand in operands {
                    match operand.truth(scope)? {
                        Some(false) => {}
                        Some(true) => return Ok(Some(true)),
                        None => result = None,
                    }
                }
                result
            }
            Self::Not(operand) => operand.truth(scope)?.map(|value| !value),
            Self::IsNull { operand, negated } => {
                let is_null = match operand.json_column(scope.row) {
                    Some((json, column)) => json.is_null(column),
                    None => operand.get(scope)?.is_null(),
                };
                Some(is_null != *negated)
            }
            Self::In { operand, list, negated } => {
                let value = operand.get(scope)?;
                let mut found = false;
                for item in list {
                    if types::equal(&value, &*item.get(scope)?) == Some(true) {
                        found = true;
                        break;
                    }
                }
                Some(found != *negated)
            }
            Self::InSet { operand, set, negated } => {
                let found = match (operand.json_text(scope), set) {
                    (Some(None), _) => false,
                    (Some(Some(text)), Set::Texts(texts)) => texts.contains(&*text),
                    _ => {
                        let value = operand.get(scope)?;
                        !value.is_null() && set.contains(&value)
                    }
                };
                Some(found != *negated)
            }
            Self::Like { operand, pattern, negated } => {
                if let Some((json, column)) = operand.json_column(scope.row) {
                    let matched = match json.plain_text(column) {
                        Some(text) => pattern.matches_bytes(text),
                        None => json.escaped_text(column).and_then(|text| pattern.matches_escaped(text)),
                    };
                    if let Some(matched) = matched {
                        return Ok(Some(matched != *negated));
                    }
                }
                let matched = match operand.json_text(scope) {
                    Some(text) => text.is_some_and(|text| pattern.matches(&text)),
                    None => operand.get(scope)?.as_str().is_some_and(|text| pattern.matches(text)),
                };
                Some(matched != *negated)
            }
            Self::LikeComputed { operand, pattern, escape, negated } => {
                let matched = match (operand.get(scope)?.as_str(), pattern.get(scope)?.as_str()) {
                    (Some(text), Some(pattern)) => {
                        Like::new(pattern, *escape).matches_soon(text).ok_or_else(|| {
                            EvalError::new(format!(
                                "LIKE with a computed pattern takes more than {STEPS_MAX} steps"
                            ))
                        })?
                    }
                    _ => false,
                };
                Some(matched != *negated)
            }
            Self::Bind { value, param, body } => with_param(value, *param, scope, |scope| body.truth(scope))?,
            other => other.get(scope)?.as_bool(),
        })
    }

    /// The column or field of a STRUCT column that this is, where the row still is JSON.
    #[inline]
    pub(crate) fn json_column<'a>(&self, row: &Row<'a>) -> Option<(JsonRow<'a>, usize)> {
        let Columns::Json(json) = row.columns else { return None };
        match self {
            Self::Column(ColumnRef::Value(column)) => Some((json, *column)),
            Self::Field(operand, field) => {
                let (json, column) = operand.json_column(row)?;
                Some((json, json.field(column, *field)?))
            }
            _ => None,
        }
    }

    /// The text of a STRING column of a row that still is JSON; `None` in it for NULL.
    fn json_text<'a>(&self, scope: &Scope<'a>) -> Option<Option<Cow<'a, str>>> {
        let (json, column) = self.json_column(scope.row)?;
        json.text(column)
    }

    pub(crate) fn constant(&self) -> Option<&Value> {
        match self {
            Self::Constant(value) => Some(value),
            _ => None,
        }
    }
}

/// Computes `value` and, with it as the parameter of that number, what `body` says.
fn with_param<T>(
    value: &Node,
    param: usize,
    scope: &Scope<'_>,
    body: impl FnOnce(&Scope<'_>) -> Result<T, EvalError>,
) -> Result<T, EvalError> {
    let value = value.get(scope)?.into_owned();
    if param == 0 {
        return body(&Scope { params: &[value], ..*scope });
    }
    let mut params = Vec::with_capacity(param + 1);
    params.extend_from_slice(scope.params);
    params.resize(param, Value::Null);
    params.push(value);
    body(&Scope { params: &params, ..*scope })
}

/// An item that fails is NULL; the others stay.
fn get_parts(nodes: &[Node], scope: &Scope<'_>) -> Vec<Value> {
    nodes.iter().map(|node| scope.or_null(node.get(scope))).collect()
}

fn get_column<'a>(column: ColumnRef, scope: &Scope<'a>) -> Computed<'a> {
    let row = scope.row;
    let of = |values: &'a [Value], n: usize| values.get(n).map_or(NULL, Cow::Borrowed);
    Ok(match column {
        ColumnRef::Value(n) => return row.columns.value(n),
        ColumnRef::Key(n) => of(row.key, n),
        ColumnRef::Param(n) => of(scope.params, n),
        ColumnRef::RowTime => Cow::Owned(Value::BigInt(row.rowtime)),
        ColumnRef::RowPartition => Cow::Owned(Value::Int(row.partition)),
        ColumnRef::RowOffset => Cow::Owned(Value::BigInt(row.offset)),
        ColumnRef::WindowStart => row.window.map_or(NULL, |(start, _)| Cow::Owned(Value::BigInt(start))),
        ColumnRef::WindowEnd => row.window.map_or(NULL, |(_, end)| Cow::Owned(Value::BigInt(end))),
    })
}

/// Compares as ksqlDB does: with a NULL operand the answer is false, not NULL (so that `NOT (x LIKE 'a%')`
/// keeps rows in which x is NULL).
pub(crate) fn compare(op: CompareOp, left: &Value, right: &Value) -> Option<bool> {
    let order = |holds: fn(std::cmp::Ordering) -> bool| types::order(left, right).is_some_and(holds);
    Some(match op {
        CompareOp::Equal => types::equal(left, right) == Some(true),
        CompareOp::NotEqual => types::equal(left, right) == Some(false),
        CompareOp::Less => order(std::cmp::Ordering::is_lt),
        CompareOp::LessEqual => order(std::cmp::Ordering::is_le),
        CompareOp::Greater => order(std::cmp::Ordering::is_gt),
        CompareOp::GreaterEqual => order(std::cmp::Ordering::is_ge),
        CompareOp::IsDistinctFrom => is_distinct(left, right),
        CompareOp::IsNotDistinctFrom => !is_distinct(left, right),
    })
}

/// The comparison with its operands exchanged.
pub(crate) fn flipped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessEqual => CompareOp::GreaterEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterEqual => CompareOp::LessEqual,
        same => same,
    }
}

fn is_distinct(left: &Value, right: &Value) -> bool {
    match (left.is_null(), right.is_null()) {
        (true, true) => false,
        (false, false) => types::equal(left, right) != Some(true),
        _ => true,
    }
}

fn concat(left: &Value, right: &Value) -> Result<Value, EvalError> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (Value::String(left), Value::String(right)) => {
            functions::check_bytes("||", left.len() + right.len())?;
            let mut text = left.clone();
            text.push_str(right);
            Ok(Value::String(text))
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            functions::check_bytes("||", left.len() + right.len())?;
            Ok(Value::bytes([&left[..], &right[..]].concat()))
        }
        _ => Err(EvalError::new("concatenation of operands that are neither STRING nor BYTES")),
    }
}

fn array_item(items: &[Value], index: i64, zero_based: bool) -> Value {
    let place = if zero_based {
        usize::try_from(index).ok()
    } else if index < 0 {
        usize::try_from(index.unsigned_abs()).ok().and_then(|back| items.len().checked_sub(back))
    } else {
        usize::try_from(index).ok().and_then(|index| index.checked_sub(1))
    };
    place.and_then(|place| items.get(place)).cloned().unwrap_or_default()
}

fn call(code: &ScalarCode, args: &[ArgNode], scope: &Scope<'_>) -> Result<Value, EvalError> {
    let value = |node: &Node| {
        let value = node.get(scope)?.into_owned();
        if !scope.params.is_empty() {
            scope.work.read(&value)?;
        }
        Ok::<_, EvalError>(Arg::Value(value))
    };
    // The frequent calls need no list on the heap.
    match args {
        [ArgNode::Value(a)] => code(&[value(a)?]),
        [ArgNode::Value(a), ArgNode::Value(b)] => code(&[value(a)?, value(b)?]),
        [ArgNode::Value(a), ArgNode::Value(b), ArgNode::Value(c)] => code(&[value(a)?, value(b)?, value(c)?]),
        _ => call_with_lambdas(code, args, scope),
    }
}

fn call_with_lambdas(code: &ScalarCode, args: &[ArgNode], scope: &Scope<'_>) -> Result<Value, EvalError> {
    type Body<'b> = Box<dyn Fn(&[Value]) -> Result<Value, EvalError> + 'b>;
    let bodies: Vec<Option<Body<'_>>> = args
        .iter()
        .map(|arg| match arg {
            ArgNode::Value(_) => None,
            ArgNode::Lambda { first, params, body } => Some(Box::new(move |values: &[Value]| {
                if values.len() != *params {
                    return Err(EvalError::new("lambda called with a wrong number of arguments"));
                }
                let result = if *first == 0 {
                    body.get(&Scope { params: values, ..*scope })?.into_owned()
                } else {
                    let mut all = scope.params.to_vec();
                    all.resize(*first, Value::Null);
                    all.extend_from_slice(values);
                    body.get(&Scope { params: &all, ..*scope })?.into_owned()
                };
                scope.work.made(&result)?;
                Ok(result)
            }) as Body<'_>),
        })
        .collect();
    let mut given = Vec::with_capacity(args.len());
    for (arg, body) in args.iter().zip(&bodies) {
        given.push(match (arg, body) {
            (ArgNode::Value(node), _) => Arg::Value(node.get(scope)?.into_owned()),
            (ArgNode::Lambda { .. }, Some(body)) => Arg::Lambda(&**body as Lambda<'_>),
            (ArgNode::Lambda { .. }, None) => Arg::Value(Value::Null),
        });
    }
    code(&given)
}
