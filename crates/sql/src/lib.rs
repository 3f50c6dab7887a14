//! Text to statements and back. Knows no catalog.

pub mod ast;
