//! Tasks of the project that are no part of the program: `cargo xtask conformance …`, `cargo xtask ci`, `cargo xtask bench …`.

mod bench;
mod ci;
mod conformance;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: cargo xtask conformance --dir DIR [--filter TEXT] [--verbose] [--refusals] [--with-scale] [--threads N] [--rest] [--rest-plan] \
                     [--list-passed FILE] [--baseline FILE] [--known FILE] [--min-passed N] [--min-refused N]\n       \
                     cargo xtask ci [STEP…]\n       cargo xtask bench [--filter NAME] [--records N] [--runs N]";

fn main() -> Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("conformance") => {
            let is_fine = conformance::run(&conformance_options(args)?)?;
            Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Some("bench") => bench::run(args).map(|()| ExitCode::SUCCESS),
        Some("ci") => ci::run(args),
        _ => bail!(USAGE),
    }
}

fn conformance_options(mut args: impl Iterator<Item = String>) -> Result<conformance::Options> {
    let mut options = conformance::Options { threads: 2, ..conformance::Options::default() };
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag} needs a value\n{USAGE}"));
        match flag.as_str() {
            "--dir" => options.dir = value()?.into(),
            "--filter" => options.filter = Some(value()?),
            "--verbose" => options.verbose = true,
            "--refusals" => options.refusals = true,
            "--rest" => options.rest = true,
            "--rest-plan" => options.rest_plan = true,
            "--with-scale" => options.with_scale = true,
            "--threads" => options.threads = value()?.parse().context("--threads takes a number")?,
            "--list-passed" => options.list_passed = Some(value()?.into()),
            "--known" => options.known = Some(value()?.into()),
            "--baseline" => options.baseline = Some(value()?.into()),
            "--min-passed" => {
                options.min_passed = Some(value()?.parse().context("--min-passed takes a number")?);
            }
            "--min-refused" => {
                options.min_refused = Some(value()?.parse().context("--min-refused takes a number")?);
            }
            _ => bail!("unknown flag {flag}\n{USAGE}"),
        }
    }
    if options.dir.as_os_str().is_empty() {
        bail!("--dir is missing\n{USAGE}");
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Result<conformance::Options> {
        conformance_options(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn flags_are_read() {
        let read = options(&["--dir", "d", "--verbose", "--filter", "join", "--baseline", "b"]).unwrap();
        assert_eq!(
            (read.dir.to_str(), read.verbose, read.filter.as_deref()),
            (Some("d"), true, Some("join"))
        );
        assert!(
            options(&["--verbose"]).is_err() && options(&["--dir"]).is_err() && options(&["--x"]).is_err()
        );
    }
}
