//! Expressions, by binding power: the loosest operator is read first and waits for its right side.
//!
//! Every node is built through [`Parser::node`], which bounds the height of the tree: whoever walks it
//! recursively later is safe. Long chains of AND or OR, as rules with hundreds of values have them,
//! become balanced trees; both operators are associative, so the meaning is the same.

use super::{NESTING_MAX, Parser, Result, shortened};
use crate::ast::{ArithmeticOp, CompareOp, Expr, ExprKind, Ident, Literal, LogicalOp, Span};
use crate::lexer::TokenKind;

/// How high an expression's tree may be.
pub const TREE_HEIGHT_MAX: usize = 2 * NESTING_MAX;

/// Chains of AND or OR with more operands than this are balanced.
const CHAIN_LEFT_DEEP_MAX: usize = 64;

/// How many parameters a lambda can have: functions call them with three at most.
const LAMBDA_PARAMS_MAX: usize = 8;

/// Functions whose first argument is a unit of time and not a column.
const INTERVAL_FUNCTIONS: &[&str] =
    &["DATEADD", "DATESUB", "TIMEADD", "TIMESUB", "TIMESTAMPADD", "TIMESTAMPSUB"];

/// Binding powers, loosest first.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
/// Comparisons do not chain: `a = b = c` is refused.
const PREDICATE: u8 = 4;
const CONCAT: u8 = 5;
const SUM: u8 = 6;
const PRODUCT: u8 = 7;
const SIGN: u8 = 8;

/// An expression with the height of its tree.
struct Tall {
    expr: Expr,
    height: usize,
}

impl Parser<'_> {
    pub(crate) fn whole_expression(&mut self) -> Result<Expr> {
        let expr = self.expression()?;
        self.end()?;
        Ok(expr)
    }

    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.tall(OR).map(|tall| tall.expr)
    }

    /// What follows GROUP or PARTITION: `BY a, b` or `BY (a, b)`, without AND, OR, NOT and comparisons
    /// outside of brackets.
    pub(super) fn by_expressions(&mut self) -> Result<Vec<Expr>> {
        self.expect("BY")?;
        if !self.is_at("(") {
            return self.list(|parser| parser.tall(CONCAT).map(|tall| tall.expr));
        }
        // The bracket may be around the list or around the start of its first expression: `(a + b) * c`.
        let start = self.start();
        self.advance();
        let mut items = self.list(|parser| parser.tall(OR))?;
        self.expect(")")?;
        if items.len() == 1 {
            let bracketed = items.pop().expect("it has one");
            let left = self.postfix(bracketed, start)?;
            items.push(self.infix(left, CONCAT, SIGN, start)?);
            while self.take(",") {
                items.push(self.tall(CONCAT)?);
            }
        }
        Ok(items.into_iter().map(|tall| tall.expr).collect())
    }

    fn tall(&mut self, power_min: u8) -> Result<Tall> {
        self.nested(|parser| {
            let start = parser.start();
            let (left, power_max) = parser.prefix(power_min)?;
            parser.infix(left, power_min, power_max, start)
        })
    }

    fn node(&self, kind: ExprKind, start: u32, height_below: usize) -> Result<Tall> {
        if height_below >= TREE_HEIGHT_MAX {
            return Err(self.too_deep());
        }
        Ok(Tall { expr: Expr { kind, span: self.span_from(start) }, height: height_below + 1 })
    }

    /// An operand with its prefix operators, and the tightest operator that may follow it.
    fn prefix(&mut self, power_min: u8) -> Result<(Tall, u8)> {
        let start = self.start();
        if power_min <= NOT && self.take("NOT") {
            let operand = self.tall(NOT)?;
            return Ok((self.node(ExprKind::Not(operand.expr.into()), start, operand.height)?, AND));
        }
        if self.token_is(0, "+") {
            self.advance();
            return Ok((self.tall(SIGN)?, SIGN));
        }
        let tall = if self.token_is(0, "-") {
            self.advance();
            if self.is_number(0) {
                let number = self.number(true)?;
                self.node(ExprKind::Literal(number), start, 0)?
            } else {
                let operand = self.tall(SIGN)?;
                let negated = self.node(ExprKind::Negate(operand.expr.into()), start, operand.height)?;
                return Ok((negated, SIGN));
            }
        } else {
            self.primary()?
        };
        Ok((self.postfix(tall, start)?, SIGN))
    }

    /// `[index]` and `->field`, any number of them.
    fn postfix(&mut self, mut base: Tall, start: u32) -> Result<Tall> {
        loop {
            if self.token_is(0, "[") {
                self.advance();
                let index = self.tall(OR)?;
                self.expect("]")?;
                let height = base.height.max(index.height);
                base = self.node(ExprKind::Subscript(base.expr.into(), index.expr.into()), start, height)?;
            } else if self.token_is(0, "->") && !self.token_is(1, "*") {
                self.advance();
                let field = self.any_name("field name")?;
                base = self.node(ExprKind::Field(base.expr.into(), field), start, base.height)?;
            } else {
                return Ok(base);
            }
        }
    }

    fn infix(&mut self, mut left: Tall, power_min: u8, mut power_max: u8, start: u32) -> Result<Tall> {
        loop {
            let Some((power, operator)) = self.operator() else { return Ok(left) };
            if power < power_min || power > power_max {
                return Ok(left);
            }
            power_max = if power == PREDICATE { NOT } else { power };
            left = match operator {
                Operator::Logical(op, word) => self.chain(left, op, word, power, start)?,
                Operator::Predicate => self.predicate(left, start)?,
                Operator::Arithmetic(op) => {
                    self.advance();
                    let right = self.tall(power + 1)?;
                    let height = left.height.max(right.height);
                    self.node(ExprKind::Arithmetic(op, left.expr.into(), right.expr.into()), start, height)?
                }
                Operator::Concat => {
                    self.advance();
                    let right = self.tall(power + 1)?;
                    let height = left.height.max(right.height);
                    self.node(ExprKind::Concat(left.expr.into(), right.expr.into()), start, height)?
                }
            };
        }
    }

    fn operator(&mut self) -> Option<(u8, Operator)> {
        use ArithmeticOp::{Add, Divide, Modulo, Multiply, Subtract};
        let span = self.token().span;
        let found = match self.token().kind {
            TokenKind::Symbol => match self.source(span) {
                "+" => (SUM, Operator::Arithmetic(Add)),
                "-" => (SUM, Operator::Arithmetic(Subtract)),
                "*" => (PRODUCT, Operator::Arithmetic(Multiply)),
                "/" => (PRODUCT, Operator::Arithmetic(Divide)),
                "%" => (PRODUCT, Operator::Arithmetic(Modulo)),
                "||" => (CONCAT, Operator::Concat),
                "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=" => (PREDICATE, Operator::Predicate),
                _ => return None,
            },
            TokenKind::Word => {
                if self.is_at("OR") {
                    (OR, Operator::Logical(LogicalOp::Or, "OR"))
                } else if self.is_at("AND") {
                    (AND, Operator::Logical(LogicalOp::And, "AND"))
                } else if ["IS", "NOT", "BETWEEN", "IN", "LIKE"].into_iter().any(|word| self.is_at(word)) {
                    (PREDICATE, Operator::Predicate)
                } else {
                    return None;
                }
            }
            _ => return None,
        };
        Some(found)
    }

    /// `left AND b AND c …`
    fn chain(
        &mut self,
        left: Tall,
        op: LogicalOp,
        word: &'static str,
        power: u8,
        start: u32,
    ) -> Result<Tall> {
        let mut operands = vec![left];
        while self.take(word) {
            operands.push(self.tall(power + 1)?);
        }
        if operands.len() > CHAIN_LEFT_DEEP_MAX {
            return self.balanced(op, operands, start);
        }
        let mut operands = operands.into_iter();
        let mut tree = operands.next().expect("a chain begins with its left side");
        for right in operands {
            tree = self.logical(op, tree, right, start)?;
        }
        Ok(tree)
    }

    fn balanced(&self, op: LogicalOp, mut operands: Vec<Tall>, start: u32) -> Result<Tall> {
        if operands.len() == 1 {
            return Ok(operands.pop().expect("it has one"));
        }
        let right = operands.split_off(operands.len().div_ceil(2));
        let right_start = right.first().map_or(start, |first| first.expr.span.start);
        let left = self.balanced(op, operands, start)?;
        let right = self.balanced(op, right, right_start)?;
        self.logical(op, left, right, start)
    }

    fn logical(&self, op: LogicalOp, left: Tall, right: Tall, start: u32) -> Result<Tall> {
        let span = Span { start, end: right.expr.span.end };
        let height = left.height.max(right.height);
        let mut tree =
            self.node(ExprKind::Logical(op, left.expr.into(), right.expr.into()), start, height)?;
        tree.expr.span = span;
        Ok(tree)
    }

    fn predicate(&mut self, left: Tall, start: u32) -> Result<Tall> {
        if self.take("IS") {
            return self.is_predicate(left, start);
        }
        let negated = self.take("NOT");
        if self.take("BETWEEN") {
            let low = self.tall(CONCAT)?;
            self.expect("AND")?;
            let high = self.tall(CONCAT)?;
            let height = left.height.max(low.height).max(high.height);
            let (expr, low, high) = (left.expr.into(), low.expr.into(), high.expr.into());
            return self.node(ExprKind::Between { expr, low, high, negated }, start, height);
        }
        if self.take("IN") {
            self.expect("(")?;
            if self.token_is(0, "SELECT") {
                let span = self.token().span;
                return Err(self
                    .error("a query cannot be used inside IN", span)
                    .with_hint("join the two sources instead"));
            }
            let (list, height) = self.tall_list()?;
            self.expect(")")?;
            let height = height.max(left.height);
            return self.node(ExprKind::In { expr: left.expr.into(), list, negated }, start, height);
        }
        if self.take("LIKE") {
            let pattern = self.tall(CONCAT)?;
            let escape = if self.take("ESCAPE") { Some(self.escape()?) } else { None };
            let height = left.height.max(pattern.height);
            let (expr, pattern) = (left.expr.into(), pattern.expr.into());
            return self.node(ExprKind::Like { expr, pattern, escape, negated }, start, height);
        }
        if negated {
            return Err(self.unexpected());
        }
        let op = match self.source(self.token().span) {
            "=" => CompareOp::Equal,
            "<" => CompareOp::Less,
            "<=" => CompareOp::LessEqual,
            ">" => CompareOp::Greater,
            ">=" => CompareOp::GreaterEqual,
            _ => CompareOp::NotEqual,
        };
        self.advance();
        self.compare(op, left, start)
    }

    /// What follows IS.
    fn is_predicate(&mut self, left: Tall, start: u32) -> Result<Tall> {
        let negated = self.take("NOT");
        if self.take("NULL") {
            return self.node(ExprKind::IsNull { expr: left.expr.into(), negated }, start, left.height);
        }
        self.expect_all(&["DISTINCT", "FROM"])?;
        let op = if negated { CompareOp::IsNotDistinctFrom } else { CompareOp::IsDistinctFrom };
        self.compare(op, left, start)
    }

    fn compare(&mut self, op: CompareOp, left: Tall, start: u32) -> Result<Tall> {
        let right = self.tall(CONCAT)?;
        let height = left.height.max(right.height);
        self.node(ExprKind::Compare(op, left.expr.into(), right.expr.into()), start, height)
    }

    fn escape(&mut self) -> Result<char> {
        let span = self.token().span;
        let text = self.text_literal("escape character")?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(escape), None) => Ok(escape),
            _ => Err(self.error("ESCAPE takes exactly one character", span)),
        }
    }

    fn primary(&mut self) -> Result<Tall> {
        let start = self.start();
        match self.token().kind.clone() {
            TokenKind::Text(text) => {
                self.advance();
                self.node(ExprKind::Literal(Literal::String(text)), start, 0)
            }
            TokenKind::Whole | TokenKind::WithPoint | TokenKind::WithExponent => {
                let number = self.number(false)?;
                self.node(ExprKind::Literal(number), start, 0)
            }
            TokenKind::Symbol if self.token_is(0, "(") => {
                self.advance();
                if self.token_is(0, "SELECT") {
                    let span = self.token().span;
                    return Err(self.error("a query cannot be used as an expression", span));
                }
                let inner = self.tall(OR)?;
                self.expect(")")?;
                Ok(inner)
            }
            TokenKind::Word => self.word(start),
            TokenKind::QuotedName(_) => self.name_or_call(start),
            TokenKind::DigitWord => Err(self.unexpected()),
            _ => {
                self.expected.clear();
                let source = self.source(self.token().span);
                if self.is_at_end() || self.hint_for(source).is_some() {
                    return Err(self.unexpected());
                }
                let message = format!("expression expected instead of \"{source}\"");
                Err(self.error(message, self.token().span))
            }
        }
    }

    fn word(&mut self, start: u32) -> Result<Tall> {
        let literal = if self.token_is(0, "NULL") {
            Some(Literal::Null)
        } else if self.token_is(0, "TRUE") {
            Some(Literal::Boolean(true))
        } else if self.token_is(0, "FALSE") {
            Some(Literal::Boolean(false))
        } else {
            None
        };
        if let Some(literal) = literal {
            self.advance();
            return self.node(ExprKind::Literal(literal), start, 0);
        }
        if self.token_is(0, "CASE") {
            self.advance();
            return self.case(start);
        }
        if self.is_at_all(&["CAST", "("]) {
            self.advance();
            self.advance();
            let inner = self.tall(OR)?;
            self.expect("AS")?;
            let type_name = self.type_name()?;
            self.expect(")")?;
            return self.node(ExprKind::Cast(inner.expr.into(), type_name), start, inner.height);
        }
        if self.is_at_all(&["ARRAY", "["]) {
            self.advance();
            self.advance();
            let (items, height) = if self.token_is(0, "]") { (Vec::new(), 0) } else { self.tall_list()? };
            self.expect("]")?;
            return self.node(ExprKind::Array(items), start, height);
        }
        if self.is_at_all(&["MAP", "("]) {
            return self.map_constructor(start);
        }
        if self.is_at_all(&["STRUCT", "("]) {
            return self.struct_constructor(start);
        }
        self.name_or_call(start)
    }

    /// What follows CASE.
    fn case(&mut self, start: u32) -> Result<Tall> {
        let mut height = 0;
        let mut tall = |parser: &mut Self, power| {
            let tall = parser.tall(power)?;
            height = height.max(tall.height);
            Ok(tall.expr)
        };
        let operand = if self.is_at("WHEN") { None } else { Some(Box::new(tall(self, CONCAT)?)) };
        let mut branches = Vec::new();
        self.expect("WHEN")?;
        loop {
            let condition = tall(self, OR)?;
            self.expect("THEN")?;
            branches.push((condition, tall(self, OR)?));
            if !self.take("WHEN") {
                break;
            }
        }
        let otherwise = if self.take("ELSE") { Some(Box::new(tall(self, OR)?)) } else { None };
        self.expect("END")?;
        self.node(ExprKind::Case { operand, branches, otherwise }, start, height)
    }

    fn map_constructor(&mut self, start: u32) -> Result<Tall> {
        self.expect_all(&["MAP", "("])?;
        let mut height = 0;
        let mut entries = Vec::new();
        if !self.token_is(0, ")") {
            entries = self.list(|parser| {
                let key = parser.tall(OR)?;
                parser.expect(":=")?;
                let value = parser.tall(OR)?;
                height = height.max(key.height).max(value.height);
                Ok((key.expr, value.expr))
            })?;
        }
        self.expect(")")?;
        self.node(ExprKind::Map(entries), start, height)
    }

    fn struct_constructor(&mut self, start: u32) -> Result<Tall> {
        self.expect_all(&["STRUCT", "("])?;
        let mut height = 0;
        let mut fields = Vec::new();
        if !self.token_is(0, ")") {
            fields = self.list(|parser| {
                let name = parser.any_name("field name")?;
                parser.expect(":=")?;
                let value = parser.tall(OR)?;
                height = height.max(value.height);
                Ok((name, value.expr))
            })?;
        }
        self.expect(")")?;
        self.node(ExprKind::Struct(fields), start, height)
    }

    fn name_or_call(&mut self, start: u32) -> Result<Tall> {
        if !self.is_at_name() && self.hint_for(self.source(self.token().span)).is_some() {
            return Err(self.unexpected());
        }
        let name = self.name("expression")?;
        if self.token_is(0, "(") {
            return self.call(name, start);
        }
        if !self.token_is(0, ".") {
            return self.node(ExprKind::Column { source: None, name }, start, 0);
        }
        self.advance();
        let column = self.any_name("column name")?;
        self.node(ExprKind::Column { source: Some(name), name: column }, start, 0)
    }

    fn call(&mut self, name: Ident, start: u32) -> Result<Tall> {
        self.expect("(")?;
        let takes_interval = INTERVAL_FUNCTIONS.contains(&&*name.text);
        let mut args = Vec::new();
        let mut height = 0;
        let star = self.token_is(0, "*") && self.token_is(1, ")");
        if star {
            self.advance();
        } else if !self.token_is(0, ")") {
            args = self.list(|parser| {
                let arg = parser.argument(takes_interval)?;
                height = height.max(arg.height);
                Ok(arg.expr)
            })?;
        }
        self.expect(")")?;
        self.node(ExprKind::Call { name, args, star }, start, height)
    }

    fn argument(&mut self, takes_interval: bool) -> Result<Tall> {
        let start = self.start();
        if takes_interval && let Some(unit) = self.interval_argument() {
            self.advance();
            return self.node(ExprKind::Interval(unit), start, 0);
        }
        if self.is_at_lambda() {
            return self.nested(|parser| parser.lambda(start));
        }
        self.tall(OR)
    }

    /// Whether `x =>` or `(x, y) =>` is next.
    fn is_at_lambda(&self) -> bool {
        if self.is_name(0) {
            return self.token_is(1, "=>");
        }
        if !self.token_is(0, "(") {
            return false;
        }
        let mut n = 1;
        while self.is_name(n) && n < 2 * LAMBDA_PARAMS_MAX {
            match self.token_is(n + 1, ",") {
                true => n += 2,
                false => return self.token_is(n + 1, ")") && self.token_is(n + 2, "=>"),
            }
        }
        false
    }

    fn lambda(&mut self, start: u32) -> Result<Tall> {
        let params = if self.take("(") {
            let params = self.list(|parser| parser.name("lambda parameter"))?;
            self.expect(")")?;
            params
        } else {
            vec![self.name("lambda parameter")?]
        };
        self.expect("=>")?;
        let body = self.tall(OR)?;
        self.node(ExprKind::Lambda { params, body: body.expr.into() }, start, body.height)
    }

    fn tall_list(&mut self) -> Result<(Vec<Expr>, usize)> {
        if self.token_is(0, ")") {
            let span = self.token().span;
            return Err(self.error(format!("list is empty at \"{}\"", shortened(self.source(span))), span));
        }
        let mut height = 0;
        let list = self.list(|parser| {
            let item = parser.tall(OR)?;
            height = height.max(item.height);
            Ok(item.expr)
        })?;
        Ok((list, height))
    }
}

/// What can stand between two operands.
enum Operator {
    Logical(LogicalOp, &'static str),
    Predicate,
    Arithmetic(ArithmeticOp),
    Concat,
}
