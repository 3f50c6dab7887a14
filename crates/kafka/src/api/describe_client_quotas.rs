//! DescribeClientQuotas: there are none.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};

use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, _request: DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    if !call.allows(Operation::DescribeConfigs, Resource::Cluster) {
        let code = ResponseError::ClusterAuthorizationFailed.code();
        return DescribeClientQuotasResponse::default().with_error_code(code).with_entries(None);
    }
    DescribeClientQuotasResponse::default().with_error_code(NONE).with_entries(Some(Vec::new()))
}
