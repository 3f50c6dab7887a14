//! Functions that only ksqlDB's own tests have.

use functions::Library;

/// The built-in functions and those of the tests.
pub fn library() -> Library {
    functions::library().clone()
}
