//! What is written out reads back: each kind of statement, and expressions of any shape.

#![allow(clippy::unwrap_used, reason = "unwrap is for tests")]

use std::sync::Arc;

use proptest::prelude::*;
use sql::{ArithmeticOp, CompareOp, Expr, ExprKind, Ident, IntervalUnit, Literal, LogicalOp, Span, TypeName};
use types::{DataType, Decimal};

mod written_out;
use written_out::check_written_out;

/// One statement a line.
const STATEMENTS: &str = r#"
SELECT * FROM LOGINS
SELECT a.*, s->*, (a || b)->*, f(x)[1]->`c` AS "d", -5, - 5, -(5), - -x, -(-5) FROM a
SELECT a b, c AS 1d FROM e f EMIT CHANGES LIMIT 3
SELECT `query`, event->end, d.query FROM dns d WHERE "id.orig_h" LIKE '10.%' ESCAPE '!'
SELECT COUNT(*) FROM a WINDOW TUMBLING (SIZE 90 SECONDS, RETENTION 2 DAYS, GRACE PERIOD 0 SECONDS) GROUP BY b
SELECT COUNT(*) FROM a WINDOW w HOPPING (SIZE 1 HOUR, ADVANCE BY 5 MINUTES) GROUP BY (b, c) HAVING COUNT(*) > 1 EMIT FINAL
SELECT 1 FROM a WINDOW SESSION (1500 MILLISECONDS) GROUP BY (a + b) * c, (a AND b), d
SELECT 1 FROM a PARTITION BY (a->b)
SELECT 1 FROM a EMIT CHANGES PARTITION BY x, y LIMIT ALL
SELECT 1 FROM a JOIN b WITHIN 1 MINUTE GRACE PERIOD 5 SECONDS ON a.id = b.id LEFT OUTER JOIN c ON UCASE(a.x) = c.y
SELECT 1 FROM a FULL JOIN b WITHIN (1 HOUR, 2 DAYS) ON a.x = b.x RIGHT JOIN d ON a.x = d.x
SELECT FILTER(xs, x => x > 1), TRANSFORM(m, (k, v) => UCASE(k), (k, v) => v + 1), REDUCE(a, 0, (s, x) => s + x) FROM a
SELECT DATEADD(DAYS, 7, d), DAYS, MAX(day), ARRAY[], ARRAY[1, 'a'], MAP(), MAP('a' := 1), STRUCT(a := 1, `b` := null), `ARRAY`[1] FROM a
SELECT CASE WHEN a THEN b END, CASE a + 1 WHEN 1 THEN 2 WHEN 3 THEN 4 ELSE 5 END, CAST(a AS DECIMAL(10, 2)) FROM a
SELECT 1.50, .5, 5., -0.5, 1e3, 1.5E-7, 2147483647, 2147483648, -2147483648, -9223372036854775808, 'it''s' FROM a
SELECT NOT a = b AND (c OR d) OR NOT (e AND f), a IS NULL, b IS NOT NULL, c IS DISTINCT FROM d, e IS NOT DISTINCT FROM f FROM a
SELECT a BETWEEN 1 AND 2, a NOT BETWEEN b + 1 AND c, a IN (1, 2), a NOT IN (b), a NOT LIKE 'x', (a = b) = c FROM a
CREATE STREAM a (id INT KEY, ts DOUBLE(16,6), x VARCHAR(255), id.orig_h VARCHAR, y INT ARRAY, z STRUCT<a INT, `b` MAP<STRING, ARRAY<BYTES>>>) WITH (KAFKA_TOPIC='a', VALUE_FORMAT='JSON', PARTITIONS=1, REPLICAS=-1, WRAP_SINGLE_VALUE=FALSE, a=null, b=1.5)
CREATE OR REPLACE TABLE a (id STRING PRIMARY KEY, h ARRAY<STRUCT<key STRING, value BYTES>> HEADERS, g BYTES HEADER('x''y'), t ADDRESS, u `DATE`) WITH (KAFKA_TOPIC='a')
CREATE SOURCE TABLE IF NOT EXISTS a WITH (KAFKA_TOPIC='a')
CREATE STREAM s WITH (VALUE_FORMAT='AVRO')AS SELECT * FROM t
CREATE OR REPLACE TABLE IF NOT EXISTS x AS SELECT a, COUNT(*) FROM b GROUP BY a
INSERT INTO a WITH (QUERY_ID='q') SELECT * FROM b
INSERT INTO a (x, `y`) VALUES (1, ARRAY[STRUCT(a := 'b')])
INSERT INTO a VALUES (-1, null, TRUE)
ALTER STREAM a ADD COLUMN b INT, ADD c STRING, ADD COLUMN `COLUMN` INT
DROP STREAM IF EXISTS a DELETE TOPIC
DROP TABLE a
CREATE TYPE IF NOT EXISTS address AS STRUCT<street STRING, zip INT>
DROP TYPE IF EXISTS address
CREATE SINK CONNECTOR IF NOT EXISTS c WITH ("connector.class"='x', 'a.b'='c', d.e='f')
CREATE SOURCE CONNECTOR c WITH (a='b')
DROP CONNECTOR IF EXISTS c
LIST STREAMS EXTENDED
SHOW ALL TOPICS EXTENDED
SHOW TOPICS
LIST QUERIES EXTENDED
SHOW FUNCTIONS
SHOW TYPES
SHOW PROPERTIES
SHOW VARIABLES
SHOW CONNECTORS
SHOW SOURCE CONNECTORS
SHOW SINK CONNECTORS
SHOW CONNECTOR PLUGINS
DESCRIBE a EXTENDED
DESCRIBE EXTENDED a
DESCRIBE FUNCTION ucase
DESCRIBE function
DESCRIBE CONNECTOR c
DESCRIBE STREAMS EXTENDED
DESCRIBE TABLES
EXPLAIN CSAS_A_1
EXPLAIN SELECT * FROM a EMIT CHANGES
TERMINATE QUERY CSAS_A_1
TERMINATE ALL
PAUSE CSAS_A_1
RESUME ALL
PRINT my-topic.v1 FROM BEGINNING INTERVAL 2 LIMIT 3
PRINT 'my topic' SAMPLE 5
SET 'auto.offset.reset' = 'earliest'
UNSET 'auto.offset.reset'
ALTER SYSTEM 'a' = 'b'
DEFINE format = 'JSON'
UNDEFINE format
ASSERT TOPIC my-topic WITH (PARTITIONS=2) TIMEOUT 5 SECONDS
ASSERT NOT EXISTS TOPIC `a`
ASSERT SCHEMA SUBJECT 'a-value' ID 3 TIMEOUT 1 MINUTE
ASSERT NOT EXISTS SCHEMA ID 3
RUN SCRIPT '/tmp/a b.sql'
RUN SCRIPT /scripts/create_dns.sql
"#;

#[test]
fn every_kind_of_statement_reads_back() {
    for line in STATEMENTS.lines().filter(|line| !line.is_empty()) {
        match sql::parse_one(line) {
            Ok(parsed) => {
                assert_eq!(parsed.text, line);
                check_written_out(&parsed.statement);
            }
            Err(error) => panic!("{}", error.render(line)),
        }
    }
}

#[test]
fn all_statements_at_once_are_the_same_as_one_by_one() {
    let script = STATEMENTS.trim().replace('\n', " ; -- comment\n");
    let parsed = sql::parse(&script).unwrap();
    let lines: Vec<&str> = STATEMENTS.trim().lines().collect();
    assert_eq!(parsed.iter().map(|each| &*each.text).collect::<Vec<_>>(), lines);
    let (split, rest) = sql::split(&script);
    assert_eq!(split.iter().map(|each| &*each.text).collect::<Vec<_>>(), lines[..lines.len() - 1]);
    assert_eq!(rest.as_deref(), lines.last().copied());
}

#[test]
fn chain_of_hundreds_of_conditions_is_balanced_and_reads_back() {
    let text: Vec<String> = (0..3000).map(|i| format!("a = {i}")).collect();
    let expr = sql::parse_expression(&text.join(" OR ")).unwrap();
    assert_eq!(sql::parse_expression(&sql::format_expression(&expr)).unwrap(), expr);
}

fn expr(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

fn any_ident() -> impl Strategy<Value = Ident> {
    let text = prop_oneof![
        "[A-Z_][A-Z0-9_@]{0,5}",
        "[a-zA-Z0-9 .`\"é]{1,5}",
        proptest::sample::select(sql::KEYWORDS).prop_map(str::to_owned),
    ];
    text.prop_map(|text: String| Ident { text: text.into(), quoted: false, span: Span::default() })
}

fn any_literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        any::<i32>().prop_map(Literal::Integer),
        any::<i64>().prop_filter("fits 32 bits", |n| i32::try_from(*n).is_err()).prop_map(Literal::BigInt),
        (any::<i64>(), 0..19_u8).prop_map(|(n, scale)| Literal::Decimal(Decimal::new(n.into(), scale))),
        any::<f64>().prop_filter("not finite", |n| n.is_finite()).prop_map(Literal::Double),
        any::<String>().prop_map(Literal::String),
    ]
}

fn any_expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        any_literal().prop_map(ExprKind::Literal),
        (proptest::option::of(any_ident()), any_ident())
            .prop_map(|(source, name)| ExprKind::Column { source, name }),
    ]
    .prop_map(expr);
    leaf.prop_recursive(5, 40, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let arithmetic = proptest::sample::select(vec![
            ArithmeticOp::Add,
            ArithmeticOp::Subtract,
            ArithmeticOp::Multiply,
            ArithmeticOp::Divide,
            ArithmeticOp::Modulo,
        ]);
        let compare = proptest::sample::select(vec![
            CompareOp::Equal,
            CompareOp::NotEqual,
            CompareOp::Less,
            CompareOp::LessEqual,
            CompareOp::Greater,
            CompareOp::GreaterEqual,
            CompareOp::IsDistinctFrom,
            CompareOp::IsNotDistinctFrom,
        ]);
        let logical = proptest::sample::select(vec![LogicalOp::And, LogicalOp::Or]);
        let list = |min: usize| proptest::collection::vec(inner.clone(), min..4);
        let params = proptest::collection::vec(any_ident(), 1..4);
        prop_oneof![
            (arithmetic, boxed(), boxed()).prop_map(|(op, a, b)| ExprKind::Arithmetic(op, a, b)),
            (boxed(), boxed()).prop_map(|(a, b)| ExprKind::Concat(a, b)),
            boxed().prop_map(ExprKind::Negate),
            (compare, boxed(), boxed()).prop_map(|(op, a, b)| ExprKind::Compare(op, a, b)),
            (logical, boxed(), boxed()).prop_map(|(op, a, b)| ExprKind::Logical(op, a, b)),
            boxed().prop_map(ExprKind::Not),
            (boxed(), any::<bool>()).prop_map(|(expr, negated)| ExprKind::IsNull { expr, negated }),
            (boxed(), boxed(), boxed(), any::<bool>())
                .prop_map(|(expr, low, high, negated)| ExprKind::Between { expr, low, high, negated }),
            (boxed(), list(1), any::<bool>()).prop_map(|(expr, list, negated)| ExprKind::In {
                expr,
                list,
                negated
            }),
            (boxed(), boxed(), any::<Option<char>>(), any::<bool>()).prop_map(
                |(expr, pattern, escape, negated)| ExprKind::Like { expr, pattern, escape, negated }
            ),
            (
                proptest::option::of(boxed()),
                proptest::collection::vec((inner.clone(), inner.clone()), 1..3),
                proptest::option::of(boxed())
            )
                .prop_map(|(operand, branches, otherwise)| ExprKind::Case {
                    operand,
                    branches,
                    otherwise
                }),
            boxed().prop_map(|a| ExprKind::Cast(
                a,
                TypeName::Array(Box::new(TypeName::Builtin(DataType::Double)))
            )),
            (any_ident(), list(0)).prop_map(|(name, args)| ExprKind::Call { name, args, star: false }),
            (params, boxed()).prop_map(|(params, body)| {
                let name = Ident { text: Arc::from("FILTER"), quoted: false, span: Span::default() };
                ExprKind::Call { name, args: vec![expr(ExprKind::Lambda { params, body })], star: false }
            }),
            inner.clone().prop_map(|a| {
                let name = Ident { text: Arc::from("DATEADD"), quoted: false, span: Span::default() };
                ExprKind::Call {
                    name,
                    args: vec![expr(ExprKind::Interval(IntervalUnit::Hours)), a],
                    star: false,
                }
            }),
            list(0).prop_map(ExprKind::Array),
            proptest::collection::vec((inner.clone(), inner.clone()), 0..3).prop_map(ExprKind::Map),
            proptest::collection::vec((any_ident(), inner.clone()), 0..3).prop_map(ExprKind::Struct),
            (boxed(), boxed()).prop_map(|(a, b)| ExprKind::Subscript(a, b)),
            (boxed(), any_ident()).prop_map(|(a, field)| ExprKind::Field(a, field)),
        ]
        .prop_map(expr)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_expression_reads_back(expr in any_expr()) {
        let text = sql::format_expression(&expr);
        match sql::parse_expression(&text) {
            Ok(again) => prop_assert_eq!(again, expr, "{}", text),
            Err(error) => prop_assert!(false, "{}", error.render(&text)),
        }
    }
}
