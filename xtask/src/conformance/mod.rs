//! `cargo xtask conformance`: ksqlDB's validation cases against this program, in process.
//!
//! The cases are read from a directory the caller names; none of them is part of the project.

mod case;
mod check;
mod compare;
mod driver;
mod json_comments;
mod known;
mod payload;
mod report;
mod rest;
mod rest_client;
mod rest_plan;
mod running_query;
mod skip;
mod test_functions;
mod watchdog;
mod windowed_key;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use case::Case;
use known::Known;
use report::{Ran, Report};
use watchdog::CASE_TIME_MAX;

/// What was asked for on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where the cases are.
    pub dir: PathBuf,
    /// Only cases with this in their names.
    pub filter: Option<String>,
    /// Totals by file.
    pub verbose: bool,
    /// Our messages beside ksqlDB's.
    pub refusals: bool,
    /// The names of passed cases are written here.
    pub list_passed: Option<PathBuf>,
    /// Such a file of an earlier run.
    pub baseline: Option<PathBuf>,
    /// A list of cases that are known to go otherwise: any other that does is a failure.
    pub known: Option<PathBuf>,
    /// Fails when fewer positive cases pass, or when one panics or hangs.
    pub min_passed: Option<usize>,
    /// The same of the cases that are refused as expected.
    pub min_refused: Option<usize>,
    /// The cases' decimals have kept their scale.
    pub with_scale: bool,
    /// The REST cases are run instead.
    pub rest: bool,
    /// The REST cases are planned instead.
    pub rest_plan: bool,
    /// Cases that run at the same time.
    pub threads: usize,
}

/// Runs the cases and prints the results; returns whether nothing regressed.
pub fn run(options: &Options) -> Result<bool> {
    if options.rest_plan {
        print!("{}", rest_plan::run(&options.dir, options.filter.as_deref(), &test_functions::library())?);
        return Ok(true);
    }
    let baseline = match &options.baseline {
        Some(path) => Some(fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?),
        None => None,
    };
    let rest = options.rest;
    let mut cases = match rest {
        true => case::read_dir(&options.dir.join("rest-query-validation-tests"))?,
        false => case::read_dir(&options.dir)?,
    };
    if let Some(filter) = &options.filter {
        cases.retain(|case| case.name.contains(filter.as_str()));
    }
    if cases.is_empty() {
        bail!(
            "no cases in {}{}",
            options.dir.display(),
            if options.filter.is_some() { " with that name" } else { "" }
        );
    }
    watchdog::quiet_panics();
    let library = test_functions::library();
    let cases: Vec<Arc<Case>> = cases.into_iter().map(Arc::new).collect();
    let with_scale = options.with_scale;
    let results = watchdog::in_parallel(cases, options.threads, move |case| -> Ran {
        if skip::is_skipped(case) {
            return None;
        }
        let (case, library) = (case.clone(), library.clone());
        if rest {
            return Some(watchdog::watch(CASE_TIME_MAX, move || rest::run(&case)));
        }
        Some(watchdog::watch(CASE_TIME_MAX, move || check::run(&case, &library, with_scale)))
    });
    let known = match &options.known {
        Some(path) => Known::read(path)?,
        None => Known::default(),
    };
    let mut report = Report::new(known);
    for (case, ran) in &results {
        report.add(case, ran);
    }
    if let Some(path) = &options.list_passed {
        let mut names = report.passed().join("\n");
        names.push('\n');
        fs::write(path, names).with_context(|| format!("writing {}", path.display()))?;
    }
    let mut is_fine = options.known.is_none() || report.is_all_known();
    if let Some(baseline) = &baseline {
        for name in report.regressions(baseline) {
            println!("REGRESSED {name}");
            is_fine = false;
        }
    }
    if options.min_passed.or(options.min_refused).is_some() {
        let (min_passed, min_refused) =
            (options.min_passed.unwrap_or_default(), options.min_refused.unwrap_or_default());
        if !report.is_above(min_passed, min_refused) {
            println!(
                "BELOW --min-passed {min_passed} or --min-refused {min_refused}, or a case panicked or hung"
            );
            is_fine = false;
        }
    }
    for line in report.refusals().iter().filter(|_| options.refusals) {
        println!("REFUSED {line}");
    }
    print!("{}", report.text(options.verbose));
    Ok(is_fine)
}
