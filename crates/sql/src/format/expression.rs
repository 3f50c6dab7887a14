//! Expressions written out, with as few brackets as the parser needs.

use std::fmt::Write;

use super::Writer;
use crate::ast::{ArithmeticOp, CompareOp, Expr, ExprKind, IntervalUnit, Literal, LogicalOp};

/// Returns the expression as SQL that reads back as the same expression.
pub fn format_expression(expr: &Expr) -> String {
    let mut out = Writer::default();
    out.expression(expr);
    out.text
}

/// How tightly an expression holds together, as in the parser; loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Power {
    Or,
    And,
    Not,
    Predicate,
    Concat,
    Sum,
    Product,
    Sign,
    Primary,
}

fn power(expr: &Expr) -> Power {
    match &expr.kind {
        ExprKind::Logical(LogicalOp::Or, ..) => Power::Or,
        ExprKind::Logical(LogicalOp::And, ..) => Power::And,
        ExprKind::Not(_) => Power::Not,
        ExprKind::Compare(..)
        | ExprKind::IsNull { .. }
        | ExprKind::Between { .. }
        | ExprKind::In { .. }
        | ExprKind::Like { .. } => Power::Predicate,
        ExprKind::Concat(..) => Power::Concat,
        ExprKind::Arithmetic(ArithmeticOp::Add | ArithmeticOp::Subtract, ..) => Power::Sum,
        ExprKind::Arithmetic(..) => Power::Product,
        ExprKind::Negate(_) => Power::Sign,
        // A negative number begins with a sign, but is read as one literal.
        _ => Power::Primary,
    }
}

impl Writer {
    pub(super) fn expression(&mut self, expr: &Expr) {
        self.at_least(expr, Power::Or);
    }

    pub(super) fn value_expression(&mut self, expr: &Expr) {
        self.at_least(expr, Power::Concat);
    }

    pub(super) fn postfix_base(&mut self, expr: &Expr) {
        self.at_least(expr, Power::Primary);
    }

    /// The expression, in brackets if it is looser than its place allows.
    fn at_least(&mut self, expr: &Expr, place: Power) {
        let needs_brackets = power(expr) < place;
        self.push_if(needs_brackets, "(");
        self.bare(expr);
        self.push_if(needs_brackets, ")");
    }

    fn infix(&mut self, left: (&Expr, Power), operator: &str, right: (&Expr, Power)) {
        self.at_least(left.0, left.1);
        self.push(operator);
        self.at_least(right.0, right.1);
    }

    fn bare(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Column { source, name } => {
                if let Some(source) = source {
                    self.name(source);
                    self.push(".");
                }
                self.name(name);
            }
            ExprKind::Arithmetic(op, left, right) => {
                let (operator, own, tighter) = match op {
                    ArithmeticOp::Add => (" + ", Power::Sum, Power::Product),
                    ArithmeticOp::Subtract => (" - ", Power::Sum, Power::Product),
                    ArithmeticOp::Multiply => (" * ", Power::Product, Power::Sign),
                    ArithmeticOp::Divide => (" / ", Power::Product, Power::Sign),
                    ArithmeticOp::Modulo => (" % ", Power::Product, Power::Sign),
                };
                self.infix((left, own), operator, (right, tighter));
            }
            ExprKind::Concat(left, right) => {
                self.infix((left, Power::Concat), " || ", (right, Power::Sum));
            }
            // Always in brackets: `--` begins a comment and `-1` is a literal.
            ExprKind::Negate(inner) => {
                self.push("-(");
                self.bare(inner);
                self.push(")");
            }
            ExprKind::Compare(op, left, right) => {
                let operator = match op {
                    CompareOp::Equal => " = ",
                    CompareOp::NotEqual => " <> ",
                    CompareOp::Less => " < ",
                    CompareOp::LessEqual => " <= ",
                    CompareOp::Greater => " > ",
                    CompareOp::GreaterEqual => " >= ",
                    CompareOp::IsDistinctFrom => " IS DISTINCT FROM ",
                    CompareOp::IsNotDistinctFrom => " IS NOT DISTINCT FROM ",
                };
                self.infix((left, Power::Concat), operator, (right, Power::Concat));
            }
            ExprKind::Logical(LogicalOp::And, left, right) => {
                self.infix((left, Power::And), " AND ", (right, Power::Not));
            }
            ExprKind::Logical(LogicalOp::Or, left, right) => {
                self.infix((left, Power::Or), " OR ", (right, Power::And));
            }
            ExprKind::Not(inner) => {
                self.push("NOT ");
                self.at_least(inner, Power::Not);
            }
            ExprKind::IsNull { expr, negated } => {
                self.value_expression(expr);
                self.push(if *negated { " IS NOT NULL" } else { " IS NULL" });
            }
            ExprKind::Between { expr, low, high, negated } => {
                self.value_expression(expr);
                self.push(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.infix((low, Power::Concat), " AND ", (high, Power::Concat));
            }
            ExprKind::In { expr, list, negated } => {
                self.value_expression(expr);
                self.push(if *negated { " NOT IN (" } else { " IN (" });
                self.list(list, Self::expression);
                self.push(")");
            }
            ExprKind::Like { expr, pattern, escape, negated } => {
                self.value_expression(expr);
                self.push(if *negated { " NOT LIKE " } else { " LIKE " });
                self.value_expression(pattern);
                if let Some(escape) = escape {
                    self.push(" ESCAPE ");
                    self.literal_text(&escape.to_string());
                }
            }
            ExprKind::Case { operand, branches, otherwise } => {
                self.push("CASE");
                if let Some(operand) = operand {
                    self.push(" ");
                    self.value_expression(operand);
                }
                for (condition, result) in branches {
                    self.push(" WHEN ");
                    self.expression(condition);
                    self.push(" THEN ");
                    self.expression(result);
                }
                if let Some(otherwise) = otherwise {
                    self.push(" ELSE ");
                    self.expression(otherwise);
                }
                self.push(" END");
            }
            ExprKind::Cast(inner, type_name) => {
                self.push("CAST(");
                self.expression(inner);
                self.push(" AS ");
                self.type_name(type_name);
                self.push(")");
            }
            ExprKind::Subscript(base, index) => {
                self.postfix_base(base);
                self.push("[");
                self.expression(index);
                self.push("]");
            }
            ExprKind::Field(base, field) => {
                self.postfix_base(base);
                self.push("->");
                self.name(field);
            }
            ExprKind::Interval(unit) => self.push(unit_word(*unit)),
            _ => self.call_or_constructor(expr),
        }
    }

    fn call_or_constructor(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Call { name, args, star } => {
                self.name(name);
                self.push("(");
                self.push_if(*star, "*");
                self.list(args, Self::expression);
                self.push(")");
            }
            ExprKind::Lambda { params, body } => {
                if let [only] = &**params {
                    self.name(only);
                } else {
                    self.push("(");
                    self.list(params, Self::name);
                    self.push(")");
                }
                self.push(" => ");
                self.expression(body);
            }
            ExprKind::Array(items) => {
                self.push("ARRAY[");
                self.list(items, Self::expression);
                self.push("]");
            }
            ExprKind::Map(entries) => {
                self.push("MAP(");
                self.list(entries, |out, (key, value)| {
                    out.expression(key);
                    out.push(" := ");
                    out.expression(value);
                });
                self.push(")");
            }
            ExprKind::Struct(fields) => {
                self.push("STRUCT(");
                self.list(fields, |out, (name, value)| {
                    out.name(name);
                    out.push(" := ");
                    out.expression(value);
                });
                self.push(")");
            }
            _ => unreachable!("every other expression is written by bare()"),
        }
    }

    fn literal(&mut self, literal: &Literal) {
        // Writing to a String cannot fail.
        let _ = match literal {
            Literal::Null => self.text.write_str("NULL"),
            Literal::Boolean(true) => self.text.write_str("true"),
            Literal::Boolean(false) => self.text.write_str("false"),
            Literal::Integer(number) => write!(self.text, "{number}"),
            Literal::BigInt(number) => write!(self.text, "{number}"),
            Literal::Decimal(number) => {
                self.decimal(number.unscaled(), number.scale().into());
                Ok(())
            }
            Literal::Double(number) => write!(self.text, "{number:E}"),
            Literal::String(text) => {
                self.literal_text(text);
                Ok(())
            }
        };
    }

    /// Always with a point, which makes it a DECIMAL.
    fn decimal(&mut self, unscaled: i128, scale: usize) {
        self.push_if(unscaled < 0, "-");
        let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
        let (before, after) = digits.split_at(digits.len() - scale);
        let _ = write!(self.text, "{before}.{after}");
    }
}

fn unit_word(unit: IntervalUnit) -> &'static str {
    match unit {
        IntervalUnit::Years => "YEARS",
        IntervalUnit::Months => "MONTHS",
        IntervalUnit::Days => "DAYS",
        IntervalUnit::Hours => "HOURS",
        IntervalUnit::Minutes => "MINUTES",
        IntervalUnit::Seconds => "SECONDS",
        IntervalUnit::Milliseconds => "MILLISECONDS",
    }
}
