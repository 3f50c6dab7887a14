//! InitProducerId: what a producer stamps its batches with.

use commitlog::{LogError, ProducerIdentity};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::broker::Broker;
use crate::dispatch::Call;
use crate::error::{NONE, code};
use crate::security::acl::{Operation, Resource};
use crate::store::OWN_IDS;

pub(crate) fn answer(call: &Call, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let allowed = match &request.transactional_id {
        Some(id) if !call.allows(Operation::Write, Resource::Transaction(id)) => {
            Err(ResponseError::TransactionalIdAuthorizationFailed.code())
        }
        None if !call.allows(Operation::IdempotentWrite, Resource::Cluster)
            && !call.allows_some_topic(Operation::Write) =>
        {
            Err(ResponseError::ClusterAuthorizationFailed.code())
        }
        _ => Ok(()),
    };
    match allowed.and_then(|()| init(&call.broker, &request)) {
        Ok(identity) => InitProducerIdResponse::default()
            .with_error_code(NONE)
            .with_producer_id(ProducerId(identity.producer_id))
            .with_producer_epoch(identity.epoch),
        Err(code) => {
            // Older clients know the older name of being fenced.
            let fenced = ResponseError::ProducerFenced.code();
            let code = if call.version() < 4 && code == fenced {
                ResponseError::InvalidProducerEpoch.code()
            } else {
                code
            };
            InitProducerIdResponse::default()
                .with_error_code(code)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1)
        }
    }
}

fn init(broker: &Broker, request: &InitProducerIdRequest) -> Result<ProducerIdentity, i16> {
    let now_ms = broker.now_ms();
    let Some(transactional_id) = &request.transactional_id else {
        return broker.log.init_producer(None, 0, now_ms).map_err(|error| code(&error));
    };
    if transactional_id.is_empty() {
        return Err(ResponseError::InvalidRequest.code());
    }
    // What this process writes itself under, in use or not.
    if transactional_id.starts_with(OWN_IDS) || broker.owner.reserves_transaction(transactional_id) {
        return Err(ResponseError::TransactionalIdAuthorizationFailed.code());
    }
    let timeout_ms = request.transaction_timeout_ms as i64;
    if timeout_ms <= 0 || timeout_ms > broker.config.integer("transaction.max.timeout.ms") {
        return Err(ResponseError::InvalidTransactionTimeout.code());
    }
    let known = ProducerIdentity { producer_id: *request.producer_id, epoch: request.producer_epoch };
    if (known.producer_id < 0) != (known.epoch < 0) {
        return Err(ResponseError::InvalidRequest.code());
    }
    let result = if known.producer_id < 0 {
        broker.log.init_producer(Some(transactional_id), timeout_ms, now_ms)
    } else {
        broker.log.init_producer_again(transactional_id, known, timeout_ms, now_ms)
    };
    result.map_err(|error| match error {
        LogError::Fenced { .. } => ResponseError::ProducerFenced.code(),
        error => code(&error),
    })
}
