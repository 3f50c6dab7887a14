//! SaslAuthenticate: the messages of a login.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};

use crate::broker::Broker;
use crate::config::str_bytes;
use crate::connection::ConnectionState;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::sasl::Step;

/// A wrong password is answered after this, as by Kafka's `connection.failed.authentication.delay.ms`.
const FAILED_DELAY: Duration = Duration::from_millis(100);

pub(crate) async fn answer(call: &Call, request: SaslAuthenticateRequest) -> SaslAuthenticateResponse {
    match take(&call.connection, &call.broker, request.auth_bytes).await {
        Some(bytes) => SaslAuthenticateResponse::default().with_error_code(NONE).with_auth_bytes(bytes),
        None => {
            call.connection.close_after_answer();
            SaslAuthenticateResponse::default()
                .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                .with_error_message(Some(str_bytes("Authentication failed: invalid credentials")))
        }
    }
}

/// Takes a message of a login and returns what to answer; `None` when the login failed.
pub(crate) async fn take(
    connection: &Arc<ConnectionState>,
    broker: &Arc<Broker>,
    message: Bytes,
) -> Option<Bytes> {
    let (state, credentials) = (connection.clone(), broker.clone());
    // Hashing a password takes some milliseconds.
    let step = tokio::task::spawn_blocking(move || {
        state.login.lock().expect("no holder panics").take(&message, &credentials.credentials)
    })
    .await
    .unwrap_or(Err("the login was broken off"));
    match step {
        Ok(Step::Answer(bytes)) => Some(Bytes::from(bytes)),
        Ok(Step::Done(bytes, user)) => {
            *connection.principal.write().expect("no holder panics") = format!("User:{user}");
            Some(Bytes::from(bytes))
        }
        Err(reason) => {
            tracing::warn!(peer = %connection.peer, reason, "login failed");
            tokio::time::sleep(FAILED_DELAY).await;
            None
        }
    }
}
