//! The program: its start, its messages, its end.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{KEY, PROGRAM, Server, demo, mint_body, raw_request, read_answer, run, temporary};
use serde_json::json;

fn stderr_of(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"", "nothing is announced");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn init_writes_a_file_and_overwrites_none() {
    let file = temporary("init.yaml");
    let path = file.display().to_string();
    assert!(run(&["init", &path]).status.success());
    std::fs::write(&file, "mine").unwrap();
    let output = run(&["init", &path]);
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("is there already: --force overwrites it"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert!(run(&["init", &path, "--force"]).status.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), demo());
}

#[test]
fn without_a_file_it_serves_the_demo_and_with_one_the_file() {
    let directory = temporary("directory");
    std::fs::create_dir(&directory).unwrap();
    let status = || {
        let mut child = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0"])
            .current_dir(&directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = [0; 64];
        let read = child.stdout.take().unwrap().read(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        read > 0
    };
    assert!(status());
    std::fs::write(directory.join("armoriq-local.yaml"), "nonsense: 1").unwrap();
    assert!(!status());
}

#[test]
fn a_bad_file_is_refused_with_its_line() {
    let file = temporary("bad.yaml");
    std::fs::write(&file, "api_keys: [ak_test_x]\nagents:\n  - id: a\n    polcy: {}\n").unwrap();
    let path = file.display().to_string();
    let expected =
        format!("armoriq-local: {path}:4:5: unknown field `polcy`, expected one of id, name, inactive, policy\n");
    assert_eq!(stderr_of(&["--config", &path, "--listen", "127.0.0.1:0"]), expected);
    assert!(stderr_of(&["--config", "/nowhere.yaml"]).contains("/nowhere.yaml: cannot be read"));
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let stderr = stderr_of(&["--listen", "127.0.0.1:0", "--proxy", &address]);
    assert!(stderr.contains(&format!("cannot listen on {address} (proxy)")), "{stderr}");
    assert!(stderr.contains("is another armoriq-local running?"), "{stderr}");
}

#[test]
fn other_machines_are_kept_out() {
    let stderr = stderr_of(&["--listen", "0.0.0.0:0"]);
    assert!(stderr.contains("other machines could reach 0.0.0.0:0"), "{stderr}");
}

#[test]
fn one_line_says_where_it_listens() {
    let mut child = Command::new(PROGRAM)
        .args(["--listen", "127.0.0.1:0"])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let done = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(done.success());
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(stdout.lines().count(), 1);
    let ready = armoriq::json::parse(&stdout).unwrap();
    assert_eq!(ready.as_object().unwrap().keys().collect::<Vec<_>>(), ["backend", "proxy", "iap"]);
}

#[test]
fn it_ends_when_told_and_finishes_what_it_began() {
    let mut server = Server::demo();
    let body = mint_body(&["data-mcp__fetch_sales"]).to_string();
    let request = raw_request(server.backend, "POST", "/iap/sdk/token", &[("x-api-key", KEY)], &body);
    let (begun, rest) = request.split_at(request.len() - 10);
    let mut slow = TcpStream::connect(server.backend).unwrap();
    slow.write_all(begun.as_bytes()).unwrap();
    let mut idle = TcpStream::connect(server.backend).unwrap();
    idle.write_all(raw_request(server.backend, "GET", "/health", &[], "").replace("close", "keep-alive").as_bytes())
        .unwrap();
    let mut some = [0; 16];
    idle.read_exact(&mut some).unwrap();
    // The request is being read by now: its head arrived before the whole request on the other connection.
    server.terminate();
    std::thread::sleep(Duration::from_millis(300));
    assert!(TcpStream::connect(server.backend).is_err(), "nobody new is let in");
    slow.write_all(rest.as_bytes()).unwrap();
    assert_eq!(read_answer(slow).status, 201);
    assert!(server.wait().success());
}

#[test]
fn under_load_every_request_is_answered_or_never_let_in() {
    let mut server = Server::demo();
    let address = server.backend;
    let request = raw_request(address, "GET", "/health", &[], "");
    let answered = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = 0;
                    while let Ok(mut stream) = TcpStream::connect(address) {
                        stream.write_all(request.as_bytes()).unwrap();
                        assert_eq!(read_answer(stream).status, 200);
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(200));
        server.terminate();
        clients.into_iter().map(|client| client.join().unwrap()).sum::<u32>()
    });
    assert!(answered > 0);
    assert!(server.wait().success());
}

#[test]
fn a_new_start_has_a_new_key_unless_the_key_is_given() {
    let enforce = |config: &str| {
        let token = Server::start(config).mint(&["data-mcp__fetch_sales"]);
        Server::start(config).enforce(&token, "data-mcp__fetch_sales", json!({})).said("reason")
    };
    assert_eq!(enforce(&demo()), (401, "token-signature-invalid".into()));
    let fixed = format!("{}signing_key: {}\n", demo(), "07".repeat(32));
    assert_eq!(enforce(&fixed), (401, "token-claims-invalid".into()), "signed with the key, but plans are not kept");
}

#[test]
fn the_log_has_a_line_for_a_request_and_no_secrets() {
    let log = temporary("log");
    let file = temporary("config.yaml");
    std::fs::write(&file, demo()).unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["--config", &file.display().to_string(), "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut ready = [0; 256];
    let read = child.stdout.as_mut().unwrap().read(&mut ready).unwrap();
    let ready = armoriq::json::parse(std::str::from_utf8(&ready[..read]).unwrap()).unwrap();
    let backend = ready["backend"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let headers = [("x-api-key", KEY), ("x-user-email", "alice@example.com")];
    common::request(backend, "GET", "/delegation/check-approved?tool=secret-tool&amount=1", &headers, "");
    common::request(backend, "GET", "/health", &[("x-api-key", "ak_test_wrong")], "");
    child.kill().unwrap();
    child.wait().unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("INFO GET /delegation/check-approved 200 "), "{log}");
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(!log.contains("ak_test") && !log.contains("secret-tool"), "{log}");
}
