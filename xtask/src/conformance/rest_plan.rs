//! `--rest-plan`: the statements of ksqlDB's REST cases through parser and planner, without running them.
//!
//! Statements of cases that are to succeed must plan, and the columns of their SELECTs be those of the expected
//! header. For cases that are to fail it is told which ones nothing refuses: some are the engine's to refuse.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use functions::Library;
use plan::Settings;
use serde_json::Value as Json;
use sql::ast::Statement;

use super::case::{self, Case};
use super::driver::{Driver, ResultColumn};
use super::skip;

/// Plans all statements of the cases in `dir` and returns what to print.
pub fn run(dir: &Path, filter: Option<&str>, library: &Library) -> Result<String> {
    let mut cases = case::read_dir(&dir.join("rest-query-validation-tests"))?;
    cases.retain(|case| filter.is_none_or(|filter| case.name.contains(filter)) && !skip::is_skipped(case));
    let mut text = String::new();
    let [mut planned, mut failed, mut refused, mut accepted] = [0; 4];
    for case in &cases {
        let result = plan(case, library);
        let count = match (&result, case.is_refusal()) {
            (Ok(()), false) => &mut planned,
            (Err(_), false) => &mut failed,
            (Err(_), true) => &mut refused,
            (Ok(()), true) => &mut accepted,
        };
        *count += 1;
        let expected = case.expected_error.as_ref().map(|error| error["message"].to_string());
        match (result, expected) {
            (Err(error), None) => writeln!(text, "FAILED {}: {error:#}", case.name)?,
            (Ok(()), Some(expected)) => writeln!(text, "ACCEPTED {}: expected {expected}", case.name)?,
            _ => {}
        }
    }
    writeln!(text, "{planned} planned, {failed} failed, {refused} refused, {accepted} wrongly accepted")?;
    Ok(text)
}

fn plan(case: &Case, library: &Library) -> Result<()> {
    let mut driver = Driver::new(library.clone(), Settings::default());
    for (name, value) in &case.properties {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        driver.set(name, &value)?;
    }
    for (number, text) in case.statements.iter().enumerate() {
        let header = case.responses.get(number).and_then(|r| r["query"][0]["header"]["schema"].as_str());
        plan_text(&mut driver, text, header).with_context(|| format!("statement {}", number + 1))?;
    }
    Ok(())
}

fn plan_text(driver: &mut Driver, text: &str, header: Option<&str>) -> Result<()> {
    for parsed in sql::parse(text)? {
        match &parsed.statement {
            Statement::Query(query) => {
                let columns = driver.plan_select(query)?;
                if let Some(header) = header {
                    check_header(driver, &columns, header)?;
                }
            }
            Statement::CreateSource(_)
            | Statement::CreateAs(_)
            | Statement::InsertInto(_)
            | Statement::InsertValues(_)
            | Statement::CreateType { .. }
            | Statement::DropType { .. }
            | Statement::DropSource(_)
            | Statement::AlterSource(_)
            | Statement::Set { .. } => driver.run_parsed(&parsed)?,
            // The others are not planned.
            _ => {}
        }
    }
    Ok(())
}

fn check_header(driver: &Driver, columns: &[ResultColumn], header: &str) -> Result<()> {
    let expected = sql::parse_columns(header).with_context(|| format!("reading header {header}"))?;
    let expected = expected
        .into_iter()
        .map(|c| Ok((c.name.text, plan::typing::resolve_type(driver.catalog(), &c.type_name)?)))
        .collect::<Result<Vec<ResultColumn>>>()?;
    if columns != expected {
        let text = |columns: &[ResultColumn]| -> Json {
            columns.iter().map(|(name, data_type)| format!("{name} {data_type}")).collect()
        };
        bail!("columns are {}, not {}", text(columns), text(&expected));
    }
    Ok(())
}
