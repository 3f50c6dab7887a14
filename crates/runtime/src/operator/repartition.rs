//! Repartition with one partition: every record is where it belongs already.

use super::{Downstream, Operator, Side};
use crate::change::Change;
use crate::error::TaskError;

pub(crate) struct Repartition;

impl Operator for Repartition {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        down.send(change)
    }
}
