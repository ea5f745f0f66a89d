//! A real MCP server over streamable HTTP, on a thread of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header, request::Parts};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ErrorData, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

/// A bearer token that the server refuses.
pub const REFUSED: &str = "wrong";

#[derive(Default)]
pub struct Counts {
    pub sessions: AtomicUsize,
    pub calls: AtomicUsize,
}

pub struct McpServer {
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl McpServer {
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let (stop, stopped) = oneshot::channel();
        let routes = routes(&counts);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, routes) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address, counts, stop: Some(stop), thread: Some(thread) }
    }

    pub fn sessions(&self) -> usize {
        self.counts.sessions.load(Ordering::SeqCst)
    }

    pub fn calls(&self) -> usize {
        self.counts.calls.load(Ordering::SeqCst)
    }
}

impl Drop for McpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The server is at `/mcp`; `/moved` leads there.
fn routes(counts: &Arc<Counts>) -> Router {
    let counts = Arc::clone(counts);
    let make = move || {
        counts.sessions.fetch_add(1, Ordering::SeqCst);
        Ok(Tools { counts: Arc::clone(&counts) })
    };
    let service = StreamableHttpService::new(
        make,
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    Router::new()
        .route_service("/mcp", service)
        .route("/moved", any(|| async { Redirect::temporary("/mcp") }))
        .layer(middleware::from_fn(guard))
}

async fn guard(request: Request, next: Next) -> Response {
    let refused = format!("Bearer {REFUSED}");
    if request.headers().get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == refused.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    next.run(request).await
}

struct Tools {
    counts: Arc<Counts>,
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let mut config = ServerConfig::default();
        config.capabilities = ServerCapabilities::builder().enable_tools().build();
        config
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.counts.calls.fetch_add(1, Ordering::SeqCst);
        let arguments = request.arguments.unwrap_or_default();
        let text = |text: String| Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into());
        match &*request.name {
            "add" => text((number(&arguments, "a") + number(&arguments, "b")).to_string()),
            "arguments" | "charge" => Ok(CallToolResult::structured(json!({ "arguments": arguments })).into()),
            "headers" => {
                let headers: Map<String, Value> = context
                    .extensions
                    .get::<Parts>()
                    .unwrap()
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
                    .collect();
                Ok(CallToolResult::structured(Value::Object(headers)).into())
            }
            "fail" => Ok(CallToolResult::error(vec![ContentBlock::text("it went wrong")]).into()),
            "broken" => Err(ErrorData::new(ErrorCode(-32000), "boom", Some(json!("x")))),
            "slow" => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                text("late".into())
            }
            _ => Err(ErrorData::invalid_params("unknown tool", None)),
        }
    }
}

fn number(arguments: &Map<String, Value>, name: &str) -> f64 {
    arguments[name].as_f64().unwrap()
}
