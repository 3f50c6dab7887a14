//! EndTxn: commits or aborts a transaction.

use commitlog::{LogError, ProducerIdentity};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::transaction_code;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// The first version that knows `PRODUCER_FENCED`.
const FENCED_FROM: i16 = 2;
/// The first version that raises the epoch (KIP-890).
const RAISES_FROM: i16 = 5;

pub(crate) fn answer(call: &Call, request: EndTxnRequest) -> EndTxnResponse {
    if request.transactional_id.is_empty() {
        return EndTxnResponse::default().with_error_code(ResponseError::InvalidRequest.code());
    }
    if !call.allows(Operation::Write, Resource::Transaction(&request.transactional_id)) {
        let code = ResponseError::TransactionalIdAuthorizationFailed.code();
        return EndTxnResponse::default().with_error_code(code);
    }
    match end(call, &request) {
        Ok(Some(identity)) => EndTxnResponse::default()
            .with_error_code(NONE)
            .with_producer_id(ProducerId(identity.producer_id))
            .with_producer_epoch(identity.epoch),
        Ok(None) => EndTxnResponse::default().with_error_code(NONE),
        Err(error) => {
            EndTxnResponse::default().with_error_code(transaction_code(&error, call.version() >= FENCED_FROM))
        }
    }
}

fn end(call: &Call, request: &EndTxnRequest) -> Result<Option<ProducerIdentity>, LogError> {
    let (log, now_ms) = (&call.broker.log, call.broker.now_ms());
    let id: &str = &request.transactional_id;
    let identity = ProducerIdentity { producer_id: *request.producer_id, epoch: request.producer_epoch };
    if call.version() >= RAISES_FROM {
        return log.end_transaction_and_raise(id, identity, request.committed, now_ms).map(Some);
    }
    log.end_transaction(id, identity, request.committed, now_ms)?.wait()?;
    Ok(None)
}
