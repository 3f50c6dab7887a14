//! Which of many queries a record may concern.
//!
//! A predicate that is true only where a column has a certain text or number, or begins with a certain text, is looked up
//! by what the record has there: the cost grows with the queries a record may concern, not with all of them. Other
//! queries are given every record.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::change::SourceRecord;
use crate::eval::{Columns, JsonRow, Witness};
use crate::fused::Fused;

/// Queries by what a column has to have for them.
type Queries<K> = HashMap<K, Vec<u32>, RandomState>;

/// The queries of which a column's value is a witness.
#[derive(Default)]
struct ColumnIndex {
    slot: usize,
    texts: Queries<Box<[u8]>>,
    numbers: Queries<i64>,
    /// Prefixes of one length each.
    prefixes: Vec<(usize, Queries<Box<[u8]>>)>,
    /// All of them, for values that cannot be looked up.
    all: Vec<u32>,
}

/// The index over the predicates of queries that read the same source.
pub struct Dispatch {
    columns: Vec<ColumnIndex>,
    /// Queries without witness.
    always: Vec<u32>,
    /// The records that each query is given.
    chosen: Vec<Vec<u32>>,
}

impl Dispatch {
    /// Makes the index of some queries; they are numbered as they come. `None` stands for one that takes every record.
    pub fn new<'a>(queries: impl IntoIterator<Item = Option<&'a Fused>>) -> Self {
        let mut dispatch = Self { columns: vec![], always: vec![], chosen: vec![] };
        for (number, query) in queries.into_iter().enumerate() {
            let number = number as u32;
            dispatch.chosen.push(vec![]);
            match query.and_then(Fused::witnesses) {
                Some(witnesses) => witnesses.into_iter().for_each(|witness| dispatch.add(number, witness)),
                None => dispatch.always.push(number),
            }
        }
        dispatch
    }

    fn add(&mut self, query: u32, witness: Witness) {
        let (Witness::Text(slot, _) | Witness::Number(slot, _) | Witness::Prefix(slot, _)) = witness;
        let place = self.columns.iter().position(|column| column.slot == slot).unwrap_or_else(|| {
            self.columns.push(ColumnIndex { slot, ..ColumnIndex::default() });
            self.columns.len() - 1
        });
        let column = &mut self.columns[place];
        column.all.push(query);
        match witness {
            Witness::Text(_, text) => column.texts.entry(text.as_bytes().into()).or_default().push(query),
            Witness::Number(_, number) => column.numbers.entry(number).or_default().push(query),
            Witness::Prefix(_, text) => {
                let len = text.len();
                let place =
                    column.prefixes.iter().position(|(other, _)| *other == len).unwrap_or_else(|| {
                        column.prefixes.push((len, HashMap::default()));
                        column.prefixes.len() - 1
                    });
                column.prefixes[place].1.entry(text.as_bytes().into()).or_default().push(query);
            }
        }
    }

    /// Returns whether it leaves any query out of any record.
    pub fn is_useful(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Forgets the records chosen.
    pub fn clear(&mut self) {
        self.chosen.iter_mut().for_each(Vec::clear);
    }

    /// Gives record `n` to the queries it may concern; records come in rising order.
    #[inline]
    pub fn choose(&mut self, n: u32, record: &SourceRecord<'_>) {
        let chosen = &mut self.chosen;
        choose(chosen, n, &self.always);
        match record.value {
            Some(Columns::Json(json)) => {
                for column in &self.columns {
                    column.choose(chosen, n, &json);
                }
            }
            // No predicate is true of a null value.
            None => {}
            Some(Columns::Values(_)) => self.columns.iter().for_each(|column| choose(chosen, n, &column.all)),
        }
    }

    /// Gives record `n` to all queries.
    pub fn choose_for_all(&mut self, n: u32) {
        self.chosen.iter_mut().for_each(|records| records.push(n));
    }

    /// Returns the records chosen for a query.
    #[inline]
    pub fn chosen(&self, query: usize) -> &[u32] {
        self.chosen.get(query).map_or(&[], Vec::as_slice)
    }
}

impl ColumnIndex {
    #[inline]
    fn choose(&self, chosen: &mut [Vec<u32>], n: u32, row: &JsonRow<'_>) {
        if row.is_null(self.slot) {
            return;
        }
        if !self.numbers.is_empty() {
            return match row.number(self.slot) {
                Some(number) => {
                    if let Some(queries) = self.numbers.get(&number) {
                        choose(chosen, n, queries);
                    }
                }
                None => choose(chosen, n, &self.all),
            };
        }
        let decoded;
        let text = match row.plain_text(self.slot) {
            Some(text) => text,
            None => match row.text(self.slot) {
                Some(Some(text)) => {
                    decoded = text;
                    decoded.as_bytes()
                }
                _ => return choose(chosen, n, &self.all),
            },
        };
        if !self.texts.is_empty()
            && let Some(queries) = self.texts.get(text)
        {
            choose(chosen, n, queries);
        }
        for (len, prefixes) in &self.prefixes {
            if let Some(queries) = text.get(..*len).and_then(|prefix| prefixes.get(prefix)) {
                choose(chosen, n, queries);
            }
        }
    }
}

#[inline]
fn choose(chosen: &mut [Vec<u32>], n: u32, queries: &[u32]) {
    for query in queries {
        let records = &mut chosen[*query as usize];
        // A query with several witnesses is given a record once.
        if records.last() != Some(&n) {
            records.push(n);
        }
    }
}
