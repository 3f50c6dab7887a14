//! SaslHandshake: the client chooses how to log in.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};
use kafka_protocol::protocol::StrBytes;

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::sasl::{Login, Mechanism};

/// The first version after which the login's messages come as requests.
const REQUESTS_FROM: i16 = 1;

pub(crate) fn answer(call: &Call, request: SaslHandshakeRequest) -> SaslHandshakeResponse {
    let enabled = enabled(call);
    let mechanisms: Vec<StrBytes> = enabled.iter().map(|mechanism| str_bytes(mechanism.name())).collect();
    let answer = SaslHandshakeResponse::default().with_mechanisms(mechanisms);
    let mut login = call.connection.login.lock().expect("no holder panics");
    if !login.is_missing() {
        return answer.with_error_code(ResponseError::IllegalSaslState.code());
    }
    match Mechanism::from_name(&request.mechanism).filter(|mechanism| enabled.contains(mechanism)) {
        Some(mechanism) => {
            *login = Login::Chosen(mechanism);
            if call.version() < REQUESTS_FROM {
                call.connection.expect_bare_login();
            }
            answer.with_error_code(NONE)
        }
        None => answer.with_error_code(ResponseError::UnsupportedSaslMechanism.code()),
    }
}

fn enabled(call: &Call) -> Vec<Mechanism> {
    let names = call.broker.config.text("sasl.enabled.mechanisms");
    names.split(',').filter_map(|name| Mechanism::from_name(name.trim())).collect()
}
