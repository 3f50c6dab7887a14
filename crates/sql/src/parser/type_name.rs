//! Types, and the columns declared with them.

use types::DataType;

use super::{Parser, Result};
use crate::ast::{ColumnConstraint, ColumnDef, Ident, TypeName};
use crate::error::{SqlError, SqlErrorCode};
use crate::lexer::TokenKind;

/// How often `ARRAY` may follow one type; together with the nesting it bounds the type's height.
const POSTFIX_ARRAYS_MAX: usize = 4;

/// How deep types may be nested in each other.
pub const TYPE_NESTING_MAX: usize = 32;

/// Digits a DECIMAL can have.
const DECIMAL_PRECISION_MAX: i64 = 38;

impl Parser<'_> {
    pub(super) fn type_name(&mut self) -> Result<TypeName> {
        self.type_within(0)
    }

    fn type_within(&mut self, depth: usize) -> Result<TypeName> {
        if depth == TYPE_NESTING_MAX {
            return Err(SqlError::new(SqlErrorCode::TooDeep, "type nested too deeply", self.token().span)
                .with_hint(format!("at most {TYPE_NESTING_MAX} levels are allowed")));
        }
        let mut type_name = if self.is_at_all(&["ARRAY", "<"]) {
            self.advance();
            self.advance();
            let item = self.type_within(depth + 1)?;
            self.expect(">")?;
            TypeName::Array(Box::new(item))
        } else if self.is_at_all(&["MAP", "<"]) {
            self.advance();
            self.advance();
            let key = self.type_within(depth + 1)?;
            self.expect(",")?;
            let value = self.type_within(depth + 1)?;
            self.expect(">")?;
            TypeName::Map(Box::new(key), Box::new(value))
        } else if self.is_at_all(&["STRUCT", "<"]) || self.is_at_all(&["STRUCT", "<>"]) {
            self.advance();
            TypeName::Struct(self.struct_fields(depth)?)
        } else {
            self.named_type()?
        };
        // KSQL's own order: `INT ARRAY`.
        let mut arrays = 0;
        while self.token_is(0, "ARRAY") {
            arrays += 1;
            if arrays > POSTFIX_ARRAYS_MAX {
                return Err(self.too_deep());
            }
            self.advance();
            type_name = TypeName::Array(Box::new(type_name));
        }
        Ok(type_name)
    }

    fn struct_fields(&mut self, depth: usize) -> Result<Vec<(crate::ast::Ident, TypeName)>> {
        if self.take("<>") {
            return Ok(Vec::new());
        }
        self.expect("<")?;
        if self.take(">") {
            return Ok(Vec::new());
        }
        let fields = self.list(|parser| {
            let name = match parser.dotted_name() {
                Some(name) => name,
                None => parser.name("field name")?,
            };
            Ok((name, parser.type_within(depth + 1)?))
        })?;
        self.expect(">")?;
        Ok(fields)
    }

    fn named_type(&mut self) -> Result<TypeName> {
        let name = self.name("type")?;
        if name.quoted {
            return Ok(TypeName::Custom(name));
        }
        let Some(builtin) = builtin(&name.text) else {
            return Ok(TypeName::Custom(name));
        };
        let parameters = self.type_parameters()?;
        let span = self.span_from(name.span.start);
        let DataType::Decimal { .. } = builtin else {
            return Ok(TypeName::Builtin(builtin));
        };
        let [precision, scale] = &*parameters else {
            return Err(self
                .error("DECIMAL needs a precision and a scale", span)
                .with_hint("write DECIMAL(precision, scale), for example DECIMAL(10, 2)"));
        };
        let in_range = 1 <= *precision && *precision <= DECIMAL_PRECISION_MAX && scale <= precision;
        match (u8::try_from(*precision), u8::try_from(*scale)) {
            (Ok(precision), Ok(scale)) if in_range => {
                Ok(TypeName::Builtin(DataType::Decimal { precision, scale }))
            }
            _ => Err(SqlError::new(
                SqlErrorCode::NumberOutOfRange,
                format!("DECIMAL({precision}, {scale}) is out of range"),
                span,
            )
            .with_hint(format!(
                "the precision is 1 to {DECIMAL_PRECISION_MAX}, the scale 0 to the precision"
            ))),
        }
    }

    /// `(255)`: as in ksqlDB read for every type and used for DECIMAL only.
    fn type_parameters(&mut self) -> Result<Vec<i64>> {
        if !self.take("(") {
            return Ok(Vec::new());
        }
        let parameters =
            self.list(|parser| if parser.take("STRING") { Ok(0) } else { parser.count("type parameter") })?;
        self.expect(")")?;
        Ok(parameters)
    }

    /// `a INT KEY, b STRING, …`
    pub(super) fn column_defs(&mut self) -> Result<Vec<ColumnDef>> {
        self.list(Self::column_def)
    }

    pub(super) fn column_def(&mut self) -> Result<ColumnDef> {
        let name = match self.dotted_name() {
            Some(name) => name,
            None => self.name("column name")?,
        };
        let type_name = self.type_name()?;
        let constraint = self.column_constraint()?;
        Ok(ColumnDef { name, type_name, constraint })
    }

    fn column_constraint(&mut self) -> Result<ColumnConstraint> {
        if self.take("PRIMARY") {
            self.expect("KEY")?;
            return Ok(ColumnConstraint::PrimaryKey);
        }
        if self.take("KEY") {
            return Ok(ColumnConstraint::Key);
        }
        if self.take("HEADERS") {
            return Ok(ColumnConstraint::Headers);
        }
        if self.take("HEADER") {
            self.expect("(")?;
            let header = self.text_literal("name of the header")?;
            self.expect(")")?;
            return Ok(ColumnConstraint::Header(header));
        }
        Ok(ColumnConstraint::None)
    }

    /// Columns up to the end of the text, as schemas are shown; none is fine.
    pub(crate) fn whole_columns(&mut self) -> Result<Vec<ColumnDef>> {
        let columns = if self.is_at_end() { Vec::new() } else { self.list(Self::shown_column)? };
        self.end()?;
        Ok(columns)
    }

    /// A column of a schema that exists: an alias may have given it a name that begins with a digit.
    fn shown_column(&mut self) -> Result<ColumnDef> {
        if self.token().kind != TokenKind::DigitWord {
            return self.column_def();
        }
        let name = self.digit_name();
        let type_name = self.type_name()?;
        Ok(ColumnDef { name, type_name, constraint: self.column_constraint()? })
    }

    /// The next token, a word that begins with a digit, as a name.
    pub(super) fn digit_name(&mut self) -> Ident {
        let span = self.advance();
        Ident { text: self.source(span).to_ascii_uppercase().into(), quoted: false, span }
    }

    pub(crate) fn whole_type(&mut self) -> Result<TypeName> {
        let type_name = self.type_name()?;
        self.end()?;
        Ok(type_name)
    }

    /// Nothing but the end may follow.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.token().kind == TokenKind::End { Ok(()) } else { Err(self.unexpected()) }
    }
}

/// Returns the scalar type of a name in upper case; DECIMAL's numbers are still to be read.
pub(crate) fn builtin(name: &str) -> Option<DataType> {
    Some(match name {
        "BOOLEAN" => DataType::Boolean,
        "INT" | "INTEGER" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "DOUBLE" => DataType::Double,
        "DECIMAL" => DataType::Decimal { precision: 1, scale: 0 },
        "STRING" | "VARCHAR" => DataType::String,
        "BYTES" => DataType::Bytes,
        "DATE" => DataType::Date,
        "TIME" => DataType::Time,
        "TIMESTAMP" => DataType::Timestamp,
        _ => return None,
    })
}
