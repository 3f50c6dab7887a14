//! Which keys a pull query looks up.

#![allow(clippy::unwrap_used, reason = "a test")]

use plan::Settings;
use plan::catalog::Catalog;
use plan::statement::Planner;
use sql::Statement;
use types::Value;

/// The keys looked up for a condition on the DOUBLE key K and others.
fn keys(condition: &str) -> Option<Vec<Vec<Value>>> {
    let settings = Settings::default();
    let mut catalog = Catalog::default();
    let create = "CREATE TABLE T (K DOUBLE PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t', FORMAT='JSON');";
    let Statement::CreateSource(source) = sql::parse_one(create).unwrap().statement else { panic!() };
    let planner = Planner { catalog: &catalog, library: functions::library(), settings: &settings };
    let planned = planner.create_source(&source, create).unwrap();
    catalog.put_source(planned.source);
    let planner = Planner { catalog: &catalog, library: functions::library(), settings: &settings };
    let text = format!("SELECT * FROM T WHERE {condition};");
    let Statement::Query(query) = sql::parse_one(&text).unwrap().statement else { panic!() };
    planner.pull(&query, &|_| None).unwrap().keys
}

#[test]
fn zero_is_looked_up_with_both_signs() {
    let double = |number: f64| vec![Value::Double(number)];
    assert_eq!(keys("K = 1.5E0"), Some(vec![double(1.5)]));
    assert_eq!(keys("K = 0E0"), Some(vec![double(-0.0), double(0.0)]));
    assert_eq!(keys("-0E0 = K"), Some(vec![double(-0.0), double(0.0)]));
    assert_eq!(keys("K IN (1E0, 0E0)"), Some(vec![double(-0.0), double(0.0), double(1.0)]));
    assert_eq!(keys("K = 0E0 AND V > 1"), keys("K = 0E0"));
    assert_eq!(keys("V = 0"), None);
}
