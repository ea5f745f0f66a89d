//! A running `armoriq-local` and a client for it that knows nothing but sockets.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use armoriq::json;
use serde_json::{Value, json};

pub const KEY: &str = "ak_test_demo_key_0000000000000000";
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_armoriq-local");

/// The configuration that `init` writes.
pub fn demo() -> String {
    let file = temporary("demo.yaml");
    let output = run(&["init", &file.display().to_string()]);
    assert!(output.status.success(), "{output:?}");
    std::fs::read_to_string(file).unwrap()
}

/// A path that no other test has.
pub fn temporary(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}-{name}", std::process::id()))
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

pub struct Server {
    child: Child,
    pub backend: SocketAddr,
    pub proxy: SocketAddr,
    pub iap: SocketAddr,
}

impl Server {
    /// Starts one on free ports with the configuration's text.
    pub fn start(config: &str) -> Self {
        let file = temporary("armoriq-local.yaml");
        std::fs::write(&file, config).unwrap();
        Self::start_with(&["serve", "--config", &file.display().to_string(), "--listen", "127.0.0.1:0"])
    }

    pub fn demo() -> Self {
        Self::start(&demo())
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        let mut child =
            Command::new(PROGRAM).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = json::parse(&line).unwrap();
        let address = |name: &str| ready[name].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        Self { child, backend: address("backend"), proxy: address("proxy"), iap: address("iap") }
    }

    pub fn backend_url(&self) -> String {
        format!("http://{}", self.backend)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[("x-api-key", KEY)], "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &[("x-api-key", KEY)], &body.to_string())
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        request(self.backend, method, path, headers, body)
    }

    /// Calls the proxy.
    pub fn invoke(&self, body: &Value) -> Answer {
        request(self.proxy, "POST", "/invoke", &[("x-api-key", KEY)], &body.to_string())
    }

    /// The answer to minting a plan of `server__tool` names for Alice.
    pub fn mint(&self, tools: &[&str]) -> Value {
        let answer = self.post("/iap/sdk/token", &mint_body(tools));
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()
    }

    /// What the backend decides about a call of `server__tool`.
    pub fn enforce(&self, token: &Value, tool: &str, arguments: Value) -> Answer {
        self.post("/iap/sdk/enforce", &enforce_body(token, tool, arguments))
    }

    pub fn terminate(&self) {
        let done = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > deadline => panic!("the program does not end"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn plan(tools: &[&str]) -> Value {
    let steps: Vec<Value> = tools
        .iter()
        .map(|name| {
            let (server, action) = name.split_once("__").unwrap();
            json!({ "action": action, "tool": action, "mcp": server, "params": {}, "description": "d" })
        })
        .collect();
    json!({ "goal": "agent task", "steps": steps })
}

pub fn mint_body(tools: &[&str]) -> Value {
    json!({
        "user_id": "alice@example.com",
        "agent_id": "sales-bot",
        "context_id": "default",
        "plan": plan(tools),
        "policy": null,
        "expires_in": 60,
        "user_email": "alice@example.com",
    })
}

pub fn enforce_body(token: &Value, tool: &str, arguments: Value) -> Value {
    let (server, action) = tool.split_once("__").unwrap();
    json!({
        "mcp": server,
        "tool": action,
        "wireName": tool,
        "mcpServer": server,
        "arguments": arguments,
        "intent_token": { "jwt_token": token["jwt_token"], "plan_id": token["plan_id"] },
        "policy_snapshot": null,
        "session_id": "11111111-1111-4111-8111-111111111111",
        "user_email": null,
        "agent_id": null,
    })
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text);
        json::parse(&self.text).unwrap()
    }

    /// Status and one text of the answer's JSON.
    pub fn said(&self, member: &str) -> (u16, String) {
        (self.status, self.json()[member].as_str().unwrap_or_default().to_owned())
    }
}

/// One request on a connection of its own.
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(raw_request(address, method, path, headers, body).as_bytes()).unwrap();
    read_answer(stream)
}

/// The request as it goes over the wire. A `host` among the headers takes the place of the address.
pub fn raw_request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str(&format!("host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{body}")
}

pub fn read_answer(mut stream: TcpStream) -> Answer {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let answer = Answer { status, headers, text: body.to_owned() };
    if let Some(length) = answer.header("content-length") {
        assert_eq!(length, answer.text.len().to_string(), "the answer was cut");
    }
    answer
}
