//! ListTransactions: the transactional ids of outside producers.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_transactions_response::{ListTransactionsResponse, TransactionState};
use kafka_protocol::messages::{ListTransactionsRequest, ProducerId, TransactionalId};

use regex::RegexBuilder;

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// Kafka's names of states.
const STATES: &[&str] = &[
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

pub(crate) fn answer(call: &Call, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let pattern = request.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
    let compiled = pattern
        .map(|pattern| RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES_MAX).build());
    let Ok(pattern) = compiled.transpose() else {
        let code = ResponseError::InvalidRegularExpression.code();
        return ListTransactionsResponse::default().with_error_code(code);
    };
    let now_ms = call.broker.now_ms();
    let unknown: Vec<_> =
        request.state_filters.iter().filter(|state| !STATES.contains(&&***state)).cloned().collect();
    let wanted: BTreeSet<&str> = request.state_filters.iter().map(|state| &**state).collect();
    let producers: BTreeSet<i64> = request.producer_id_filters.iter().map(|id| **id).collect();
    let states = call
        .broker
        .log
        .transactions()
        .into_iter()
        .filter(|info| call.allows(Operation::Describe, Resource::Transaction(&info.transactional_id)))
        .filter(|info| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&info.transactional_id)))
        .filter(|info| {
            let state_fits = wanted.is_empty() || wanted.contains(info.state);
            let producer_fits = producers.is_empty() || producers.contains(&info.identity.producer_id);
            let old_enough = request.duration_filter < 0
                // As in Kafka, one that has not begun is as old as can be.
                || info.since_ms.is_none_or(|since| now_ms.saturating_sub(since) > request.duration_filter);
            state_fits && producer_fits && old_enough
        })
        .map(|info| {
            TransactionState::default()
                .with_transactional_id(TransactionalId(str_bytes(&info.transactional_id)))
                .with_producer_id(ProducerId(info.identity.producer_id))
                .with_transaction_state(str_bytes(info.state))
        })
        .collect();
    ListTransactionsResponse::default()
        .with_error_code(NONE)
        .with_unknown_state_filters(unknown)
        .with_transaction_states(states)
}
