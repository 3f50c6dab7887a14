//! Tasks of the project that are no part of the program: `cargo xtask bench …`.

mod bench;

use anyhow::{Result, bail};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("bench") => bench::run(args),
        _ => bail!(bench::USAGE),
    }
}
