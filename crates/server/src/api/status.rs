//! `GET /status` and `/status/:type/:entity/:action`: what became of a command.

use engine::{Entity, Session};

use crate::body::ok_json;
use crate::call::{Answer, Call};
use crate::entity_json;
use crate::error::ApiError;
use crate::json;

/// `GET /status/:type/:entity/:action`; the entity may stand there with or without its backquotes.
pub async fn one(call: Call) -> Answer {
    let [kind, entity, action] = &call.params[..] else { return Err(ApiError::internal()) };
    let ids = [format!("{kind}/{entity}/{action}"), format!("{kind}/`{entity}`/{action}")];
    let asked = ids[0].clone();
    let found = call.state.call(move |backend| ids.iter().find_map(|id| backend.command_status(id))).await?;
    match found {
        Some(status) => Ok(ok_json(json::object(|o| entity_json::command_status(o, &status)))),
        None => Err(ApiError::not_found("unknown_command", format!("command \"{asked}\" is not known"))),
    }
}

/// `GET /status`. Unlike ksqlDB, only the commands that created what is there now are listed.
pub async fn all(call: Call) -> Answer {
    let statuses = call
        .state
        .call(|backend| {
            let mut answered = Vec::new();
            let mut session = Session::default();
            backend.execute("SHOW STREAMS; SHOW TABLES;", &mut session, &mut answered)?;
            let mut statuses = Vec::new();
            for entity in answered {
                let Entity::Sources(list) = entity else { continue };
                let kind = match list.kind {
                    sql::SourceKind::Stream => "stream",
                    sql::SourceKind::Table => "table",
                };
                for source in list.sources {
                    let id = format!("{kind}/`{}`/create", source.name);
                    statuses.extend(backend.command_status(&id).map(|status| (id, status)));
                }
            }
            Ok::<_, engine::EngineError>(statuses)
        })
        .await??;
    Ok(ok_json(json::object(|o| {
        o.object("commandStatuses", |o| {
            for (id, _) in &statuses {
                o.text(id, "SUCCESS");
            }
        });
    })))
}
