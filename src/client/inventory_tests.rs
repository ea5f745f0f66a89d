//! The push of the tool inventory, to a service that answers as it is told, on a clock that the test moves.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Client, Params};
use crate::config::{CheckOptions, ClientOptions, SessionOptions};
use crate::json;

const AGENT: &str = r#", "agent_id": "bot""#;

/// What came to `/iap/sdk/tools`, and the statuses that are still to be answered; 200 after that.
#[derive(Default)]
struct Tools {
    pushed: Vec<(Value, Instant)>,
    statuses: VecDeque<u16>,
    checked: Vec<Value>,
}

struct Service {
    address: String,
    tools: Arc<Mutex<Tools>>,
}

impl Service {
    fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let tools = Arc::new(Mutex::new(Tools { statuses: statuses.iter().copied().collect(), ..Tools::default() }));
        let shared = tools.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tools = shared.clone();
                std::thread::spawn(move || serve(stream, &tools));
            }
        });
        Self { address, tools }
    }

    fn client(&self, more: &str) -> Client {
        let options = format!(r#"{{"api_key": "ak_test_x", "backend_endpoint": "{}"{more}}}"#, self.address);
        Client::new(ClientOptions::from_json(&json::parse_object(&options).unwrap()).unwrap()).unwrap()
    }

    fn pushed(&self) -> Vec<(Value, Instant)> {
        self.tools.lock().unwrap().pushed.clone()
    }

    fn wait_for(&self, count: usize) {
        let start = Instant::now();
        while self.pushed().len() < count {
            assert!(start.elapsed() < Duration::from_secs(20), "{} pushes of {count}", self.pushed().len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn serve(mut stream: TcpStream, tools: &Mutex<Tools>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = head[start..].to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        if head.to_lowercase().contains("\r\ncontent-encoding: gzip\r\n") {
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked.len() > 8192 && body.len() < unpacked.len());
            body = unpacked;
        } else {
            assert!(body.len() <= 8192);
        }
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let (status, answer) = match head.split(' ').nth(1).unwrap() {
            "/iap/sdk/tools" => {
                let mut tools = tools.lock().unwrap();
                tools.pushed.push((body, Instant::now()));
                (tools.statuses.pop_front().unwrap_or(200), json!({ "message": "answered" }))
            }
            "/iap/sdk/enforce" => {
                tools.lock().unwrap().checked.push(body);
                (200, json!({ "allowed": true, "inventoryUnknown": true }))
            }
            "/iap/sdk/token" => (201, json!({ "success": true, "token": { "expires_at": 4102444800u64 } })),
            _ => (404, json!({})),
        };
        let answer = answer.to_string();
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn declare(client: &Client, tools: Value) -> Value {
    let params = json!({ "tools": tools }).to_string();
    client.run(client.declare_tools(Params::from_json(&params).unwrap())).unwrap()
}

/// Long enough for a push that would come at once.
fn a_moment() {
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn the_service_is_told_what_is_new_once_a_minute_at_the_most() {
    let service = Service::start(&[]);
    let client = service.client(AGENT);
    let first = declare(&client, json!(["a"]));
    assert_eq!((&first["push"], &first["tools"]), (&json!("scheduled"), &json!(1)));
    service.wait_for(1);
    a_moment();
    assert_eq!(declare(&client, json!(["a"]))["push"], "unchanged");
    client.pass(Duration::from_secs(61));
    let second = declare(&client, json!(["b"]));
    service.wait_for(2);
    // These wait for their turn, which does not come in this test.
    a_moment();
    assert_eq!(declare(&client, json!(["c"]))["push"], "scheduled");
    assert_eq!(declare(&client, json!(["d"]))["push"], "scheduled");
    a_moment();
    let pushed = service.pushed();
    assert_eq!(pushed.len(), 2);
    let names = |at: usize| pushed[at].0["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone());
    assert_eq!(names(1).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(pushed[1].0["snapshotHash"], second["snapshot_hash"]);
    assert_eq!((&pushed[0].0["agent"], &pushed[0].0["contract"]), (&json!("bot"), &json!(2)));
}

#[test]
fn a_large_inventory_is_packed() {
    let service = Service::start(&[]);
    let client = service.client(AGENT);
    let names: Vec<_> = (0..500).map(|number| format!("tool_{number}")).collect();
    let told = declare(&client, json!(names));
    service.wait_for(1);
    let pushed = &service.pushed()[0].0;
    assert_eq!(pushed["tools"].as_array().unwrap().len(), names.len());
    assert_eq!(pushed["snapshotHash"], told["snapshot_hash"]);
}

#[test]
fn a_push_that_fails_is_tried_again_after_a_second() {
    let service = Service::start(&[503]);
    let client = service.client(AGENT);
    declare(&client, json!(["a"]));
    // Said again while it is under way, which is no reason for a second push.
    assert_eq!(declare(&client, json!(["a"]))["push"], "scheduled");
    service.wait_for(2);
    let pushed = service.pushed();
    let wait = pushed[1].1 - pushed[0].1;
    assert!(wait > Duration::from_millis(950) && wait < Duration::from_secs(4), "{wait:?}");
    a_moment();
    assert_eq!(declare(&client, json!([]))["push"], "unchanged");
    assert!(!client.0.inventory.pusher.is_busy());
}

#[test]
fn a_push_that_is_refused_is_not_repeated_by_itself() {
    let service = Service::start(&[400]);
    let client = service.client(AGENT);
    declare(&client, json!(["a"]));
    service.wait_for(1);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(service.pushed().len(), 1);
    client.pass(Duration::from_secs(61));
    assert_eq!(declare(&client, json!([]))["push"], "scheduled");
    service.wait_for(2);
}

#[test]
fn a_check_says_which_inventory_it_belongs_to_and_repeats_one_that_was_lost() {
    let service = Service::start(&[]);
    let client = service.client(AGENT);
    let options = json::parse_object(r#"{"mode": "sdk"}"#).unwrap();
    let session = client.start_session(SessionOptions::from_json(&options).unwrap()).unwrap();
    session.start_plan(r#"[{"name": "s__a"}]"#, None).unwrap();
    let check = || session.check("s__a", "{}", &CheckOptions::default(), |decision| decision.verdict).unwrap();
    // Nothing is declared: there is nothing to repeat.
    check();
    a_moment();
    assert_eq!(service.pushed().len(), 0);
    let declared = declare(&client, json!(["a"]));
    service.wait_for(1);
    a_moment();
    client.pass(Duration::from_secs(61));
    check();
    service.wait_for(2);
    assert_eq!(service.pushed()[0].0, service.pushed()[1].0);
    let checked = service.tools.lock().unwrap().checked.clone();
    assert!(checked[0]["toolsSnapshotHash"].as_str().unwrap().ends_with("b855"), "{}", checked[0]);
    assert_eq!(checked[1]["toolsSnapshotHash"], declared["snapshot_hash"]);
}

#[test]
fn closing_waits_for_a_push() {
    let service = Service::start(&[]);
    let client = service.client(AGENT);
    declare(&client, json!(["a"]));
    assert_eq!(client.close(Duration::from_secs(10)), json!({ "pending": 0 }));
    assert_eq!(service.pushed().len(), 1);
}

#[test]
fn without_an_agent_there_is_nothing_to_push() {
    let service = Service::start(&[]);
    let client = service.client("");
    assert_eq!(declare(&client, json!(["a"]))["push"], "nothing");
    assert_eq!(declare(&service.client(AGENT), json!([]))["push"], "nothing");
    a_moment();
    assert_eq!(service.pushed().len(), 0);
}
