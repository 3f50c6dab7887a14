//! Signatures: a small language for the types an overload takes, and its matcher.
//!
//! A signature is written as `DESCRIBE FUNCTION` shows it, for example `(ARRAY<T>, T) → BOOLEAN`:
//!
//! ```text
//! INT STRING …       that type                    T K V … (one letter)   any type, the same each time
//! DECIMAL            any precision and scale      ANY                    any type, each its own
//! ARRAY<p> MAP<p, p> STRUCT<NAME p, …>            INTERVALUNIT           DAYS, HOURS …
//! p...               none or more of p            INT literal            known when the call is resolved
//! LAMBDA(p, p)=>p    a lambda
//! ```

use std::sync::Arc;

use types::{DataType, Value};

use crate::registry::{ArgType, FunctionError, ParamType};

/// How often a lambda's body is typed again with a wider type before the call is refused.
const LAMBDA_WIDENINGS_MAX: usize = 4;

/// What a parameter or result may be.
#[derive(Clone, Debug, PartialEq)]
enum Pattern {
    Exact(DataType),
    Decimal,
    Generic(u8),
    Any,
    Interval,
    Array(Box<Pattern>),
    Map(Box<Pattern>, Box<Pattern>),
    Struct(Vec<(String, Pattern)>),
    Lambda(Vec<Pattern>, Box<Pattern>),
    Literal(Box<Pattern>),
}

/// The parameters and the result of one overload.
#[derive(Clone, Debug)]
pub struct Signature {
    text: String,
    params: Vec<Pattern>,
    variadic: Option<usize>,
    returns: Pattern,
}

/// A call after its overload was chosen.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// One for each argument.
    pub params: Vec<ParamType>,
    /// The result, as far as the signature tells it.
    pub returns: DataType,
    /// For each argument whether the signature asks for a literal.
    pub is_literal: Vec<bool>,
    /// The literal arguments' values, as written (before any cast).
    pub literals: Vec<Option<Value>>,
}

impl Resolved {
    /// The value of a literal argument.
    pub fn literal(&self, at: usize) -> Option<&Value> {
        self.literals.get(at)?.as_ref()
    }

    /// The type of the parameter, if it takes a value.
    pub fn param(&self, at: usize) -> Option<&DataType> {
        match self.params.get(at)? {
            ParamType::Value(data_type) => Some(data_type),
            _ => None,
        }
    }

    /// The types of the parameters that are computed for each row.
    pub fn row_params(&self) -> Vec<DataType> {
        let rows = self.params.iter().zip(&self.is_literal).filter(|(_, literal)| !**literal);
        rows.filter_map(|(param, _)| match param {
            ParamType::Value(data_type) => Some(data_type.clone()),
            _ => None,
        })
        .collect()
    }
}

type Bindings = [Option<DataType>; 26];

impl Signature {
    /// Reads a signature; `None` if it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text };
        let (params, variadic) = parser.params()?;
        parser.take("→")?;
        let returns = parser.pattern()?;
        parser.rest.trim().is_empty().then(|| Self { text: text.to_owned(), params, variadic, returns })
    }

    /// The signature as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The pattern that the argument at `at` of `count` has to fit.
    fn pattern(&self, at: usize, count: usize) -> &Pattern {
        let Some(variadic) = self.variadic else { return &self.params[at] };
        let after = self.params.len() - 1 - variadic;
        if at < variadic {
            &self.params[at]
        } else if at >= count - after {
            &self.params[self.params.len() - (count - at)]
        } else {
            &self.params[variadic]
        }
    }

    /// The types the generics stand for, if the arguments fit.
    fn fit(&self, args: &[ArgType<'_>], casts: bool) -> Option<Bindings> {
        let count_fits = match self.variadic {
            Some(_) => args.len() + 1 >= self.params.len(),
            None => args.len() == self.params.len(),
        };
        if !count_fits {
            return None;
        }
        let mut bindings = Bindings::default();
        let fits = args
            .iter()
            .enumerate()
            .all(|(at, arg)| fits_arg(self.pattern(at, args.len()), arg, casts, &mut bindings));
        fits.then_some(bindings)
    }

    fn generics(&self) -> usize {
        self.params.iter().map(count_generics).sum()
    }

    fn resolve(&self, args: &[ArgType<'_>], mut bindings: Bindings) -> Result<Resolved, FunctionError> {
        for (at, arg) in args.iter().enumerate() {
            if let (ArgType::Lambda(_, body), Pattern::Lambda(params, returns)) =
                (arg, self.pattern(at, args.len()))
            {
                bind_lambda(params, returns, body, &mut bindings)?;
            }
        }
        let patterns = (0..args.len()).map(|at| self.pattern(at, args.len()));
        let mut params: Vec<_> =
            patterns.clone().zip(args).map(|(p, arg)| param_type(p, arg, &bindings)).collect();
        let known = params.iter().zip(args).filter(|(_, arg)| !matches!(arg, ArgType::Null));
        let decimal = known.into_iter().find_map(|(param, _)| match param {
            ParamType::Value(data_type) => decimal_within(data_type),
            _ => None,
        });
        // A NULL has no precision of its own: it takes that of the others.
        for ((param, pattern), arg) in params.iter_mut().zip(patterns.clone()).zip(args) {
            if matches!(arg, ArgType::Null) && has_decimal(pattern) {
                *param = ParamType::Value(substitute(pattern, &bindings, decimal.as_ref()));
            }
        }
        Ok(Resolved {
            returns: substitute(&self.returns, &bindings, decimal.as_ref()),
            is_literal: patterns.map(|p| matches!(p, Pattern::Literal(_))).collect(),
            literals: args
                .iter()
                .map(|arg| match arg {
                    ArgType::Value(_, literal) => literal.cloned(),
                    _ => None,
                })
                .collect(),
            params,
        })
    }
}

/// Chooses the overload as ksqlDB's UdfIndex does: without casts before with implicit casts, a fixed
/// number of parameters before a variable one, fewer generics before more; a tie is an error.
pub(crate) fn choose<'a, O>(
    name: &str,
    overloads: &'a [O],
    signature: impl Fn(&O) -> &Signature,
    args: &[ArgType<'_>],
) -> Result<(&'a O, Resolved), FunctionError> {
    for casts in [false, true] {
        let mut fitting: Vec<_> = overloads
            .iter()
            .filter_map(|overload| signature(overload).fit(args, casts).map(|bindings| (overload, bindings)))
            .collect();
        let rank = |overload: &O| (signature(overload).variadic.is_some(), signature(overload).generics());
        let Some(best) = fitting.iter().map(|(overload, _)| rank(overload)).min() else { continue };
        fitting.retain(|(overload, _)| rank(overload) == best);
        if fitting.len() > 1 {
            return Err(FunctionError::Invalid(format!(
                "function {name} cannot be resolved due to ambiguous arguments ({})",
                types_text(args)
            )));
        }
        let (overload, bindings) = fitting.remove(0);
        return Ok((overload, signature(overload).resolve(args, bindings)?));
    }
    let expected: Vec<_> = overloads.iter().map(|overload| signature(overload).text()).collect();
    Err(FunctionError::NoOverload {
        name: name.to_owned(),
        given: types_text(args),
        expected: expected.join("; "),
    })
}

fn types_text(args: &[ArgType<'_>]) -> String {
    let texts: Vec<_> = args
        .iter()
        .map(|arg| match arg {
            ArgType::Value(data_type, _) => data_type.to_string(),
            ArgType::Null => "null".to_owned(),
            ArgType::Interval => "INTERVALUNIT".to_owned(),
            ArgType::Lambda(..) => "LAMBDA".to_owned(),
        })
        .collect();
    texts.join(", ")
}

fn fits_arg(pattern: &Pattern, arg: &ArgType<'_>, casts: bool, bindings: &mut Bindings) -> bool {
    match (pattern, arg) {
        (Pattern::Interval, ArgType::Interval) => true,
        (Pattern::Interval | Pattern::Lambda(..), _) | (_, ArgType::Interval) => {
            matches!((pattern, arg), (Pattern::Lambda(params, _), ArgType::Lambda(count, _)) if params.len() == *count)
        }
        (_, ArgType::Lambda(..)) => false,
        (Pattern::Literal(inner), ArgType::Value(data_type, Some(_))) => {
            fits_type(inner, data_type, casts, bindings)
        }
        (Pattern::Literal(_), _) => false,
        (_, ArgType::Null) => true,
        (Pattern::Exact(to), ArgType::Value(DataType::String, Some(_)))
            if casts && is_written_as_text(to) =>
        {
            true
        }
        (_, ArgType::Value(data_type, _)) => fits_type(pattern, data_type, casts, bindings),
    }
}

/// Types whose literals are written as text and cast implicitly.
fn is_written_as_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date | DataType::Time | DataType::Timestamp | DataType::Bytes)
}

fn fits_type(pattern: &Pattern, given: &DataType, casts: bool, bindings: &mut Bindings) -> bool {
    if let (Pattern::Generic(letter), true) = (pattern, casts) {
        let bound = &mut bindings[usize::from(*letter)];
        let wider = match bound {
            Some(bound) => wider_of(bound, given),
            None => Some(given.clone()),
        };
        let fits = wider.is_some();
        *bound = wider.or_else(|| bound.take());
        return fits;
    }
    match (pattern, given) {
        (Pattern::Exact(wanted), _) => wanted == given || casts && is_wider(given, wanted),
        (Pattern::Decimal, DataType::Decimal { .. }) | (Pattern::Any, _) => true,
        (Pattern::Decimal, DataType::Int | DataType::BigInt) => casts,
        (Pattern::Generic(letter), _) => {
            bindings[usize::from(*letter)].get_or_insert_with(|| given.clone()) == given
        }
        // Items are not cast: a generic bound within an array must fit as it is.
        (Pattern::Array(item), DataType::Array(given)) => fits_type(item, given, false, bindings),
        (Pattern::Map(key, value), DataType::Map(given_key, given_value)) => {
            fits_type(key, given_key, false, bindings) && fits_type(value, given_value, false, bindings)
        }
        (Pattern::Struct(fields), DataType::Struct(given)) => {
            fields.len() == given.len()
                && fields.iter().zip(given.iter()).all(|((name, pattern), field)| {
                    **name == *field.name && fits_type(pattern, &field.data_type, false, bindings)
                })
        }
        _ => false,
    }
}

/// Whether `to` takes every number of `from`: INTEGER, BIGINT, DECIMAL, DOUBLE.
fn is_wider(from: &DataType, to: &DataType) -> bool {
    let rank = |data_type: &DataType| match data_type {
        DataType::Int => Some(0),
        DataType::BigInt => Some(1),
        DataType::Decimal { .. } => Some(2),
        DataType::Double => Some(3),
        _ => None,
    };
    matches!((rank(from), rank(to)), (Some(from), Some(to)) if from < to)
}

/// The type that takes the values of both.
fn wider_of(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::Double;
    if left == right {
        return Some(left.clone());
    }
    if *left == Double && right.is_numeric() || *right == Double && left.is_numeric() {
        return Some(Double);
    }
    match (decimal_of(left), decimal_of(right)) {
        (Some(DataType::Decimal { .. }), Some(DataType::Decimal { .. }))
            if !matches!(left, DataType::Decimal { .. }) && !matches!(right, DataType::Decimal { .. }) =>
        {
            Some(DataType::BigInt)
        }
        (Some(left), Some(right)) => widest_decimal([&left, &right]),
        _ => None,
    }
}

/// The DECIMAL that takes the values of all the given ones.
pub(crate) fn widest_decimal<'a>(given: impl IntoIterator<Item = &'a DataType>) -> Option<DataType> {
    let (mut whole, mut fraction) = (0, 0);
    for data_type in given {
        if let DataType::Decimal { precision, scale } = data_type {
            whole = whole.max(precision.saturating_sub(*scale));
            fraction = fraction.max(*scale);
        }
    }
    (whole + fraction > 0)
        .then(|| DataType::Decimal { precision: (whole + fraction).min(38), scale: fraction })
}

/// A whole number's type as DECIMAL; a DECIMAL as it is.
fn decimal_of(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Int => Some(DataType::Decimal { precision: 10, scale: 0 }),
        DataType::BigInt => Some(DataType::Decimal { precision: 19, scale: 0 }),
        DataType::Decimal { .. } => Some(data_type.clone()),
        _ => None,
    }
}

fn decimal_within(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Decimal { .. } => Some(data_type.clone()),
        DataType::Array(item) => decimal_within(item),
        DataType::Map(key, value) => decimal_within(value).or_else(|| decimal_within(key)),
        DataType::Struct(fields) => fields.iter().find_map(|field| decimal_within(&field.data_type)),
        _ => None,
    }
}

fn has_decimal(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Decimal => true,
        Pattern::Array(item) | Pattern::Literal(item) => has_decimal(item),
        Pattern::Map(key, value) => has_decimal(key) || has_decimal(value),
        Pattern::Struct(fields) => fields.iter().any(|(_, pattern)| has_decimal(pattern)),
        _ => false,
    }
}

fn count_generics(pattern: &Pattern) -> usize {
    match pattern {
        Pattern::Generic(_) | Pattern::Any => 1,
        Pattern::Array(item) | Pattern::Literal(item) => count_generics(item),
        Pattern::Map(key, value) => count_generics(key) + count_generics(value),
        Pattern::Struct(fields) => fields.iter().map(|(_, pattern)| count_generics(pattern)).sum(),
        _ => 0,
    }
}

/// Types a lambda's body and binds its result. Unlike ksqlDB, `REDUCE(bigints, 0, (s, x) => s + x)`
/// widens the start value's type to the body's.
fn bind_lambda(
    params: &[Pattern],
    returns: &Pattern,
    body: &dyn Fn(&[DataType]) -> Result<DataType, FunctionError>,
    bindings: &mut Bindings,
) -> Result<(), FunctionError> {
    for _ in 0..LAMBDA_WIDENINGS_MAX {
        let types: Vec<_> = params.iter().map(|param| substitute(param, bindings, None)).collect();
        let given = body(&types)?;
        match returns {
            Pattern::Generic(letter) => match &bindings[usize::from(*letter)] {
                Some(bound) if *bound == given => return Ok(()),
                Some(bound) if is_wider(bound, &given) => bindings[usize::from(*letter)] = Some(given),
                Some(bound) => {
                    return Err(FunctionError::Invalid(format!(
                        "lambda returns {given} where {bound} is expected"
                    )));
                }
                None => {
                    bindings[usize::from(*letter)] = Some(given);
                    return Ok(());
                }
            },
            Pattern::Exact(wanted) if *wanted != given => {
                return Err(FunctionError::Invalid(format!(
                    "lambda returns {given} where {wanted} is expected"
                )));
            }
            _ => return Ok(()),
        }
    }
    Err(FunctionError::Invalid("type of the lambda cannot be determined".to_owned()))
}

fn param_type(pattern: &Pattern, arg: &ArgType<'_>, bindings: &Bindings) -> ParamType {
    match (pattern, arg) {
        (Pattern::Interval, _) => ParamType::Interval,
        (Pattern::Lambda(params, _), _) => {
            ParamType::Lambda(params.iter().map(|param| substitute(param, bindings, None)).collect())
        }
        (Pattern::Literal(inner), _) => param_type(inner, arg, bindings),
        (Pattern::Any, ArgType::Value(data_type, _)) => ParamType::Value(data_type.clone()),
        (Pattern::Decimal, ArgType::Value(data_type, _)) => {
            ParamType::Value(decimal_of(data_type).unwrap_or_else(|| data_type.clone()))
        }
        // Items are not cast: a DECIMAL among them keeps the precision and scale it has.
        (Pattern::Array(_) | Pattern::Map(..) | Pattern::Struct(_), ArgType::Value(data_type, _))
            if has_decimal(pattern) =>
        {
            ParamType::Value(data_type.clone())
        }
        _ => ParamType::Value(substitute(pattern, bindings, None)),
    }
}

/// The type a pattern stands for. A generic that nothing binds (all its arguments are NULL) is STRING.
fn substitute(pattern: &Pattern, bindings: &Bindings, decimal: Option<&DataType>) -> DataType {
    match pattern {
        Pattern::Exact(data_type) => data_type.clone(),
        Pattern::Decimal => decimal.cloned().unwrap_or(DataType::Decimal { precision: 10, scale: 0 }),
        Pattern::Generic(letter) => bindings[usize::from(*letter)].clone().unwrap_or(DataType::String),
        Pattern::Any | Pattern::Interval | Pattern::Lambda(..) => DataType::String,
        Pattern::Array(item) => DataType::array(substitute(item, bindings, decimal)),
        Pattern::Map(key, value) => {
            DataType::map(substitute(key, bindings, decimal), substitute(value, bindings, decimal))
        }
        Pattern::Struct(fields) => DataType::structure(
            fields
                .iter()
                .map(|(name, p)| (Arc::<str>::from(name.as_str()), substitute(p, bindings, decimal))),
        ),
        Pattern::Literal(inner) => substitute(inner, bindings, decimal),
    }
}

/// A recursive descent over the text; signatures are part of the program, so their depth is small.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn params(&mut self) -> Option<(Vec<Pattern>, Option<usize>)> {
        let (mut params, mut variadic) = (Vec::new(), None);
        self.take("(")?;
        if self.take(")").is_some() {
            return Some((params, variadic));
        }
        loop {
            params.push(self.pattern()?);
            if self.take("...").is_some() {
                variadic = Some(params.len() - 1);
            }
            if self.take(",").is_none() {
                self.take(")")?;
                return Some((params, variadic));
            }
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn pattern(&mut self) -> Option<Pattern> {
        let pattern = match self.word()? {
            "BOOLEAN" => Pattern::Exact(DataType::Boolean),
            "INT" => Pattern::Exact(DataType::Int),
            "BIGINT" => Pattern::Exact(DataType::BigInt),
            "DOUBLE" => Pattern::Exact(DataType::Double),
            "STRING" => Pattern::Exact(DataType::String),
            "BYTES" => Pattern::Exact(DataType::Bytes),
            "DATE" => Pattern::Exact(DataType::Date),
            "TIME" => Pattern::Exact(DataType::Time),
            "TIMESTAMP" => Pattern::Exact(DataType::Timestamp),
            "DECIMAL" => Pattern::Decimal,
            "ANY" => Pattern::Any,
            "INTERVALUNIT" => Pattern::Interval,
            "ARRAY" => {
                self.take("<")?;
                let item = self.pattern()?;
                self.take(">")?;
                Pattern::Array(Box::new(item))
            }
            "MAP" => {
                self.take("<")?;
                let key = self.pattern()?;
                self.take(",")?;
                let value = self.pattern()?;
                self.take(">")?;
                Pattern::Map(Box::new(key), Box::new(value))
            }
            "STRUCT" => {
                let mut fields = Vec::new();
                self.take("<")?;
                loop {
                    fields.push((self.word()?.to_owned(), self.pattern()?));
                    if self.take(",").is_none() {
                        break;
                    }
                }
                self.take(">")?;
                Pattern::Struct(fields)
            }
            "LAMBDA" => {
                let (params, _) = self.params()?;
                self.take("=>")?;
                Pattern::Lambda(params, Box::new(self.pattern()?))
            }
            letter if letter.len() == 1 && letter.as_bytes()[0].is_ascii_uppercase() => {
                Pattern::Generic(letter.as_bytes()[0] - b'A')
            }
            _ => return None,
        };
        Some(if self.take("literal").is_some() { Pattern::Literal(Box::new(pattern)) } else { pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::{BigInt, Date, Double, Int};

    fn resolve(signatures: &[&str], args: &[ArgType<'_>]) -> Result<(String, Resolved), FunctionError> {
        let overloads: Vec<_> = signatures.iter().map(|s| Signature::parse(s).unwrap()).collect();
        choose("F", &overloads, |s| s, args).map(|(s, resolved)| (s.text().to_owned(), resolved))
    }

    fn value(data_type: DataType) -> ArgType<'static> {
        ArgType::Value(data_type, None)
    }

    #[test]
    fn exact_overload_wins_over_casts_and_fixed_over_variadic() {
        let both = ["(INT...) → INT", "(INT, BIGINT) → BIGINT", "(DOUBLE, DOUBLE) → DOUBLE"];
        assert_eq!(resolve(&both, &[value(Int), value(BigInt)]).unwrap().0, both[1]);
        assert_eq!(resolve(&both, &[value(Int), value(Int)]).unwrap().0, both[0]);
        assert_eq!(resolve(&both, &[value(BigInt), value(Double)]).unwrap().0, both[2]);
    }

    #[test]
    fn mixed_numbers_fitting_several_overloads_are_ambiguous() {
        let greatest =
            ["(INT, INT...) → INT", "(BIGINT, BIGINT...) → BIGINT", "(DOUBLE, DOUBLE...) → DOUBLE"];
        assert!(matches!(resolve(&greatest, &[value(Int), value(BigInt)]), Err(FunctionError::Invalid(_))));
        let (chosen, resolved) = resolve(&greatest, &[value(Int), value(Double), ArgType::Null]).unwrap();
        assert_eq!(chosen, greatest[2]);
        assert_eq!(resolved.params, vec![ParamType::Value(Double); 3]);
    }

    #[test]
    fn text_literal_fits_a_date_but_a_text_column_does_not() {
        let literal = Value::text("2022-06-14");
        let args = [ArgType::Value(DataType::String, Some(&literal)), value(Date)];
        assert_eq!(resolve(&["(DATE, DATE) → DATE"], &args).unwrap().1.params[0], ParamType::Value(Date));
        let args = [value(DataType::String), value(Date)];
        assert!(resolve(&["(DATE, DATE) → DATE"], &args).is_err());
    }

    #[test]
    fn generic_is_bound_once_and_widened_for_literals() {
        let contains = ["(ARRAY<T>, T) → BOOLEAN"];
        let args = [value(DataType::array(BigInt)), value(Int)];
        assert_eq!(resolve(&contains, &args).unwrap().1.params[1], ParamType::Value(BigInt));
        let args = [value(DataType::array(BigInt)), value(DataType::String)];
        assert!(resolve(&contains, &args).is_err());
    }

    #[test]
    fn lambda_binds_its_result() {
        let body = |types: &[DataType]| {
            assert_eq!(types, [Int]);
            Ok(DataType::String)
        };
        let args = [value(DataType::array(Int)), ArgType::Lambda(1, &body)];
        let (_, resolved) = resolve(&["(ARRAY<T>, LAMBDA(T)=>R) → ARRAY<R>"], &args).unwrap();
        assert_eq!(resolved.returns, DataType::array(DataType::String));
        assert_eq!(resolved.params[1], ParamType::Lambda(vec![Int]));
    }

    #[test]
    fn reduce_widens_its_start_value() {
        let body = |types: &[DataType]| Ok(wider_of(&types[0], &types[1]).unwrap());
        let args = [value(DataType::array(BigInt)), value(Int), ArgType::Lambda(2, &body)];
        let (_, resolved) = resolve(&["(ARRAY<T>, S, LAMBDA(S, T)=>S) → S"], &args).unwrap();
        assert_eq!(resolved.params[1], ParamType::Value(BigInt));
        assert_eq!(resolved.returns, BigInt);
    }

    #[test]
    fn null_takes_the_decimal_of_the_others() {
        let decimal = DataType::Decimal { precision: 9, scale: 3 };
        let args = [ArgType::Null, value(decimal.clone())];
        let (_, resolved) = resolve(&["(DECIMAL, DECIMAL...) → DECIMAL"], &args).unwrap();
        assert_eq!(resolved.params, vec![ParamType::Value(decimal.clone()); 2]);
        assert_eq!(resolved.returns, decimal);
    }

    #[test]
    fn decimal_within_a_map_keeps_its_digits() {
        let map = DataType::map(DataType::String, DataType::Decimal { precision: 20, scale: 10 });
        let (_, resolved) = resolve(&["(MAP<STRING, DECIMAL>) → DECIMAL"], &[value(map.clone())]).unwrap();
        assert_eq!(resolved.params, [ParamType::Value(map)]);
        assert_eq!(resolved.returns, DataType::Decimal { precision: 20, scale: 10 });
    }

    #[test]
    fn literal_after_variadic_is_found() {
        let k = Value::Int(3);
        let args = [value(Int), value(Double), value(Date), ArgType::Value(Int, Some(&k))];
        let (_, resolved) = resolve(&["(INT, ANY..., INT literal) → ARRAY<INT>"], &args).unwrap();
        assert_eq!(resolved.row_params(), [Int, Double, Date]);
        assert_eq!(resolved.is_literal, [false, false, false, true]);
    }

    #[test]
    fn malformed_signature_is_refused() {
        for text in ["", "(INT", "(INT) INT", "(FOO) → INT", "(INT) → INT x", "(ARRAY<INT) → INT"] {
            assert!(Signature::parse(text).is_none(), "{text}");
        }
    }
}
