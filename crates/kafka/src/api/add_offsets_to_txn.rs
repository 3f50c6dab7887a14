//! AddOffsetsToTxn: announces that a transaction will set a group's offsets.

use commitlog::ProducerIdentity;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::transaction_code;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// The first version that knows `PRODUCER_FENCED`.
const FENCED_FROM: i16 = 2;

pub(crate) fn answer(call: &Call, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let identity = ProducerIdentity { producer_id: *request.producer_id, epoch: request.producer_epoch };
    let code = if request.transactional_id.is_empty() {
        ResponseError::InvalidRequest.code()
    } else if !call.allows(Operation::Write, Resource::Transaction(&request.transactional_id)) {
        ResponseError::TransactionalIdAuthorizationFailed.code()
    } else if !call.allows(Operation::Read, Resource::Group(&request.group_id)) {
        ResponseError::GroupAuthorizationFailed.code()
    } else {
        call.broker
            .log
            .add_group_to_transaction(
                &request.transactional_id,
                identity,
                &request.group_id,
                call.broker.now_ms(),
            )
            .map_or_else(|error| transaction_code(&error, call.version() >= FENCED_FROM), |()| NONE)
    };
    AddOffsetsToTxnResponse::default().with_error_code(code)
}
