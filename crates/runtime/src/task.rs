//! A task: one query's steps on one partition.

mod build;
mod grouped;
mod join_filter;
mod prune;
#[cfg(test)]
mod shortcut_tests;

use plan::step::QueryPlan;
use state::Logged;

use crate::change::{Change, ErrorReason, Output, SourceRecord};
use crate::codec;
use crate::error::TaskError;
use crate::eval::Columns;
use crate::operator::{Context, Downstream, Node};
use crate::view::MaterializedView;
use grouped::{Found, Grouped};

/// First byte of the saved meta data.
const META_VERSION: u8 = 1;

/// How a task is set up.
#[derive(Clone, Debug, Default)]
pub struct TaskOptions {
    /// Repartition steps hand records on: there is one partition.
    pub inline_repartition: bool,
    /// The result of a table query can be read; see [`Task::materialized`].
    pub materialize: bool,
    /// An aggregate whose result shows no more than the last change of a row may wait for [`Task::flush`]. Changes of
    /// stores have to be tracked, and drained after each flush.
    pub holds_back: bool,
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
    /// The operator that holds its results back.
    holder_back: Option<usize>,
    grouped: Option<Box<Grouped>>,
    counters: Counters,
}

impl Task {
    /// Sets up the operators of a plan, with empty stores.
    pub fn new(plan: &QueryPlan, options: &TaskOptions) -> Result<Self, TaskError> {
        build::check_size(&plan.root)?;
        let mut root = plan.root.clone();
        prune::prune(&mut root);
        let built = build::build(&root, options)?;
        let grouped = built.holder_back.and_then(|node| Grouped::new(&root, node)).map(Box::new);
        Ok(Self {
            nodes: built.nodes,
            sources: built.sources,
            view: built.view,
            holder_back: built.holder_back,
            grouped,
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
            micros: record.micros,
            old_timestamp: 0,
            partition: record.partition,
            offset: record.offset,
        };
        let mut context = Context { out, counters: &mut self.counters };
        if let Some(grouped) = &mut self.grouped
            && let Some(Columns::Json(row)) = &record.value
        {
            match grouped.find(row) {
                Found::Nothing => return Ok(()),
                Found::Unclear => {}
                Found::Group => {
                    let Grouped { node, key_bytes, values, .. } = &mut **grouped;
                    let group = (&**key_bytes, values);
                    return Downstream::take_grouped(&mut self.nodes, *node, group, &change, &mut context);
                }
            }
        }
        Downstream::run(&mut self.nodes, node, &change, &mut context)
    }

    /// Returns whether results wait for [`Task::flush`].
    pub fn holds_back(&self) -> bool {
        self.holder_back.is_some()
    }

    /// Gives the rows that were held back: the last one of each key that changed since the last flush, in the order of
    /// their first change.
    pub fn flush(&mut self, out: &mut dyn Output) -> Result<(), TaskError> {
        let Some(number) = self.holder_back else { return Ok(()) };
        let mut context = Context { out, counters: &mut self.counters };
        Downstream::flush(&mut self.nodes, number, &mut context)
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
        // Last, as it came last: what was saved before has none of them.
        for number in self.nodes.iter_mut().filter_map(|node| node.operator.arrival()) {
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
        let read = |place: &mut i64, rest: &mut &[u8]| {
            let (number, behind) =
                rest.split_first_chunk().ok_or_else(|| codec::damaged("meta data is too short"))?;
            *place = i64::from_le_bytes(*number);
            *rest = behind;
            Ok::<(), TaskError>(())
        };
        for place in self.nodes.iter_mut().flat_map(|node| node.operator.meta()) {
            let Some(rest) = &mut numbers else { break };
            read(place, rest)?;
        }
        for place in self.nodes.iter_mut().filter_map(|node| node.operator.arrival()) {
            let Some(rest) = numbers.as_mut().filter(|rest| !rest.is_empty()) else { break };
            read(place, rest)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use crate::{Columns, Emitted, RowError};
    use plan::expr::{CompareOp, Expr};
    use plan::step::{JoinKind, SourceKind, Step, StepKind};
    use proptest::prelude::*;
    use sql::ast::WindowKind::{Hopping, Session};
    use types::Value;

    fn number_stream() -> Step {
        stream(&[BigInt])
    }

    /// One plan for each operator.
    fn plans() -> Vec<Step> {
        let number_table = || table(&[BigInt]);
        let equal = |n| compare(CompareOp::Equal, column(0, BigInt), number(n));
        let mut plans = vec![
            filter(number_table(), equal(1)),
            map(number_stream(), Some(vec![column(0, BigInt)]), vec![divide(number(1), column(0, BigInt))]),
            aggregate(number_stream(), None, false),
            filter(aggregate(number_stream(), None, false), equal(2)),
            join(number_stream(), number_table(), |left, right| StepKind::StreamTableJoin {
                kind: JoinKind::Left,
                left,
                right,
            }),
            join(number_table(), number_table(), |left, right| StepKind::TableTableJoin {
                kind: JoinKind::Full,
                left,
                right,
            }),
            join(number_table(), number_table(), |left, right| StepKind::ForeignKeyJoin {
                kind: JoinKind::Left,
                left,
                right,
                foreign_key: column(0, BigInt),
            }),
            Step {
                kind: StepKind::TableAggregate {
                    input: number_table().into(),
                    key: vec![column(0, BigInt)],
                    carried: vec![column(0, BigInt)],
                    functions: sum(),
                    topic: "t".into(),
                },
                layout: layout(&[BigInt], &[BigInt, BigInt]),
                output: SourceKind::Table,
            },
        ];
        for emit_final in [false, true] {
            let hopping = Hopping { size_ms: 10, advance_ms: 3 };
            plans.push(aggregate(number_stream(), Some((hopping, 2)), emit_final));
            plans.push(aggregate(number_stream(), Some((Session { gap_ms: 10 }, 2)), emit_final));
        }
        for grace_ms in [None, Some(3)] {
            plans.push(join(number_stream(), number_stream(), |left, right| StepKind::StreamStreamJoin {
                kind: JoinKind::Full,
                left,
                right,
                before_ms: 5,
                after_ms: 7,
                grace_ms,
            }));
        }
        plans
    }

    type Input = (usize, Option<i64>, Option<Option<i64>>, i64);

    fn inputs() -> impl Strategy<Value = Vec<Input>> {
        let time = prop_oneof![8 => 0..60i64, 1 => any::<i64>(), 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
        let value =
            prop_oneof![1 => Just(None), 1 => Just(Some(None)), 6 => (0..4i64).prop_map(|n| Some(Some(n)))];
        let key = prop_oneof![1 => Just(None), 8 => (0..3i64).prop_map(Some)];
        prop::collection::vec((0..2usize, key, value, time), 0..30)
    }

    fn feed(task: &mut Task, inputs: &[Input], out: &mut dyn Output) {
        let number = |n: Option<i64>| n.map_or(Value::Null, Value::BigInt);
        for (source, key, value, timestamp) in inputs {
            let key = key.map(|key| [Value::BigInt(key)]);
            let value = value.map(|value| [number(value)]);
            let record = SourceRecord {
                micros: 0,
                key: key.as_ref().map(|key| key.as_slice()),
                value: value.as_ref().map(|value| Columns::Values(value)),
                timestamp: *timestamp,
                partition: 0,
                offset: 0,
                window: None,
            };
            let source = if task.sources.len() > *source { *source } else { 0 };
            task.process(source, &record, out).unwrap();
        }
    }

    fn new_task(plan_: &Step) -> Task {
        let options = TaskOptions { inline_repartition: true, materialize: true, ..TaskOptions::default() };
        Task::new(&plan(plan_.clone()), &options).unwrap()
    }

    proptest! {
        /// A task restored between any two records goes on as if nothing had happened.
        #[test]
        fn restored_task_goes_on_as_the_first_one(before in inputs(), after in inputs()) {
            for plan in plans() {
                let (mut first, mut second) = (new_task(&plan), new_task(&plan));
                feed(&mut first, &before, &mut Lines::default());
                for ((_, from), (_, to)) in first.stores_mut().zip(second.stores_mut()) {
                    from.drain_changes(&mut |key, value| to.apply(key, value).unwrap()).unwrap();
                }
                second.load_meta(&first.save_meta()).unwrap();
                let (mut expect, mut found) = (Lines::default(), Lines::default());
                feed(&mut first, &after, &mut expect);
                feed(&mut second, &after, &mut found);
                prop_assert_eq!(found.rows, expect.rows);
            }
        }

        #[test]
        fn forged_meta_data_is_an_error_or_harmless(meta in prop::collection::vec(any::<u8>(), 0..40), input in inputs()) {
            for plan in plans() {
                let mut task = new_task(&plan);
                if task.load_meta(&meta).is_ok() {
                    feed(&mut task, &input, &mut Lines::default());
                }
            }
        }
    }

    #[test]
    fn all_consequences_come_depth_first() {
        struct Order(Vec<i64>);
        impl Output for Order {
            fn emit(&mut self, row: Emitted<'_>) {
                self.0.push(row.timestamp);
            }
            fn error(&mut self, _: RowError<'_>) {}
        }
        let mut order = Order(vec![]);
        let mut task = new_task(&aggregate(number_stream(), None, false));
        feed(&mut task, &[(0, Some(1), Some(Some(1)), 5), (0, Some(1), Some(Some(1)), 3)], &mut order);
        assert_eq!(order.0, [5, 5]);
        assert_eq!((task.counters().records_in, task.counters().records_out), (2, 2));
    }

    #[test]
    fn plan_of_too_many_steps_is_refused() {
        let truth = || Expr::constant(Value::Boolean(true), types::DataType::Boolean);
        let root = (0..300).fold(number_stream(), |input, _| filter(input, truth()));
        assert!(matches!(
            Task::new(&plan(root), &TaskOptions::default()),
            Err(TaskError::TooManySteps { .. })
        ));
    }
}
