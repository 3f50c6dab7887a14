//! The library: every function by name.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::function::{AggregateFunction, Function, Limits, Scalar, Table};
use crate::nearest::nearest;
use crate::registry::{AggregateCall, ArgType, FunctionDoc, FunctionError, ScalarCall, TableCall};
use crate::{aggregate, scalar, table};

/// The longest name that is looked up; longer ones are unknown.
const NAME_CHARS_MAX: usize = 128;

/// What kind of function a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// One value for each row.
    Scalar,
    /// One value for a group of rows.
    Aggregate,
    /// Rows for each row.
    Table,
}

/// A function of any kind, to extend a library with.
#[derive(Clone)]
pub enum AnyFunction {
    /// A scalar function.
    Scalar(Scalar),
    /// An aggregate function.
    Aggregate(AggregateFunction),
    /// A table function.
    Table(Table),
}

/// Every function by upper-case name. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    functions: Arc<BTreeMap<&'static str, AnyFunction>>,
    limits: Limits,
}

/// Returns the built-in functions.
pub fn library() -> &'static Library {
    static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
        let scalars = scalar::all().into_iter().map(AnyFunction::Scalar);
        let aggregates = aggregate::all().into_iter().map(AnyFunction::Aggregate);
        let tables = table::all().into_iter().map(AnyFunction::Table);
        Library::empty().with_extra(scalars.chain(aggregates).chain(tables))
    });
    &LIBRARY
}

impl Library {
    fn empty() -> Self {
        Self { functions: Arc::default(), limits: Limits::default() }
    }

    /// Returns a library that also has these functions; one of the same name replaces it.
    pub fn with_extra(&self, extra: impl IntoIterator<Item = AnyFunction>) -> Self {
        let mut functions = (*self.functions).clone();
        functions.extend(extra.into_iter().map(|function| (function.doc().name, function)));
        Self { functions: Arc::new(functions), limits: self.limits }
    }

    /// Returns a library whose aggregates keep these bounds.
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { functions: Arc::clone(&self.functions), limits }
    }

    /// Returns the kind of a function, `None` if there is none of that name.
    pub fn kind(&self, name: &str) -> Option<FunctionKind> {
        self.find(name).map(AnyFunction::kind)
    }

    /// Resolves a call of a scalar function.
    pub fn scalar(&self, name: &str, args: &[ArgType<'_>]) -> Result<ScalarCall, FunctionError> {
        match self.find(name) {
            Some(AnyFunction::Scalar(function)) => function.call(args),
            other => Err(self.not_found(name, other, "a scalar function")),
        }
    }

    /// Resolves a call of an aggregate function.
    pub fn aggregate(&self, name: &str, args: &[ArgType<'_>]) -> Result<AggregateCall, FunctionError> {
        match self.find(name) {
            Some(AnyFunction::Aggregate(function)) => function.call(args, &self.limits),
            other => Err(self.not_found(name, other, "an aggregate function")),
        }
    }

    /// Resolves a call of a table function.
    pub fn table(&self, name: &str, args: &[ArgType<'_>]) -> Result<TableCall, FunctionError> {
        match self.find(name) {
            Some(AnyFunction::Table(function)) => function.call(args),
            other => Err(self.not_found(name, other, "a table function")),
        }
    }

    /// Returns what is told about every function, in the order of their names.
    pub fn docs(&self) -> Vec<FunctionDoc> {
        self.functions.values().map(AnyFunction::doc).collect()
    }

    /// Returns what is told about a function.
    pub fn doc(&self, name: &str) -> Option<FunctionDoc> {
        self.find(name).map(AnyFunction::doc)
    }

    fn find(&self, name: &str) -> Option<&AnyFunction> {
        if name.len() > NAME_CHARS_MAX {
            return None;
        }
        self.functions.get(name).or_else(|| self.functions.get(name.to_ascii_uppercase().as_str()))
    }

    fn not_found(&self, name: &str, other: Option<&AnyFunction>, wanted: &str) -> FunctionError {
        if other.is_some() {
            return FunctionError::Invalid(format!("function {name} is not {wanted}"));
        }
        let known = self.functions.keys().copied();
        let nearest =
            (name.len() <= NAME_CHARS_MAX).then(|| nearest(&name.to_ascii_uppercase(), known)).flatten();
        FunctionError::Unknown { name: name.to_owned(), nearest: nearest.map(str::to_owned) }
    }
}

impl AnyFunction {
    fn kind(&self) -> FunctionKind {
        match self {
            Self::Scalar(_) => FunctionKind::Scalar,
            Self::Aggregate(_) => FunctionKind::Aggregate,
            Self::Table(_) => FunctionKind::Table,
        }
    }

    fn doc(&self) -> FunctionDoc {
        fn doc<B>(function: &Function<B>, kind: &'static str) -> FunctionDoc {
            FunctionDoc {
                name: function.name,
                kind,
                category: function.category,
                description: function.description,
                signatures: function.signatures(),
            }
        }
        match self {
            Self::Scalar(function) => doc(function, "SCALAR"),
            Self::Aggregate(function) => doc(function, "AGGREGATE"),
            Self::Table(function) => doc(function, "TABLE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use super::*;
    use crate::adapter::lift;

    /// ksqlDB's scalar functions.
    const SCALARS: [&str; 129] = [
        "ARRAY_CONCAT",
        "ARRAY_CONTAINS",
        "ARRAY_DISTINCT",
        "ARRAY_EXCEPT",
        "ARRAY_INTERSECT",
        "ARRAY_JOIN",
        "ARRAY_LENGTH",
        "ARRAY_MAX",
        "ARRAY_MIN",
        "ARRAY_REMOVE",
        "ARRAY_SORT",
        "ARRAY_UNION",
        "GENERATE_SERIES",
        "SLICE",
        "COALESCE",
        "IFNULL",
        "NULLIF",
        "BIGINT_FROM_BYTES",
        "DOUBLE_FROM_BYTES",
        "INT_FROM_BYTES",
        "CONVERT_TZ",
        "DATEADD",
        "DATESUB",
        "DATETOSTRING",
        "FORMAT_DATE",
        "FORMAT_TIME",
        "FORMAT_TIMESTAMP",
        "FROM_DAYS",
        "FROM_UNIXTIME",
        "PARSE_DATE",
        "PARSE_TIME",
        "PARSE_TIMESTAMP",
        "STRINGTODATE",
        "STRINGTOTIMESTAMP",
        "TIMEADD",
        "TIMESTAMPADD",
        "TIMESTAMPSUB",
        "TIMESTAMPTOSTRING",
        "TIMESUB",
        "UNIX_DATE",
        "UNIX_TIMESTAMP",
        "EXTRACTJSONFIELD",
        "IS_JSON_STRING",
        "JSON_ARRAY_CONTAINS",
        "JSON_ARRAY_LENGTH",
        "JSON_CONCAT",
        "JSON_ITEMS",
        "JSON_KEYS",
        "JSON_RECORDS",
        "TO_JSON_STRING",
        "FILTER",
        "REDUCE",
        "TRANSFORM",
        "AS_MAP",
        "ENTRIES",
        "MAP_KEYS",
        "MAP_UNION",
        "MAP_VALUES",
        "ABS",
        "ACOS",
        "ASIN",
        "ATAN",
        "ATAN2",
        "CBRT",
        "CEIL",
        "COS",
        "COSH",
        "COT",
        "DEGREES",
        "EXP",
        "FLOOR",
        "GREATEST",
        "LEAST",
        "LN",
        "LOG",
        "PI",
        "POWER",
        "RADIANS",
        "RANDOM",
        "ROUND",
        "SIGN",
        "SIN",
        "SINH",
        "SQRT",
        "TAN",
        "TANH",
        "TRUNC",
        "REGEXP_EXTRACT",
        "REGEXP_EXTRACT_ALL",
        "REGEXP_REPLACE",
        "REGEXP_SPLIT_TO_ARRAY",
        "CHR",
        "CONCAT",
        "CONCAT_WS",
        "ELT",
        "ENCODE",
        "FIELD",
        "FROM_BYTES",
        "INITCAP",
        "INSTR",
        "LCASE",
        "LEN",
        "LPAD",
        "MASK",
        "MASK_KEEP_LEFT",
        "MASK_KEEP_RIGHT",
        "MASK_LEFT",
        "MASK_RIGHT",
        "MD5",
        "REPLACE",
        "RPAD",
        "SPLIT",
        "SPLIT_TO_MAP",
        "SUBSTRING",
        "TO_BYTES",
        "TRIM",
        "UCASE",
        "UUID",
        "URL_DECODE_PARAM",
        "URL_ENCODE_PARAM",
        "URL_EXTRACT_FRAGMENT",
        "URL_EXTRACT_HOST",
        "URL_EXTRACT_PARAMETER",
        "URL_EXTRACT_PATH",
        "URL_EXTRACT_PORT",
        "URL_EXTRACT_PROTOCOL",
        "URL_EXTRACT_QUERY",
        "AS_VALUE",
        "GEO_DISTANCE",
    ];

    /// ksqlDB's aggregate functions.
    const AGGREGATES: [&str; 18] = [
        "ATTR",
        "AVG",
        "COLLECT_LIST",
        "COLLECT_SET",
        "CORRELATION",
        "COUNT",
        "COUNT_DISTINCT",
        "EARLIEST_BY_OFFSET",
        "HISTOGRAM",
        "LATEST_BY_OFFSET",
        "MAX",
        "MIN",
        "STDDEV_SAMP",
        "STDDEV_SAMPLE",
        "SUM",
        "SUM_LIST",
        "TOPK",
        "TOPKDISTINCT",
    ];

    #[test]
    fn every_function_of_ksqldb_is_there() {
        let check = |names: &[&str], kind| {
            for name in names {
                assert_eq!(library().kind(name), Some(kind), "{name}");
                assert!(!library().doc(name).unwrap().signatures.is_empty(), "{name}");
            }
        };
        check(&SCALARS, FunctionKind::Scalar);
        check(&AGGREGATES, FunctionKind::Aggregate);
        check(&["CUBE_EXPLODE", "EXPLODE"], FunctionKind::Table);
        assert_eq!(library().docs().len(), SCALARS.len() + AGGREGATES.len() + 2);
    }

    #[test]
    fn names_are_found_in_any_case_and_suggested_when_misspelt() {
        assert_eq!(library().kind("lcase"), Some(FunctionKind::Scalar));
        let error = library().scalar("SUBSTR", &[]).err().unwrap();
        assert_eq!(error.to_string(), "unknown function SUBSTR, did you mean SUBSTRING?");
        let error = library().scalar("COUNT", &[]).err().unwrap();
        assert_eq!(error.to_string(), "function COUNT is not a scalar function");
        assert!(library().scalar(&"X".repeat(100_000), &[]).is_err());
    }

    #[test]
    fn library_is_extended_without_touching_the_built_in_one() {
        let answer = Scalar::new("ANSWER", "TEST", "Returns 42.").overload("() → INT", lift!(|| 42));
        let extended = library().with_extra([AnyFunction::Scalar(answer)]);
        let call = extended.scalar("answer", &[]).unwrap();
        assert_eq!((call.returns, (call.code)(&[])), (DataType::Int, Ok(Value::Int(42))));
        assert_eq!(library().kind("ANSWER"), None);
    }
}
