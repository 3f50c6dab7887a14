//! SaslAuthenticate: the messages of a login.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::sasl::Step;

/// A wrong password is answered after this, as by Kafka's `connection.failed.authentication.delay.ms`.
const FAILED_DELAY: Duration = Duration::from_millis(100);

pub(crate) async fn answer(call: &Call, request: SaslAuthenticateRequest) -> SaslAuthenticateResponse {
    if !call.connection.login.lock().expect("no holder panics").is_missing() {
        return SaslAuthenticateResponse::default()
            .with_error_code(ResponseError::IllegalSaslState.code())
            .with_error_message(Some(str_bytes("no login is wanted")));
    }
    let credentials = call.broker.clone();
    let connection = call.connection.clone();
    let message = request.auth_bytes;
    // Hashing a password takes some milliseconds.
    let step = tokio::task::spawn_blocking(move || {
        connection.login.lock().expect("no holder panics").take(&message, &credentials.credentials)
    })
    .await
    .unwrap_or(Err("the login was broken off"));
    match step {
        Ok(Step::Answer(bytes)) => {
            SaslAuthenticateResponse::default().with_error_code(NONE).with_auth_bytes(Bytes::from(bytes))
        }
        Ok(Step::Done(bytes, user)) => {
            *call.connection.principal.write().expect("no holder panics") = format!("User:{user}");
            SaslAuthenticateResponse::default().with_error_code(NONE).with_auth_bytes(Bytes::from(bytes))
        }
        Err(reason) => {
            tracing::warn!(peer = %call.connection.peer, reason, "login failed");
            tokio::time::sleep(FAILED_DELAY).await;
            call.connection.close_after_answer();
            SaslAuthenticateResponse::default()
                .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                .with_error_message(Some(str_bytes("Authentication failed: invalid credentials")))
        }
    }
}
