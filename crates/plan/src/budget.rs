//! What planning one statement may cost.
//!
//! Nearly everything is looked at a few times and needs no count: a text has a greatest length. What can grow faster than
//! the text is counted: a lambda's body is typed anew for each type its parameters could have, within other lambdas again,
//! and a type is made from others that are larger than their names.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::{PlanError, Result};

/// Parts of lambdas and types looked at for one statement. The longest list of constructors that fits into a statement
/// needs less.
pub const STEPS_MAX: usize = 2_000_000;

/// What is left for a statement. Copies share it.
#[derive(Clone)]
pub struct Budget(Rc<Cell<usize>>);

impl Default for Budget {
    fn default() -> Self {
        Self(Rc::new(Cell::new(STEPS_MAX)))
    }
}

impl Budget {
    /// Takes a number of steps off.
    pub fn take(&self, steps: usize) -> Result<()> {
        let Some(left) = self.0.get().checked_sub(steps) else {
            self.0.set(0);
            return Err(PlanError::new(
                "too_complex",
                format!("expression takes more than the {STEPS_MAX} steps of planning that a statement has"),
            )
            .hint(
                "nest fewer lambdas and smaller STRUCTs in each other, or spread them over several queries",
            ));
        };
        self.0.set(left);
        Ok(())
    }
}
