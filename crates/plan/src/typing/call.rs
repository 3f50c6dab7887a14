//! Function calls: overloads, lambdas, and calls on constants computed once.

use std::cell::RefCell;

use functions::{Arg, ArgType, FunctionError, FunctionKind, ParamType};
use sql::ast::{self, ExprKind as Ast, Ident};
use types::{DataType, Value};

use super::Typing;
use super::coerce::cast_to;
use crate::error::{PlanError, Result};
use crate::expr::{CallArg, Expr, ExprKind, TableFunction};
use crate::step::AggregateFunction;
use crate::type_size;

/// A lambda's body and the types its parameters have in it.
type TypedBody = (Vec<DataType>, Expr);

impl Typing<'_> {
    pub(super) fn call(&self, name: &Ident, args: &[ast::Expr], star: bool) -> Result<Expr> {
        // KSQL 5 wrote the window's bounds as functions.
        if args.is_empty() && !star && matches!(&*name.text, "WINDOWSTART" | "WINDOWEND") {
            return self.column(None, name);
        }
        match self.library.kind(&name.text) {
            Some(FunctionKind::Aggregate) => {
                return Err(PlanError::new(
                    "misplaced_aggregate",
                    format!("aggregate function {} is not allowed here", name.text),
                )
                .at(name.span)
                .hint("aggregates stand in SELECT and HAVING of a query with GROUP BY"));
            }
            Some(FunctionKind::Table) => {
                return Err(PlanError::new(
                    "misplaced_table_function",
                    format!("table function {} is not allowed here", name.text),
                )
                .at(name.span)
                .hint("table functions stand in the SELECT list"));
            }
            Some(FunctionKind::Scalar) if star => {
                return Err(PlanError::new(
                    "bad_argument",
                    format!("{}(*) is not allowed: * stands for all rows, as in COUNT(*)", name.text),
                )
                .at(name.span)
                .hint("name the columns, separated by commas"));
            }
            _ => {}
        }
        let first = self.scope.params.len();
        let typed = args
            .iter()
            .map(|arg| match &arg.kind {
                Ast::Lambda { .. } => Ok(None),
                _ => self.expr(arg).map(Some),
            })
            .collect::<Result<Vec<_>>>()?;
        let (call, bodies) =
            self.resolved(name, args, &typed, |types| self.library.scalar(&name.text, types))?;
        let mut bound = Vec::with_capacity(args.len());
        for (((arg, typed), param), last) in args.iter().zip(typed).zip(&call.params).zip(bodies) {
            bound.push(match (param, typed, &arg.kind) {
                (ParamType::Lambda(types), None, Ast::Lambda { params, body }) => {
                    let body = match last {
                        Some((given, body)) if given == *types => body,
                        _ => self.with_params(params, types)?.expr(body)?,
                    };
                    CallArg::Lambda { first, params: params.len(), body: Box::new(body) }
                }
                (ParamType::Value(target), Some(typed), _) => {
                    CallArg::Expr(cast_to(typed, target).map_err(|e| e.at(arg.span))?)
                }
                (ParamType::Interval, Some(typed), _) => CallArg::Expr(typed),
                _ => {
                    return Err(PlanError::new("bad_argument", "a lambda stands where a value is expected")
                        .at(arg.span));
                }
            });
        }
        let data_type = Some(call.returns.clone());
        if call.is_pure
            && let Some(value) = fold(&name.text, &call, &bound)
        {
            return Ok(Expr { kind: ExprKind::Constant(value), data_type });
        }
        Ok(Expr { kind: ExprKind::Call { name: name.text.to_string(), call, args: bound }, data_type })
    }

    /// An aggregate call, its arguments typed on this scope.
    pub fn aggregate(
        &self,
        name: &Ident,
        args: &[ast::Expr],
        star: bool,
    ) -> Result<(AggregateFunction, DataType)> {
        let typed = args.iter().map(|a| self.expr(a)).collect::<Result<Vec<_>>>()?;
        let optional: Vec<Option<Expr>> = typed.iter().cloned().map(Some).collect();
        let call = if star {
            self.library.aggregate(&name.text, &[]).map_err(|e| self.function_error(e, name))?
        } else {
            self.resolved(name, args, &optional, |types| self.library.aggregate(&name.text, types))?.0
        };
        type_size::measured(&call.returns).map_err(|e| e.at(name.span))?;
        let mut bound = Vec::new();
        for (typed, param) in typed.into_iter().zip(&call.params) {
            bound.push(cast_to(typed, param)?);
        }
        let returns = call.returns.clone();
        Ok((AggregateFunction { name: name.text.to_string(), call, args: bound }, returns))
    }

    /// A table function call, its arguments typed on this scope.
    pub fn table_function(&self, name: &Ident, args: &[ast::Expr]) -> Result<(TableFunction, DataType)> {
        let typed = args.iter().map(|a| self.expr(a)).collect::<Result<Vec<_>>>()?;
        let optional: Vec<Option<Expr>> = typed.iter().cloned().map(Some).collect();
        let call = self.resolved(name, args, &optional, |types| self.library.table(&name.text, types))?.0;
        let bound = typed
            .into_iter()
            .zip(&call.params)
            .map(|(typed, param)| cast_to(typed, param))
            .collect::<Result<Vec<_>>>()?;
        let returns = call.returns.clone();
        Ok((TableFunction { name: name.text.to_string(), call, args: bound }, returns))
    }

    /// Chooses an overload. Also returns the lambdas' bodies, each with the types its parameters had when it was typed
    /// last.
    fn resolved<T>(
        &self,
        name: &Ident,
        args: &[ast::Expr],
        typed: &[Option<Expr>],
        choose: impl FnOnce(&[ArgType<'_>]) -> Result<T, FunctionError>,
    ) -> Result<(T, Vec<Option<TypedBody>>)> {
        let bodies: Vec<RefCell<Option<TypedBody>>> = args.iter().map(|_| RefCell::default()).collect();
        let failure = RefCell::new(None);
        let type_body: Vec<_> = args
            .iter()
            .zip(&bodies)
            .map(|(arg, last)| {
                let failure = &failure;
                move |types: &[DataType]| -> Result<DataType, FunctionError> {
                    let Ast::Lambda { params, body } = &arg.kind else {
                        return Err(FunctionError::Invalid("not a lambda".into()));
                    };
                    if params.len() != types.len() {
                        return Err(FunctionError::Invalid(format!(
                            "a lambda with {} parameters is expected here, this one has {}",
                            types.len(),
                            params.len()
                        )));
                    }
                    let body =
                        self.with_params(params, types).and_then(|inner| inner.expr(body)).map_err(|e| {
                            let message = e.to_string();
                            failure.borrow_mut().get_or_insert(e);
                            FunctionError::Invalid(message)
                        })?;
                    let data_type = body.data_type.clone().unwrap_or(DataType::String);
                    *last.borrow_mut() = Some((types.to_vec(), body));
                    Ok(data_type)
                }
            })
            .collect();
        let types: Vec<ArgType<'_>> = args
            .iter()
            .zip(typed)
            .zip(&type_body)
            .map(|((arg, typed), body)| match (&arg.kind, typed) {
                (Ast::Lambda { params, .. }, _) => ArgType::Lambda(params.len(), body),
                (Ast::Interval(_), _) => ArgType::Interval,
                (_, Some(Expr { data_type: Some(data_type), kind })) => {
                    let literal = match kind {
                        ExprKind::Constant(value) => Some(value),
                        _ => None,
                    };
                    ArgType::Value(data_type.clone(), literal)
                }
                _ => ArgType::Null,
            })
            .collect();
        let chosen = choose(&types);
        // What is wrong within a lambda has its own place.
        let chosen = chosen.map_err(|e| failure.take().unwrap_or_else(|| self.function_error(e, name)))?;
        Ok((chosen, bodies.into_iter().map(RefCell::into_inner).collect()))
    }

    fn with_params(&self, params: &[Ident], types: &[DataType]) -> Result<Typing<'_>> {
        // The copy of the names takes longer than many a body.
        self.budget.take(1 + self.scope.columns.len() / 8)?;
        let mut inner = self.clone();
        inner.scope.params.extend(params.iter().map(|p| p.text.clone()).zip(types.iter().cloned()));
        Ok(inner)
    }

    /// The error for a name that no function has.
    pub fn unknown_function(&self, name: &Ident) -> PlanError {
        match self.library.scalar(&name.text, &[]) {
            Err(error) => self.function_error(error, name),
            Ok(_) => {
                PlanError::new("unknown_function", format!("unknown function {}", name.text)).at(name.span)
            }
        }
    }

    fn function_error(&self, error: FunctionError, name: &Ident) -> PlanError {
        let code = match &error {
            FunctionError::Unknown { .. } => "unknown_function",
            FunctionError::NoOverload { .. } => "no_such_overload",
            FunctionError::Invalid(_) => "bad_argument",
        };
        PlanError::new(code, error.to_string()).at(name.span)
    }
}

fn fold(name: &str, call: &functions::ScalarCall, args: &[CallArg]) -> Option<Value> {
    let values = args
        .iter()
        .map(|arg| match arg {
            CallArg::Expr(Expr { kind: ExprKind::Constant(value), .. }) => Some(Arg::Value(value.clone())),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()?;
    (call.code)(&values).and_then(|value| functions::bounded(name, value)).ok()
}
