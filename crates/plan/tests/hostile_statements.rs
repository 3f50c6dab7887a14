//! Statements that are short and ask for a lot: planned or refused soon, with the place and what to do.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use plan::catalog::Catalog;
use plan::query::{PlannedQuery, Purpose};
use plan::statement::Planner;
use plan::type_size::{COLUMN_PARTS_MAX, TYPE_HEIGHT_MAX, TYPE_PARTS_MAX};
use plan::{PlanError, STEPS_MAX, Settings};
use sql::Statement;

/// Far above what any of these takes, far below what any of them took.
const SOON: Duration = Duration::from_secs(20);

/// A catalog with a stream S and whatever else was created.
struct Session {
    catalog: Catalog,
    settings: Settings,
}

impl Session {
    fn new() -> Self {
        let mut session = Self { catalog: Catalog::default(), settings: Settings::default() };
        session
            .run("CREATE STREAM S (A INT, B STRING, N ARRAY<INT>) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');")
            .unwrap();
        session
    }

    fn run(&mut self, text: &str) -> Result<Option<PlannedQuery>, PlanError> {
        let started = Instant::now();
        let parsed = sql::parse_one(text).unwrap();
        let planner =
            Planner { catalog: &self.catalog, library: functions::library(), settings: &self.settings };
        let done = match &parsed.statement {
            Statement::CreateSource(s) => planner
                .create_source(s, text)
                .map(|planned| self.catalog.put_source(planned.source))
                .map(|()| None),
            Statement::CreateAs(s) => planner.create_as(s, text).map(|planned| {
                self.catalog.put_source(planned.creates.unwrap());
                Some(planned.query)
            }),
            Statement::CreateType { name, type_name, .. } => {
                plan::typing::resolve_type(&self.catalog, type_name).map(|data_type| {
                    self.catalog.put_type(name.text.clone(), data_type);
                    None
                })
            }
            Statement::Query(query) => planner.query(query, Purpose::Transient).map(Some),
            other => panic!("{other:?}"),
        };
        assert!(started.elapsed() < SOON, "took {:?}", started.elapsed());
        done
    }

    fn select(expr: &str) -> Result<Option<PlannedQuery>, PlanError> {
        Self::new().run(&format!("SELECT {expr} AS c FROM S EMIT CHANGES;"))
    }
}

/// `inner` within `levels` of `before` and `after`.
fn nested(levels: usize, before: &str, inner: &str, after: &str) -> String {
    format!("{}{inner}{}", before.repeat(levels), after.repeat(levels))
}

#[test]
fn custom_types_that_double_each_other_are_refused() {
    let mut session = Session::new();
    session.run("CREATE TYPE T0 AS STRUCT<A INT, B INT>;").unwrap();
    let error = (1..60)
        .find_map(|n| session.run(&format!("CREATE TYPE T{n} AS STRUCT<A T{0}, B T{0}>;", n - 1)).err())
        .unwrap();
    assert_eq!(error.message, format!("type has more than the {TYPE_PARTS_MAX} parts allowed"));
    assert!(error.hint.unwrap().contains("in the types it names"));
}

#[test]
fn custom_types_that_nest_each_other_are_refused() {
    let mut session = Session::new();
    session.run("CREATE TYPE T0 AS ARRAY<INT>;").unwrap();
    let error =
        (1..200).find_map(|n| session.run(&format!("CREATE TYPE T{n} AS ARRAY<T{}>;", n - 1)).err()).unwrap();
    assert_eq!(error.message, format!("type has more than the {TYPE_HEIGHT_MAX} levels allowed"));
}

#[test]
fn columns_of_a_large_type_are_counted_together() {
    let mut session = Session::new();
    let fields: Vec<String> = (0..9_000).map(|n| format!("F{n} INT")).collect();
    session.run(&format!("CREATE TYPE LARGE AS STRUCT<{}>;", fields.join(", "))).unwrap();
    let columns: Vec<String> = (0..100_000).map(|n| format!("C{n} LARGE")).collect();
    let statement =
        format!("CREATE STREAM W ({}) WITH (KAFKA_TOPIC='w', VALUE_FORMAT='JSON');", columns.join(", "));
    let error = session.run(&statement).err().unwrap();
    assert_eq!(
        error.message,
        format!("columns have more than the {COLUMN_PARTS_MAX} parts allowed together")
    );
    let at = error.span.unwrap().start;
    assert!(statement[at as usize..].starts_with("C11 "), "the column that is one too many");
}

#[test]
fn queries_that_double_a_column_of_each_other_are_refused() {
    let mut session = Session::new();
    session.run("CREATE STREAM Q0 AS SELECT STRUCT(A := A, B := A) AS c FROM S;").unwrap();
    let doubled = |n| format!("CREATE STREAM Q{n} AS SELECT STRUCT(A := c, B := c) AS c FROM Q{};", n - 1);
    let error = (1..60).find_map(|n| session.run(&doubled(n)).err()).unwrap();
    assert_eq!(error.code, "type_too_large");
    assert!(error.span.is_some());
}

#[test]
fn many_distinct_columns_are_planned_soon() {
    let columns: Vec<String> = (0..80_000).map(|n| format!("A AS C{n}")).collect();
    Session::new().run(&format!("SELECT {} FROM S EMIT CHANGES;", columns.join(", "))).unwrap();
}

#[test]
fn simple_cases_nested_in_their_operands_are_planned() {
    for levels in [2, 40, 100] {
        Session::select(&nested(levels, "CASE ", "A", " WHEN 1 THEN 2 WHEN 2 THEN 1 END")).unwrap();
    }
}

#[test]
fn betweens_nested_in_their_operands_are_planned() {
    Session::select(&nested(40, "CASE WHEN (", "A", ") BETWEEN 1 AND 2 THEN 1 ELSE 2 END")).unwrap();
}

#[test]
fn lambdas_nested_in_each_other_are_planned() {
    Session::select(&nested(40, "ARRAY_MAX(TRANSFORM(N, x => ", "x + 1", "))")).unwrap();
}

#[test]
fn lambdas_that_are_typed_again_and_again_are_refused_with_their_place() {
    // The start value becomes wider at each level, so each body is typed more than once.
    let error =
        Session::select(&nested(30, "REDUCE(N, 1, (s, x) => s + ", "CAST(x AS BIGINT)", ")")).err().unwrap();
    let message =
        format!("expression takes more than the {STEPS_MAX} steps of planning that a statement has");
    assert_eq!(error.message, message);
    assert!(error.span.is_some() && error.hint.unwrap().contains("lambdas"));
}

#[test]
fn lambdas_that_double_the_type_of_their_parameter_are_refused() {
    let doubled = nested(40, "TRANSFORM(ARRAY[STRUCT(A := B, B := B)], B => ", "B", ")");
    let error = Session::select(&doubled).err().unwrap();
    assert_eq!(error.code, "type_too_large");
}

#[test]
fn a_long_constant_compared_with_many_is_not_copied_for_each() {
    let whens: Vec<String> = (0..100_000).map(|n| format!("WHEN '{n}' THEN {n}")).collect();
    let case = format!("CASE '{}' {} END", "x".repeat(1 << 20), whens.join(" "));
    assert_eq!(Session::select(&case).err().unwrap().code, "too_complex");
}

#[test]
fn what_is_wrong_in_a_lambda_has_its_place() {
    let statement = "SELECT TRANSFORM(N, x => x + nowhere) AS c FROM S EMIT CHANGES;";
    let error = Session::new().run(statement).err().unwrap();
    assert_eq!(error.code, "unknown_column");
    assert!(statement[error.span.unwrap().start as usize..].starts_with("nowhere"));
}
