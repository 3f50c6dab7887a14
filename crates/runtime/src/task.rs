//! A task: one query's steps on one partition.

mod build;

use plan::step::QueryPlan;
use state::Logged;

use crate::change::{Change, ErrorReason, Output, SourceRecord};
use crate::codec;
use crate::error::TaskError;
use crate::operator::{Context, Downstream, Node};
use crate::view::MaterializedView;

/// First byte of the saved meta data.
const META_VERSION: u8 = 1;

/// How a task is set up.
#[derive(Clone, Debug, Default)]
pub struct TaskOptions {
    /// Repartition steps hand records on: there is one partition.
    pub inline_repartition: bool,
    /// The result of a table query can be read; see [`Task::materialized`].
    pub materialize: bool,
    /// How stores are set up; the memory budget is that of each store.
    pub store: state::Options,
}

/// What a task has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records taken.
    pub records_in: u64,
    /// Rows given.
    pub records_out: u64,
    /// Records, or windows of records, that came after their window had closed.
    pub late: u64,
    /// Records dropped for want of a key.
    pub null_keys: u64,
    /// Expressions that failed.
    pub expression_errors: u64,
}

impl Counters {
    pub(crate) fn count(&mut self, reason: ErrorReason) {
        match reason {
            ErrorReason::Expression => self.expression_errors += 1,
            ErrorReason::NullKey => self.null_keys += 1,
            ErrorReason::Late => self.late += 1,
        }
    }
}

/// One query's steps on one partition.
pub struct Task {
    /// Inputs before what they feed; the root is the last one.
    nodes: Vec<Node>,
    /// The node of each source, as in `Step::sources`.
    sources: Vec<usize>,
    /// Where the nodes of the materialised view begin.
    view: Option<usize>,
    counters: Counters,
}

impl Task {
    /// Sets up the operators of a plan, with empty stores.
    pub fn new(plan: &QueryPlan, options: &TaskOptions) -> Result<Self, TaskError> {
        let built = build::build(&plan.root, options)?;
        Ok(Self {
            nodes: built.nodes,
            sources: built.sources,
            view: built.view,
            counters: Counters::default(),
        })
    }

    /// Takes a record of a source (numbered as in `Step::sources`); all its consequences have been given to `out` when
    /// this returns.
    pub fn process(
        &mut self,
        source: usize,
        record: &SourceRecord<'_>,
        out: &mut dyn Output,
    ) -> Result<(), TaskError> {
        let node = *self.sources.get(source).ok_or(TaskError::UnknownSource(source))?;
        self.counters.records_in += 1;
        let change = Change {
            key: record.key.unwrap_or(&[]),
            window: record.window,
            new: record.value,
            old: None,
            timestamp: record.timestamp,
            old_timestamp: 0,
            partition: record.partition,
            offset: record.offset,
        };
        let mut context = Context { out, counters: &mut self.counters };
        Downstream::run(&mut self.nodes, node, &change, &mut context)
    }

    /// Returns the stores with their names, the same ones in each run of a query.
    pub fn stores_mut(&mut self) -> impl Iterator<Item = (String, &mut dyn Logged)> {
        self.nodes.iter_mut().enumerate().flat_map(|(number, node)| {
            let step = node.name;
            let stores = node.operator.stores();
            stores.into_iter().map(move |(store, logged)| (format!("{number}-{step}-{store}"), logged))
        })
    }

    /// Returns the small state beside the stores: stream times and the like.
    pub fn save_meta(&mut self) -> Vec<u8> {
        let mut meta = vec![META_VERSION];
        for number in self.nodes.iter_mut().flat_map(|node| node.operator.meta()) {
            meta.extend_from_slice(&number.to_le_bytes());
        }
        meta
    }

    /// Takes back what `save_meta` gave. Call it last, after the stores are restored: what is derived from them is made
    /// anew here. Empty meta data (none was ever saved) is fine.
    pub fn load_meta(&mut self, meta: &[u8]) -> Result<(), TaskError> {
        let mut numbers = match meta.split_first() {
            None => None,
            Some((&META_VERSION, numbers)) => Some(numbers),
            Some((version, _)) => return Err(codec::damaged(format!("unknown version {version}"))),
        };
        for place in self.nodes.iter_mut().flat_map(|node| node.operator.meta()) {
            let Some(rest) = &mut numbers else { break };
            let (number, behind) =
                rest.split_first_chunk().ok_or_else(|| codec::damaged("meta data is too short"))?;
            *place = i64::from_le_bytes(*number);
            *rest = behind;
        }
        if numbers.is_some_and(|rest| !rest.is_empty()) {
            return Err(codec::damaged("meta data is too long"));
        }
        self.nodes.iter_mut().try_for_each(|node| node.operator.restored())
    }

    /// Returns read access to the query's table, if it was asked for and the query gives one.
    pub fn materialized(&mut self) -> Option<MaterializedView<'_>> {
        let first = self.view?;
        Some(MaterializedView { nodes: self.nodes.get_mut(first..)? })
    }

    /// Returns what the task has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}
