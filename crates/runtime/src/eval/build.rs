//! From planned expressions to nodes; what is constant is computed here.

use std::cell::Cell;

use plan::expr::{CallArg, ColumnRef, Expr, ExprKind, LogicalOp};
use types::{DataType, Text, Value};

use super::like::Like;
use super::node::{ArgNode, Node, Scope, Set, flipped};
use super::work::Work;
use super::{Columns, Compiled, Row};

/// Levels of nesting that are evaluated.
const DEPTH_MAX: usize = 100;

pub(crate) fn build(expr: &Expr) -> Compiled {
    let mut builder = Builder { reads_value: false, is_stable: true };
    let node = builder.node(expr, 0).0;
    Compiled { node, reads_value: builder.reads_value, is_stable: builder.is_stable }
}

struct Builder {
    reads_value: bool,
    is_stable: bool,
}

/// A node and whether its value is the same for every row.
type Built = (Node, bool);

impl Builder {
    fn node(&mut self, expr: &Expr, depth: usize) -> Built {
        if depth > DEPTH_MAX {
            return (Node::Fail("expression is nested too deeply"), false);
        }
        let (node, constant) = self.plain(expr, depth + 1);
        if constant && node.constant().is_none() {
            let row = Row {
                key: &[],
                columns: Columns::Values(&[]),
                rowtime: 0,
                partition: 0,
                offset: 0,
                window: None,
            };
            // One that fails is kept: it fails for each row, and is reported there.
            let part_failure = Cell::new(None);
            let work = Work::new();
            let scope = Scope { row: &row, params: &[], part_failure: &part_failure, work: &work };
            let folded = node.get(&scope).map(|value| value.into_owned());
            if let (Ok(value), None) = (folded, part_failure.take()) {
                return (Node::Constant(value), true);
            }
            // What it is part of fails too, and need not be tried.
            return (node, false);
        }
        (node, constant)
    }

    fn boxed(&mut self, expr: &Expr, depth: usize) -> (Box<Node>, bool) {
        let (node, constant) = self.node(expr, depth);
        (Box::new(node), constant)
    }

    fn list<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, depth: usize) -> (Vec<Node>, bool) {
        let mut all = true;
        let nodes = exprs
            .into_iter()
            .map(|expr| {
                let (node, constant) = self.node(expr, depth);
                all &= constant;
                node
            })
            .collect();
        (nodes, all)
    }

    fn pairs(&mut self, exprs: &[(Expr, Expr)], depth: usize) -> (Vec<(Node, Node)>, bool) {
        let mut all = true;
        let nodes = exprs
            .iter()
            .map(|(left, right)| {
                let (left, right) = (self.node(left, depth), self.node(right, depth));
                all &= left.1 && right.1;
                (left.0, right.0)
            })
            .collect();
        (nodes, all)
    }

    fn plain(&mut self, expr: &Expr, depth: usize) -> Built {
        match &expr.kind {
            ExprKind::Constant(value) => (Node::Constant(value.clone()), true),
            ExprKind::Column(column) => {
                self.reads_value |= matches!(
                    column,
                    ColumnRef::Value(_) | ColumnRef::RowTime | ColumnRef::RowPartition | ColumnRef::RowOffset
                );
                self.is_stable &= !matches!(column, ColumnRef::RowPartition | ColumnRef::RowOffset);
                (Node::Column(*column), false)
            }
            ExprKind::Arithmetic(op, left, right) => {
                let ((left, a), (right, b)) = (self.boxed(left, depth), self.boxed(right, depth));
                (Node::Arithmetic { op: *op, left, right, result: expr.data_type.clone() }, a && b)
            }
            ExprKind::Negate(operand) => {
                let (operand, constant) = self.boxed(operand, depth);
                (Node::Negate(operand), constant)
            }
            ExprKind::Concat(left, right) => {
                let ((left, a), (right, b)) = (self.boxed(left, depth), self.boxed(right, depth));
                (Node::Concat(left, right), a && b)
            }
            ExprKind::Compare(op, left, right) => {
                let ((left, a), (right, b)) = (self.boxed(left, depth), self.boxed(right, depth));
                // A constant stands on the right, where comparing looks for it.
                let (op, left, right) =
                    if a && !b { (flipped(*op), right, left) } else { (*op, left, right) };
                (Node::Compare { op, left, right }, a && b)
            }
            ExprKind::Logical(op, ..) => {
                let (nodes, constant) = self.list(operands(*op, expr), depth);
                let node = match op {
                    LogicalOp::And => Node::And(nodes),
                    LogicalOp::Or => Node::Or(nodes),
                };
                (node, constant)
            }
            ExprKind::Not(operand) => {
                let (operand, constant) = self.boxed(operand, depth);
                (Node::Not(operand), constant)
            }
            ExprKind::IsNull(operand, negated) => {
                let (operand, constant) = self.boxed(operand, depth);
                (Node::IsNull { operand, negated: *negated }, constant)
            }
            ExprKind::In(operand, list, negated) => self.membership(operand, list, *negated, depth),
            ExprKind::Like { expr, pattern, escape, negated } => {
                let ((operand, a), (pattern, b)) = (self.boxed(expr, depth), self.boxed(pattern, depth));
                match pattern.constant() {
                    Some(Value::String(text)) => {
                        let pattern = Like::new(text, *escape);
                        (Node::Like { operand, pattern, negated: *negated }, a)
                    }
                    _ => {
                        (Node::LikeComputed { operand, pattern, escape: *escape, negated: *negated }, a && b)
                    }
                }
            }
            ExprKind::Case(branches, default) => {
                let (branches, a) = self.pairs(branches, depth);
                let default = default.as_ref().map(|default| self.boxed(default, depth));
                let b = default.as_ref().is_none_or(|default| default.1);
                (Node::Case { branches, default: default.map(|default| default.0) }, a && b)
            }
            ExprKind::Bind { value, param, body } => {
                let (value, a) = self.boxed(value, depth);
                // Whoever wrote it sees one expression, so it is one level.
                let (body, b) = self.boxed(body, depth - 1);
                (Node::Bind { value, param: *param, body }, a && b)
            }
            ExprKind::Cast(operand) => {
                let (node, constant) = self.boxed(operand, depth);
                match (&operand.data_type, &expr.data_type) {
                    (Some(from), Some(to)) => {
                        (Node::Cast { operand: node, from: from.clone(), to: to.clone() }, constant)
                    }
                    _ => (Node::Constant(Value::Null), true),
                }
            }
            ExprKind::Call { name, call, args } => {
                let mut constant = call.is_pure;
                self.is_stable &= call.is_pure;
                let args = args
                    .iter()
                    .map(|arg| match arg {
                        CallArg::Expr(expr) => {
                            let (node, is_constant) = self.node(expr, depth);
                            constant &= is_constant;
                            ArgNode::Value(node)
                        }
                        CallArg::Lambda { first, params, body } => {
                            constant = false;
                            ArgNode::Lambda { first: *first, params: *params, body: self.node(body, depth).0 }
                        }
                    })
                    .collect();
                (Node::Call { name: name.as_str().into(), code: call.code.clone(), args }, constant)
            }
            ExprKind::Array(items) => {
                let (items, constant) = self.list(items, depth);
                (Node::Array(items), constant)
            }
            ExprKind::Map(entries) => {
                let (entries, constant) = self.pairs(entries, depth);
                (Node::Map(entries), constant)
            }
            ExprKind::Struct(fields) => {
                let (fields, constant) = self.list(fields, depth);
                (Node::Struct(fields), constant)
            }
            ExprKind::ArrayItem { array, index, zero_based } => {
                let ((array, a), (index, b)) = (self.boxed(array, depth), self.boxed(index, depth));
                (Node::ArrayItem { array, index, zero_based: *zero_based }, a && b)
            }
            ExprKind::MapItem(map, key) => {
                let ((map, a), (key, b)) = (self.boxed(map, depth), self.boxed(key, depth));
                (Node::MapItem(map, key), a && b)
            }
            ExprKind::Field(operand, field) => {
                let (operand, constant) = self.boxed(operand, depth);
                (Node::Field(operand, *field), constant)
            }
        }
    }

    fn membership(&mut self, operand: &Expr, list: &[Expr], negated: bool, depth: usize) -> Built {
        // Only values whose total equality is SQL's equality can be looked up by hash.
        let same_type = |expr: &Expr| expr.data_type.is_none() || expr.data_type == operand.data_type;
        let hashable = matches!(
            operand.data_type,
            Some(DataType::String | DataType::Int | DataType::BigInt | DataType::Boolean | DataType::Bytes)
        );
        let is_set = hashable && list.iter().all(same_type);
        let operand_is_text = operand.data_type == Some(DataType::String);
        let (operand, a) = self.boxed(operand, depth);
        let (list, b) = self.list(list, depth);
        let constants: Option<Vec<Value>> = list.iter().map(|node| node.constant().cloned()).collect();
        match constants {
            Some(values) if is_set => {
                let set = if operand_is_text {
                    Set::Texts(values.iter().filter_map(Value::as_str).map(Text::new).collect())
                } else {
                    Set::Values(values.into_iter().filter(|value| !value.is_null()).collect())
                };
                (Node::InSet { operand, set, negated }, a)
            }
            _ => (Node::In { operand, list, negated }, a && b),
        }
    }
}

/// The operands of a chain of ANDs, or of ORs, however long and whichever way it leans.
fn operands(op: LogicalOp, expr: &Expr) -> Vec<&Expr> {
    let (mut operands, mut waiting) = (vec![], vec![expr]);
    while let Some(expr) = waiting.pop() {
        match &expr.kind {
            ExprKind::Logical(same, left, right) if *same == op => waiting.extend([&**right, &**left]),
            _ => operands.push(expr),
        }
    }
    operands
}
