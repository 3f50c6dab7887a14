//! All paths of the server, in one place.

use hyper::{Method, StatusCode};

use crate::api;
use crate::call::{Call, Working, percent_decoded};
use crate::error::ApiError;

/// The route of requests that have none, in metrics.
pub const OTHER: &str = "other";

/// A method, a path with `:name` for open parts, and what answers.
pub struct Route {
    pub method: Method,
    pub pattern: &'static str,
    pub handle: fn(Call) -> Working,
}

macro_rules! routes {
    ($($method:ident $pattern:literal => $($handler:ident)::+;)*) => {
        &[$(Route {
            method: Method::$method,
            pattern: $pattern,
            handle: |call| Box::pin(api::$($handler)::+(call)),
        }),*]
    };
}

static ROUTES: &[Route] = routes! {
    GET "/" => info::redirect;
    GET "/info" => info::get;
    GET "/healthcheck" => health::healthcheck;
    GET "/chc/ready" => health::ready;
    GET "/chc/live" => health::live;
    GET "/status" => status::all;
    GET "/status/:type/:entity/:action" => status::one;
    GET "/is_valid_property/:name" => property::is_valid;
    POST "/ksql" => ksql::post;
    POST "/ksql/terminate" => terminate::post;
    POST "/query" => query::post;
    POST "/query-stream" => query_stream::post;
    POST "/inserts-stream" => inserts_stream::post;
    POST "/close-query" => close_query::post;
    GET "/ws/query" => websocket::get;
    GET "/clusterStatus" => cluster::status;
    POST "/heartbeat" => cluster::heartbeat;
    POST "/lag" => cluster::lag;
    GET "/v1/metadata" => metadata::get;
    GET "/v1/metadata/id" => metadata::id;
    GET "/metrics" => metrics::get;
    GET "/api/v1/names" => names::get;
    GET "/api/v1/properties" => property::list;
    POST "/api/v1/topics" => topics::create;
    GET "/api/v1/topics/:name" => topics::describe;
    GET "/api/v1/topics/:name/limits" => topics::limits;
    PATCH "/api/v1/topics/:name" => topics::alter;
    DELETE "/api/v1/topics/:name" => topics::delete;
    POST "/api/v1/topics/:name/records" => produce::post;
    GET "/api/v1/topics/:name/records" => consume::get;
};

/// Paths that take statements or belong to queries: gone when the statements come from a file, as in ksqlDB.
const OF_STATEMENTS: &[&str] =
    &["/ksql", "/ksql/terminate", "/query", "/query-stream", "/inserts-stream", "/close-query", "/ws/query"];

impl Route {
    /// Tells whether it takes statements.
    pub fn takes_statements(&self) -> bool {
        OF_STATEMENTS.contains(&self.pattern)
    }
}

/// Returns the route of a request and the open parts of its path.
pub fn find(method: &Method, path: &str) -> Result<(&'static Route, Vec<String>), ApiError> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let mut allowed = Vec::new();
    for route in ROUTES {
        let Some(params) = matched(route.pattern, path) else { continue };
        if route.method == *method {
            return Ok((route, params));
        }
        allowed.push(route.method.as_str());
    }
    if allowed.is_empty() {
        let unknown = ApiError::not_found("unknown_path", "the server has nothing at this path");
        return Err(match nearest(path) {
            Some(pattern) => unknown.hint(format!("did you mean \"{pattern}\"?")),
            None => unknown,
        });
    }
    let allow = allowed.join(", ");
    let mut wrong = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        0,
        "wrong_method",
        format!("this path is not for {}, but for {allow}", method.as_str()),
    );
    wrong.allow = Some(allow);
    Err(wrong)
}

fn nearest(path: &str) -> Option<&'static str> {
    sql::nearest(path, ROUTES.iter().map(|route| route.pattern))
}

fn matched(pattern: &str, path: &str) -> Option<Vec<String>> {
    let path = match path.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() => shorter,
        _ => path,
    };
    let mut params = Vec::new();
    let mut parts = path.split('/');
    for expected in pattern.split('/') {
        let part = parts.next()?;
        if expected.starts_with(':') {
            let decoded = percent_decoded(part)?;
            if decoded.is_empty() {
                return None;
            }
            params.push(decoded);
        } else if expected != part {
            return None;
        }
    }
    parts.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_parts_are_decoded() {
        let (route, params) = find(&Method::GET, "/status/stream/%60A%60/create").unwrap();
        assert_eq!(route.pattern, "/status/:type/:entity/:action");
        assert_eq!(params, ["stream", "`A`", "create"]);
        assert!(find(&Method::GET, "/status/stream/%ff/create").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_path_can_be_looked_up(path in "[/%:a-z0-9é]{0,60}") {
            let _ = find(&Method::GET, &path);
        }
    }

    #[test]
    fn wrong_method_and_unknown_path_differ() {
        let wrong = find(&Method::GET, "/ksql").err().unwrap();
        assert_eq!((wrong.error_code(), wrong.allow.as_deref()), (40500, Some("POST")));
        let unknown = find(&Method::GET, "/ksqll").err().unwrap();
        assert_eq!((unknown.error_code(), unknown.hint.as_deref()), (40400, Some("did you mean \"/ksql\"?")));
        assert_eq!(find(&Method::HEAD, "/info/").unwrap().0.pattern, "/info");
    }
}
