//! Totals and the lines that are printed.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::case::Case;
use super::check::Outcome;
use super::known::Known;
use super::watchdog::Watched;

/// Characters of a difference that are shown.
const SHOWN_CHARS_MAX: usize = 300;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Positive cases with the expected results.
    pub positive_passed: usize,
    /// Positive cases without.
    pub positive_failed: usize,
    /// Cases that were refused as expected.
    pub refused: usize,
    /// Cases that should have been refused.
    pub wrongly_accepted: usize,
    /// Cases to be refused that failed otherwise.
    pub wrongly_refused: usize,
    /// Cases that panicked or hung; they are among the failed ones too.
    pub panics: usize,
    /// Cases not run.
    pub skipped: usize,
}

impl Totals {
    /// All that went as expected.
    pub fn passed(&self) -> usize {
        self.positive_passed + self.refused
    }

    /// All that did not.
    pub fn failed(&self) -> usize {
        self.positive_failed + self.wrongly_accepted + self.wrongly_refused
    }
}

/// How a case went; `None` if it was skipped.
pub type Ran = Option<Watched<Outcome>>;

/// The results of all cases.
#[derive(Debug, Default)]
pub struct Report {
    totals: Totals,
    by_file: BTreeMap<String, Totals>,
    passed: Vec<String>,
    failures: Vec<(String, String)>,
    refusals: Vec<String>,
    known: Known,
}

impl Report {
    /// A report without cases that knows which ones go otherwise.
    pub fn new(known: Known) -> Report {
        Report { known, ..Report::default() }
    }

    /// Counts a case.
    pub fn add(&mut self, case: &Case, ran: &Ran) {
        let why = match ran {
            None | Some(Watched::Done(Outcome::Passed | Outcome::Refused(_))) => None,
            Some(Watched::Done(Outcome::Failed(why))) => Some(why.clone()),
            Some(Watched::Done(Outcome::WronglyAccepted)) => {
                Some(format!("wrongly accepted, expected: {}", expected_message(case)))
            }
            Some(Watched::Panicked(text)) => Some(format!("panicked: {text}")),
            Some(Watched::Hung) => Some("hung".to_owned()),
        };
        for totals in [&mut self.totals, self.by_file.entry(case.file.clone()).or_default()] {
            let count = match (ran, case.is_refusal()) {
                (None, _) => &mut totals.skipped,
                (Some(Watched::Done(Outcome::Passed)), _) => &mut totals.positive_passed,
                (Some(Watched::Done(Outcome::Refused(_))), _) => &mut totals.refused,
                (Some(Watched::Done(Outcome::WronglyAccepted)), _) => &mut totals.wrongly_accepted,
                (Some(_), false) => &mut totals.positive_failed,
                (Some(_), true) => &mut totals.wrongly_refused,
            };
            *count += 1;
            if matches!(ran, Some(Watched::Panicked(_) | Watched::Hung)) {
                totals.panics += 1;
            }
        }
        if let Some(Watched::Done(Outcome::Refused(message))) = ran {
            let line =
                format!("{}: {} | ksqlDB: {}", case.name, shown(message), shown(expected_message(case)));
            self.refusals.push(line);
        }
        match (ran, why) {
            (_, Some(why)) => self.failures.push((case.name.clone(), why)),
            (Some(_), None) => self.passed.push(case.name.clone()),
            (None, None) => {}
        }
    }

    /// The names of the cases that passed.
    pub fn passed(&self) -> &[String] {
        &self.passed
    }

    /// Whether so many positive cases passed, so many were refused as expected, and none panicked or hung.
    pub fn is_above(&self, min_passed: usize, min_refused: usize) -> bool {
        let totals = &self.totals;
        totals.positive_passed >= min_passed && totals.refused >= min_refused && totals.panics == 0
    }

    /// Whether every case that went otherwise is known to.
    pub fn is_all_known(&self) -> bool {
        self.failures.iter().all(|(name, _)| self.known.reason(name).is_some())
    }

    /// For each case refused as expected our message and ksqlDB's, to see that the reason is the same.
    pub fn refusals(&self) -> &[String] {
        &self.refusals
    }

    /// The cases of an earlier run that passed then, ran now and failed.
    pub fn regressions<'a>(&self, baseline: &'a str) -> Vec<&'a str> {
        let failed = |name: &&str| self.failures.iter().any(|(failed, _)| failed == name);
        baseline.lines().filter(failed).collect()
    }

    /// The lines to print; the last one are the totals.
    pub fn text(&self, is_verbose: bool) -> String {
        let mut text = String::new();
        let mut line = |line: String| writeln!(text, "{line}").expect("a String takes everything");
        for (name, why) in &self.failures {
            match self.known.reason(name) {
                Some(reason) => line(format!("known: {name}: {}", shown(reason))),
                None => line(format!("FAILED {name}: {}", shown(why))),
            }
        }
        for name in self.passed.iter().filter(|name| self.known.reason(name).is_some()) {
            line(format!("no longer: {name}: is listed as known and went as expected"));
        }
        if is_verbose {
            for (file, totals) in &self.by_file {
                let (passed, failed, skipped) = (totals.passed(), totals.failed(), totals.skipped);
                line(format!("{file}: {passed} passed, {failed} failed, {skipped} skipped"));
            }
        }
        let totals = &self.totals;
        line(format!("positive cases: {} passed, {} failed", totals.positive_passed, totals.positive_failed));
        line(format!(
            "refusal cases: {} refused, {} wrongly accepted, {} failed before",
            totals.refused, totals.wrongly_accepted, totals.wrongly_refused
        ));
        line(format!("panics and hangs: {}", totals.panics));
        let known = self.failures.iter().filter(|(name, _)| self.known.reason(name).is_some()).count();
        let (passed, failed, skipped) = (totals.passed(), totals.failed() - known, totals.skipped);
        line(format!("{passed} passed, {failed} failed, {skipped} skipped, {known} known to go otherwise"));
        text
    }
}

fn expected_message(case: &Case) -> &str {
    case.expected_error.as_ref().and_then(|error| error["message"].as_str()).unwrap_or_default()
}

/// One line of bounded length.
fn shown(why: &str) -> String {
    let escaped = why.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    let plain = escaped.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    plain.take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_counted_once() {
        let positive = Case { file: "f".into(), name: "p".into(), ..Case::default() };
        let refusal = Case { expected_error: Some("E".into()), name: "r".into(), ..positive.clone() };
        let mut report = Report::default();
        report.add(&positive, &Some(Watched::Done(Outcome::Passed)));
        report.add(&positive, &Some(Watched::Hung));
        report.add(&refusal, &Some(Watched::Done(Outcome::Refused("no".into()))));
        report.add(&refusal, &Some(Watched::Done(Outcome::WronglyAccepted)));
        report.add(&refusal, &Some(Watched::Done(Outcome::Failed("a\nb".into()))));
        report.add(&refusal, &None);
        let text = report.text(true);
        let expect = "FAILED p: hung\n\
            FAILED r: wrongly accepted, expected: \n\
            FAILED r: a\\nb\n\
            f: 2 passed, 3 failed, 1 skipped\n\
            positive cases: 1 passed, 1 failed\n\
            refusal cases: 1 refused, 1 wrongly accepted, 1 failed before\n\
            panics and hangs: 1\n\
            2 passed, 3 failed, 1 skipped, 0 known to go otherwise\n";
        assert_eq!(text, expect);
        assert_eq!(report.passed(), ["p", "r"]);
        assert!(!report.is_all_known());
        assert_eq!(report.refusals(), ["r: no | ksqlDB: "]);
        assert_eq!(report.regressions("r\nx"), ["r"]);
        // One case hung.
        assert!(!report.is_above(1, 1));
    }

    #[test]
    fn a_known_case_does_not_fail_the_run_and_says_why() {
        let [known, other] = ["k", "o"].map(|name| Case { name: name.into(), ..Case::default() });
        let mut report = Report::new(Known::parse("k\tits reason").unwrap());
        report.add(&known, &Some(Watched::Done(Outcome::Failed("x".into()))));
        assert!(report.is_all_known());
        assert!(report.text(false).starts_with("known: k: its reason\n"));
        report.add(&other, &Some(Watched::Done(Outcome::Failed("x".into()))));
        assert!(!report.is_all_known());
        assert!(report.text(false).contains("FAILED o: x\n"));
        let mut report = Report::new(Known::parse("k\tits reason").unwrap());
        report.add(&known, &Some(Watched::Done(Outcome::Passed)));
        assert!(report.text(false).starts_with("no longer: k: "));
    }

    #[test]
    fn both_kinds_of_cases_have_a_floor() {
        let positive = Case { file: "f".into(), name: "p".into(), ..Case::default() };
        let refusal = Case { expected_error: Some("E".into()), name: "r".into(), ..positive.clone() };
        let mut report = Report::default();
        report.add(&positive, &Some(Watched::Done(Outcome::Passed)));
        report.add(&refusal, &Some(Watched::Done(Outcome::Refused("no".into()))));
        assert!(report.is_above(1, 1) && report.is_above(0, 0));
        assert!(!report.is_above(2, 1) && !report.is_above(1, 2));
    }
}
