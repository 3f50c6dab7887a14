//! A function: its name, what the user is told about it, and its overloads.

use std::sync::Arc;

use crate::registry::{AggregateCall, ArgType, FunctionError, ScalarCall, ScalarCode, TableCall, TableCode};
use crate::signature::{Resolved, Signature, choose};

type BuildScalar = Arc<dyn Fn(&mut Resolved) -> Result<ScalarCode, FunctionError> + Send + Sync>;
type BuildAggregate = Arc<dyn Fn(&Resolved, &Limits) -> Result<AggregateCall, FunctionError> + Send + Sync>;
type BuildTable = Arc<dyn Fn(&mut Resolved) -> TableCode + Send + Sync>;

/// Bounds that users set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items COLLECT_LIST keeps (`ksql.functions.collect_list.limit`).
    pub collect_list: usize,
    /// Items COLLECT_SET keeps (`ksql.functions.collect_set.limit`).
    pub collect_set: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { collect_list: 1000, collect_set: 1000 }
    }
}

/// What is common to the three kinds: name, texts, overloads.
#[derive(Clone)]
pub struct Function<B> {
    /// Upper-case name.
    pub name: &'static str,
    /// ksqlDB's category.
    pub category: &'static str,
    /// One sentence.
    pub description: &'static str,
    overloads: Vec<(Signature, B)>,
    is_pure: bool,
}

/// A scalar function.
pub type Scalar = Function<BuildScalar>;
/// An aggregate function.
pub type AggregateFunction = Function<BuildAggregate>;
/// A table function.
pub type Table = Function<BuildTable>;

impl<B> Function<B> {
    /// A function without overloads.
    pub fn new(name: &'static str, category: &'static str, description: &'static str) -> Self {
        Self { name, category, description, overloads: Vec::new(), is_pure: true }
    }

    /// The overloads as `DESCRIBE FUNCTION` shows them.
    pub fn signatures(&self) -> Vec<String> {
        self.overloads.iter().map(|(signature, _)| signature.text().to_owned()).collect()
    }

    /// States that equal arguments may give different results.
    pub fn impure(mut self) -> Self {
        self.is_pure = false;
        self
    }

    fn add(mut self, signature: &str, build: B) -> Self {
        let signature = Signature::parse(signature).expect("signatures are part of the program");
        self.overloads.push((signature, build));
        self
    }

    fn choose(&self, args: &[ArgType<'_>]) -> Result<(&B, Resolved), FunctionError> {
        choose(self.name, &self.overloads, |(signature, _)| signature, args)
            .map(|((_, build), resolved)| (build, resolved))
    }
}

impl Scalar {
    /// Adds an overload whose code is the same for every call.
    pub fn overload(self, signature: &str, code: ScalarCode) -> Self {
        self.add(signature, Arc::new(move |_| Ok(Arc::clone(&code))))
    }

    /// Adds an overload whose code or result type depends on the types or the literals of the call.
    pub fn overload_with(
        self,
        signature: &str,
        build: impl Fn(&mut Resolved) -> Result<ScalarCode, FunctionError> + Send + Sync + 'static,
    ) -> Self {
        self.add(signature, Arc::new(build))
    }

    pub(crate) fn call(&self, args: &[ArgType<'_>]) -> Result<ScalarCall, FunctionError> {
        let (build, mut resolved) = self.choose(args)?;
        let code = build(&mut resolved)?;
        Ok(ScalarCall { params: resolved.params, returns: resolved.returns, code, is_pure: self.is_pure })
    }
}

impl AggregateFunction {
    /// Adds an overload.
    pub fn overload(
        self,
        signature: &str,
        build: impl Fn(&Resolved, &Limits) -> Result<AggregateCall, FunctionError> + Send + Sync + 'static,
    ) -> Self {
        self.add(signature, Arc::new(build))
    }

    pub(crate) fn call(&self, args: &[ArgType<'_>], limits: &Limits) -> Result<AggregateCall, FunctionError> {
        let (build, resolved) = self.choose(args)?;
        build(&resolved, limits)
    }
}

impl Table {
    /// Adds an overload; the signature's result is the type of the rows.
    pub fn overload(self, signature: &str, code: TableCode) -> Self {
        self.add(signature, Arc::new(move |_| Arc::clone(&code)))
    }

    /// Adds an overload whose code or type of rows depends on the types or the literals of the call.
    pub fn overload_with(
        self,
        signature: &str,
        build: impl Fn(&mut Resolved) -> TableCode + Send + Sync + 'static,
    ) -> Self {
        self.add(signature, Arc::new(build))
    }

    pub(crate) fn call(&self, args: &[ArgType<'_>]) -> Result<TableCall, FunctionError> {
        let (build, mut resolved) = self.choose(args)?;
        let code = build(&mut resolved);
        Ok(TableCall { params: resolved.row_params(), returns: resolved.returns, code })
    }
}
