//! Predicates over columns that still are JSON, with the places of the columns known.
//!
//! Only predicates that cannot fail are here: columns compared with constants, LIKE, IN, IS NULL, and what AND, OR and
//! NOT make of them. They give what the compiled expression gives, without its detours.

use formats::json::{slot_bool, slot_f64, slot_i64};
use hashbrown::HashSet;
use plan::expr::{ColumnRef, CompareOp};
use types::{DataType, Text, Value};

use super::json::{JsonLayout, JsonRow, holds};
use super::like::Like;
use super::node::{Node, Set, compare};

/// A predicate that cannot fail.
pub(crate) enum SlotTest {
    Constant(Option<bool>),
    /// A STRING compared with a text.
    Text {
        slot: usize,
        op: CompareOp,
        constant: Text,
    },
    /// An INTEGER or BIGINT compared with a constant of its type.
    Number {
        slot: usize,
        op: CompareOp,
        constant: i64,
        value: Value,
    },
    /// Another type, compared with a constant of it.
    Other {
        slot: usize,
        op: CompareOp,
        value: Value,
    },
    /// A BOOLEAN.
    Truth(usize),
    IsNull {
        slot: usize,
        negated: bool,
    },
    Like {
        slot: usize,
        pattern: Like,
        negated: bool,
    },
    OneOf {
        slot: usize,
        texts: HashSet<Text>,
        negated: bool,
    },
    And(Vec<SlotTest>),
    Or(Vec<SlotTest>),
    Not(Box<SlotTest>),
}

/// What a record must have for a predicate to be true: one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Witness {
    /// The STRING has this text.
    Text(usize, Text),
    /// The number is this one.
    Number(usize, i64),
    /// The STRING begins so.
    Prefix(usize, Text),
}

/// Alternatives a predicate may have as witnesses.
const WITNESSES_MAX: usize = 64;

/// The slot of a column, or of a field of one, and its type.
pub(super) fn slot_of(node: &Node, layout: &JsonLayout) -> Option<usize> {
    match node {
        Node::Column(ColumnRef::Value(column)) if *column < layout.columns() => Some(*column),
        Node::Field(operand, field) => layout.field(slot_of(operand, layout)?, *field),
        _ => None,
    }
}

impl SlotTest {
    /// Makes the test of a compiled predicate, if all of it can be.
    pub(super) fn new(node: &Node, layout: &JsonLayout) -> Option<Self> {
        let slot_and_type = |node: &Node| {
            let slot = slot_of(node, layout)?;
            Some((slot, layout.types().get(slot)?))
        };
        let all = |nodes: &[Node]| nodes.iter().map(|node| Self::new(node, layout)).collect::<Option<_>>();
        Some(match node {
            Node::Constant(value @ (Value::Boolean(_) | Value::Null)) => Self::Constant(value.as_bool()),
            Node::Column(_) | Node::Field(..) => match slot_and_type(node)? {
                (slot, DataType::Boolean) => Self::Truth(slot),
                _ => return None,
            },
            Node::Compare { op, left, right } => {
                let (slot, data_type) = slot_and_type(left)?;
                let op = *op;
                match (data_type, right.constant()?) {
                    (DataType::String, Value::String(text)) => {
                        Self::Text { slot, op, constant: text.clone() }
                    }
                    (DataType::Int, value @ Value::Int(number)) => {
                        Self::Number { slot, op, constant: i64::from(*number), value: value.clone() }
                    }
                    (DataType::BigInt, value @ Value::BigInt(number)) => {
                        Self::Number { slot, op, constant: *number, value: value.clone() }
                    }
                    (DataType::Double, value @ Value::Double(_))
                    | (DataType::Boolean, value @ Value::Boolean(_)) => {
                        Self::Other { slot, op, value: value.clone() }
                    }
                    _ => return None,
                }
            }
            Node::IsNull { operand, negated } => {
                Self::IsNull { slot: slot_of(operand, layout)?, negated: *negated }
            }
            Node::Like { operand, pattern, negated } => match slot_and_type(operand)? {
                (slot, DataType::String) => Self::Like { slot, pattern: pattern.clone(), negated: *negated },
                _ => return None,
            },
            Node::InSet { operand, set: Set::Texts(texts), negated } => match slot_and_type(operand)? {
                (slot, DataType::String) => Self::OneOf { slot, texts: texts.clone(), negated: *negated },
                _ => return None,
            },
            Node::And(operands) => Self::And(all(operands)?),
            Node::Or(operands) => Self::Or(all(operands)?),
            Node::Not(operand) => Self::Not(Box::new(Self::new(operand, layout)?)),
            _ => return None,
        })
    }

    /// Computes the test; `None` is NULL.
    pub(crate) fn test(&self, row: &JsonRow<'_>) -> Option<bool> {
        match self {
            Self::Constant(truth) => *truth,
            Self::Text { slot, op, constant } => {
                let order = match row.plain_text(*slot) {
                    Some(text) => {
                        // Whether two texts are equal shows faster than their order.
                        match op {
                            CompareOp::Equal | CompareOp::IsNotDistinctFrom => {
                                return Some(text == constant.as_bytes());
                            }
                            CompareOp::NotEqual | CompareOp::IsDistinctFrom => {
                                return Some(text != constant.as_bytes());
                            }
                            _ => text.cmp(constant.as_bytes()),
                        }
                    }
                    None => match row.text(*slot).flatten() {
                        Some(text) => text.as_bytes().cmp(constant.as_bytes()),
                        None => return against_null(*op),
                    },
                };
                Some(holds(*op, order))
            }
            Self::Number { slot, op, constant, value } => {
                let (found, _) = row.column(*slot)?;
                if found.is_null() {
                    return against_null(*op);
                }
                match slot_i64(row.record, found) {
                    Some(number) => Some(holds(*op, number.cmp(constant))),
                    None => by_value(row, *slot, *op, value),
                }
            }
            Self::Other { slot, op, value } => {
                let (found, _) = row.column(*slot)?;
                let order = match value {
                    _ if found.is_null() => return against_null(*op),
                    Value::Boolean(constant) => slot_bool(found).map(|truth| truth.cmp(constant)),
                    Value::Double(constant) => {
                        slot_f64(row.record, found).and_then(|number| number.partial_cmp(constant))
                    }
                    _ => None,
                };
                match order {
                    Some(order) => Some(holds(*op, order)),
                    None => by_value(row, *slot, *op, value),
                }
            }
            Self::Truth(slot) => row.truth(*slot).flatten(),
            Self::IsNull { slot, negated } => Some(row.is_null(*slot) != *negated),
            Self::Like { slot, pattern, negated } => {
                let raw = match row.plain_text(*slot) {
                    Some(text) => pattern.matches_bytes(text),
                    None => row.escaped_text(*slot).and_then(|text| pattern.matches_escaped(text)),
                };
                let matched = raw
                    .unwrap_or_else(|| row.text(*slot).flatten().is_some_and(|text| pattern.matches(&text)));
                Some(matched != *negated)
            }
            Self::OneOf { slot, texts, negated } => {
                let found = row.text(*slot).flatten().is_some_and(|text| texts.contains(&*text));
                Some(found != *negated)
            }
            Self::And(operands) => {
                let mut result = Some(true);
                for operand in operands {
                    match operand.test(row) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        None => result = None,
                    }
                }
                result
            }
            Self::Or(operands) => {
                let mut result = Some(false);
                for operand in operands {
                    match operand.test(row) {
                        Some(false) => {}
                        Some(true) => return Some(true),
                        None => result = None,
                    }
                }
                result
            }
            Self::Not(operand) => operand.test(row).map(|truth| !truth),
        }
    }

    /// What a record must have, one of several, for this to be true; nothing when that cannot be told.
    pub(crate) fn witnesses(&self) -> Option<Vec<Witness>> {
        let equal = |op: &CompareOp| matches!(op, CompareOp::Equal | CompareOp::IsNotDistinctFrom);
        match self {
            Self::Text { slot, op, constant } if equal(op) => {
                Some(vec![Witness::Text(*slot, constant.clone())])
            }
            Self::Number { slot, op, constant, .. } if equal(op) => {
                Some(vec![Witness::Number(*slot, *constant)])
            }
            Self::OneOf { slot, texts, negated: false } if texts.len() <= WITNESSES_MAX => {
                Some(texts.iter().map(|text| Witness::Text(*slot, text.clone())).collect())
            }
            Self::Like { slot, pattern, negated: false } => match pattern.exact() {
                Some(text) => Some(vec![Witness::Text(*slot, text.into())]),
                None => Some(vec![Witness::Prefix(*slot, pattern.prefix()?.into())]),
            },
            // The one that lets the fewest through, as far as that can be told.
            Self::And(operands) => operands.iter().filter_map(Self::witnesses).min_by_key(|found| {
                let is_vague = |witness: &Witness| matches!(witness, Witness::Prefix(..));
                (found.iter().any(is_vague), found.len())
            }),
            Self::Or(operands) => {
                let mut all = Vec::new();
                for operand in operands {
                    all.append(&mut operand.witnesses()?);
                }
                (all.len() <= WITNESSES_MAX).then_some(all)
            }
            _ => None,
        }
    }
}

/// A comparison of NULL with a constant, which is not NULL.
#[inline]
fn against_null(op: CompareOp) -> Option<bool> {
    Some(op == CompareOp::IsDistinctFrom)
}

#[cold]
fn by_value(row: &JsonRow<'_>, slot: usize, op: CompareOp, constant: &Value) -> Option<bool> {
    // Records with a column that cannot be decoded were refused.
    let value = row.value(slot).unwrap_or_default();
    compare(op, &value, constant)
}
