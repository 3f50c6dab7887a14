//! SaslAuthenticate: the messages of a login.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
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
    match take(&call.broker, &call.connection, request.auth_bytes).await {
        Ok(bytes) => SaslAuthenticateResponse::default().with_error_code(NONE).with_auth_bytes(bytes),
        Err(()) => {
            call.connection.close_after_answer();
            SaslAuthenticateResponse::default()
                .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                .with_error_message(Some(str_bytes("Authentication failed: invalid credentials")))
        }
    }
}

/// Answers a message that came without a request around it, as after SaslHandshake version 0: with its length only.
/// `None`: the login failed; nothing but closing tells that.
pub(crate) async fn answer_bare(
    broker: &Arc<Broker>,
    connection: &Arc<ConnectionState>,
    message: Bytes,
) -> Option<Bytes> {
    let token = take(broker, connection, message).await.ok()?;
    let mut out = BytesMut::with_capacity(4 + token.len());
    out.put_i32(i32::try_from(token.len()).ok()?);
    out.put_slice(&token);
    Some(out.freeze())
}

/// Takes a message of the client and returns the answer.
async fn take(broker: &Arc<Broker>, connection: &Arc<ConnectionState>, message: Bytes) -> Result<Bytes, ()> {
    let (shared, state) = (broker.clone(), connection.clone());
    // Hashing a password takes some milliseconds.
    let step = tokio::task::spawn_blocking(move || {
        state.login.lock().expect("no holder panics").take(&message, &shared.credentials)
    })
    .await
    .unwrap_or(Err("the login was broken off"));
    match step {
        Ok(Step::Answer(bytes)) => Ok(Bytes::from(bytes)),
        Ok(Step::Done(bytes, user)) => {
            connection.set_principal(&user);
            Ok(Bytes::from(bytes))
        }
        Err(reason) => {
            tracing::warn!(peer = %connection.peer, reason, "login failed");
            tokio::time::sleep(FAILED_DELAY).await;
            Err(())
        }
    }
}
