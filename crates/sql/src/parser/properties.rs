//! `WITH (NAME = value, …)`

use super::{Parser, Result, shortened};
use crate::ast::{Ident, Literal, Property, PropertyValue};
use crate::lexer::TokenKind;

impl Parser<'_> {
    /// The WITH clause, or nothing.
    pub(super) fn properties_if_any(&mut self) -> Result<Vec<Property>> {
        if !self.take("WITH") {
            return Ok(Vec::new());
        }
        self.expect("(")?;
        if self.take(")") {
            return Ok(Vec::new());
        }
        let properties = self.list(Self::property)?;
        self.expect(")")?;
        Ok(properties)
    }

    fn property(&mut self) -> Result<Property> {
        let name = self.property_name()?;
        self.expect("=")?;
        let start = self.start();
        let value = self.property_value()?;
        Ok(Property { name, value, span: self.span_from(start) })
    }

    /// Connectors' properties have points and are written with any quotes.
    fn property_name(&mut self) -> Result<Ident> {
        if let TokenKind::Text(text) = &self.token().kind {
            let text = text.as_str().into();
            return Ok(Ident { text, quoted: true, span: self.advance() });
        }
        match self.dotted_name() {
            Some(name) => Ok(name),
            None => self.any_name("property name"),
        }
    }

    fn property_value(&mut self) -> Result<PropertyValue> {
        if let TokenKind::Text(text) = &self.token().kind {
            let value = PropertyValue::Text(text.clone());
            self.advance();
            return Ok(value);
        }
        if self.take("TRUE") {
            return Ok(PropertyValue::Boolean(true));
        }
        if self.take("FALSE") {
            return Ok(PropertyValue::Boolean(false));
        }
        if self.take("NULL") {
            return Ok(PropertyValue::Null);
        }
        let start = self.start();
        let is_negative = self.take("-");
        if self.is_number(0) {
            let number = self.number(is_negative);
            return match number {
                Ok(Literal::Integer(number)) => Ok(PropertyValue::Integer(number.into())),
                Ok(Literal::BigInt(number)) => Ok(PropertyValue::Integer(number)),
                Ok(_) => {
                    Ok(PropertyValue::Number(self.source(self.span_from(start)).split_whitespace().collect()))
                }
                Err(error) => Err(error),
            };
        }
        let token = self.token().clone();
        match token.kind {
            TokenKind::Word | TokenKind::QuotedName(_) => {
                let source = self.source(token.span);
                let bare = source.trim_matches(['"', '`']);
                Err(self
                    .error(
                        format!("unexpected \"{}\" as the value of a property", shortened(bare)),
                        token.span,
                    )
                    .with_hint(format!("put it in single quotes: '{}'", shortened(bare))))
            }
            _ => Err(self.unexpected()),
        }
    }
}
