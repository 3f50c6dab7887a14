//! What stops a task.

/// An error that is not about a single record: the query stops.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The plan has more steps than a task runs.
    #[error("query has {steps} steps, more than {steps_max}")]
    TooManySteps {
        /// Steps in the plan.
        steps: usize,
        /// The most a task runs.
        steps_max: usize,
    },
    /// A plan that contradicts itself.
    #[error("invalid plan: {0}")]
    InvalidPlan(&'static str),
    /// A source number that the plan does not have.
    #[error("query has no source {0}")]
    UnknownSource(usize),
    /// A store failed.
    #[error(transparent)]
    State(#[from] state::StateError),
    /// A stored row, or the saved meta data, cannot be read.
    #[error("cannot read state: {cause}")]
    Damaged {
        /// What is wrong with it.
        cause: String,
    },
}
