//! A stub control plane on loopback: three HTTP/1.1 addresses that play a step's canned answers and record what
//! was asked. Every connection is served by a thread of its own, with keep-alive, as a real service would.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Instant,
};

use serde::Serialize;
use serde_json::{Serializer, Value, ser::Formatter};

use super::scenario::{Exchange, Host, Response};

const BUNDLE_PATH: &str = "/policy/bundles/current";

pub struct Stub {
    pub backend: SocketAddr,
    pub proxy: SocketAddr,
    pub iap: SocketAddr,
    play: Arc<Mutex<Play>>,
}

/// A request as it came over the wire.
pub struct Seen {
    pub host: Host,
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub arrived: Instant,
    pub answered: Instant,
    /// Which of the step's exchanges answered it; none when the step has no such exchange left.
    pub exchange: Option<usize>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Play {
    script: Vec<(Exchange, bool)>,
    seen: Vec<Seen>,
    last_bundle: Option<Response>,
}

impl Play {
    /// The answer to a request: that of the first exchange of this address, method and path that is still to be
    /// played. A refresh of the bundle may come at any time; it gets the last bundle answer again.
    fn answer(&mut self, seen: &Seen) -> (Option<usize>, Option<Response>) {
        let next = self.script.iter().position(|(exchange, played)| {
            let request = &exchange.request;
            !played && request.host == seen.host && request.method == seen.method && request.path == seen.path
        });
        if let Some(index) = next {
            let (exchange, played) = &mut self.script[index];
            *played = true;
            let response = exchange.response.clone();
            if seen.path == BUNDLE_PATH {
                self.last_bundle = Some(response.clone());
            }
            return (Some(index), Some(response));
        }
        match &self.last_bundle {
            Some(bundle) if seen.path == BUNDLE_PATH => (None, Some(bundle.clone())),
            _ => (None, None),
        }
    }
}

impl Stub {
    pub fn start() -> Self {
        let play = Arc::new(Mutex::new(Play::default()));
        let address = |host| listen(host, Arc::clone(&play));
        Self { backend: address(Host::Backend), proxy: address(Host::Proxy), iap: address(Host::Iap), play }
    }

    /// Sets the answers of the next step.
    pub fn load(&self, exchanges: &[Exchange]) {
        lock(&self.play).script = exchanges.iter().map(|exchange| (exchange.clone(), false)).collect();
    }

    /// What was asked since this was last called, refreshes of the bundle in the background left out.
    pub fn take_seen(&self) -> Vec<Seen> {
        let seen = std::mem::take(&mut lock(&self.play).seen);
        seen.into_iter().filter(|request| request.exchange.is_some() || request.path != BUNDLE_PATH).collect()
    }
}

fn lock(play: &Mutex<Play>) -> MutexGuard<'_, Play> {
    play.lock().expect("a stub thread panicked")
}

fn listen(host: Host, play: Arc<Mutex<Play>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let play = Arc::clone(&play);
            // The client is free to go away; what it did not ask shows in the comparison.
            thread::spawn(move || serve(host, &connection, &play));
        }
    });
    address
}

fn serve(host: Host, mut connection: &TcpStream, play: &Mutex<Play>) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    while let Some(mut seen) = read_request(host, &mut reader)? {
        let mut play = lock(play);
        let (exchange, response) = play.answer(&seen);
        seen.exchange = exchange;
        let bytes = match response {
            Some(response) if response.drop => None,
            Some(response) => Some(encode(&response)),
            None => Some(encode(&Response {
                status: Some(501),
                text: Some("the scenario has no answer to this request".to_owned()),
                ..Response::default()
            })),
        };
        seen.answered = Instant::now();
        play.seen.push(seen);
        drop(play);
        match bytes {
            Some(bytes) => connection.write_all(&bytes)?,
            None => return connection.shutdown(std::net::Shutdown::Both),
        }
    }
    Ok(())
}

fn read_request(host: Host, reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let arrived = Instant::now();
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let headers = read_headers(reader)?;
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let body = match (header("transfer-encoding"), header("content-length")) {
        (Some(_), _) => read_chunks(reader)?,
        (None, Some(length)) => read_exactly(reader, length.parse().map_err(io::Error::other)?)?,
        (None, None) => Vec::new(),
    };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let path = path.to_owned();
    Ok(Some(Seen { host, method, path, query, headers, body, arrived, answered: arrived, exchange: None }))
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(headers) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        body.extend(read_exactly(reader, size)?);
        reader.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_exactly(reader: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn encode(response: &Response) -> Vec<u8> {
    let (kind, body) = match (&response.json, &response.text) {
        (Some(json), _) => ("application/json", python_json(json)),
        (None, Some(text)) => ("text/plain", text.clone()),
        (None, None) => ("text/plain", String::new()),
    };
    let status = response.status.unwrap_or(200);
    let mut head = format!("HTTP/1.1 {status} Canned\r\n");
    if !response.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        head += &format!("Content-Type: {kind}\r\n");
    }
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    // A 304 has no body, and no length of one.
    if status == 304 {
        return (head + "\r\n").into_bytes();
    }
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// JSON as Python's `repr` shows it, as far as the recordings need it.
pub fn python_repr(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("'{name}': {}", python_repr(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => format!("'{text}'"),
        other => python_json(other),
    }
}

/// JSON as Python's `json.dumps` writes it: messages quote the service's text.
pub fn python_json(value: &Value) -> String {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, PythonFormatter)).expect("a JSON value serialises");
    String::from_utf8(bytes).expect("the formatter writes ASCII")
}

struct PythonFormatter;

impl PythonFormatter {
    fn separate<W: ?Sized + Write>(writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
}

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        Self::separate(writer, first)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        Self::separate(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for unit in fragment.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => writer.write_all(&[byte])?,
                _ => write!(writer, "\\u{unit:04x}")?,
            }
        }
        Ok(())
    }
}

mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(path: &str, response: Value) -> Exchange {
        serde_json::from_value(json!({
            "request": {"host": "backend", "method": "POST", "path": path, "query": [], "headers": {}},
            "response": response,
        }))
        .expect("an exchange")
    }

    fn ask(connection: &mut TcpStream, request: &str) -> String {
        connection.write_all(request.as_bytes()).expect("the stub listens");
        let mut reader = BufReader::new(connection);
        let mut text = String::new();
        while reader.read_line(&mut text).expect("an answer") > 2 {}
        let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let body = read_exactly(&mut reader, length.map_or(0, |n| n.parse().expect("a length"))).expect("a body");
        text + &String::from_utf8(body).expect("UTF-8")
    }

    #[test]
    fn stub_plays_by_path_and_records_on_one_connection() {
        let stub = Stub::start();
        stub.load(&[
            exchange("/b", json!({"status": 503, "headers": {"Retry-After": "7"}, "json": {"é": [1, 2.5]}})),
            exchange("/a", json!({"text": "hello"})),
        ]);
        let mut connection = TcpStream::connect(stub.backend).expect("the stub listens");
        let a = ask(&mut connection, "POST /a?x=1%202&y=+ HTTP/1.1\r\nX-Key:  v\r\nContent-Length: 2\r\n\r\n{}");
        let b = ask(&mut connection, "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert!(a.starts_with("HTTP/1.1 200 ") && a.ends_with("\r\n\r\nhello"), "{a}");
        assert!(b.starts_with("HTTP/1.1 503 ") && b.contains("Retry-After: 7\r\n"), "{b}");
        assert!(b.ends_with(r#"{"\u00e9": [1, 2.5]}"#), "{b}");

        let seen = stub.take_seen();
        assert_eq!(seen.iter().map(|request| request.exchange).collect::<Vec<_>>(), [Some(1), Some(0)]);
        assert_eq!(seen[0].query, [("x".to_owned(), "1 2".to_owned()), ("y".to_owned(), " ".to_owned())]);
        assert_eq!(seen[0].header("x-key"), Some("v"));
        assert_eq!((seen[0].body.as_slice(), seen[1].body.as_slice()), (&b"{}"[..], &b"abc"[..]));
    }

    #[test]
    fn stub_says_what_it_has_no_answer_to_and_drops() {
        let stub = Stub::start();
        stub.load(&[exchange("/a", json!({"drop": true}))]);
        let mut connection = TcpStream::connect(stub.backend).expect("the stub listens");
        assert!(ask(&mut connection, "GET /a HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 501 "));
        connection.write_all(b"POST /a HTTP/1.1\r\n\r\n").expect("still open");
        assert_eq!(connection.read_to_end(&mut Vec::new()).expect("closed cleanly"), 0);
        let seen = stub.take_seen();
        assert_eq!(seen.iter().map(|request| request.exchange).collect::<Vec<_>>(), [None, Some(0)]);
    }

    #[test]
    fn stub_repeats_its_last_bundle_and_leaves_it_out() {
        let stub = Stub::start();
        let mut bundle = exchange(BUNDLE_PATH, json!({"json": {"agents": []}}));
        bundle.request.method = "GET".to_owned();
        stub.load(&[bundle]);
        let mut connection = TcpStream::connect(stub.backend).expect("the stub listens");
        for _ in 0..2 {
            let answer = ask(&mut connection, &format!("GET {BUNDLE_PATH}?agent=a HTTP/1.1\r\n\r\n"));
            assert!(answer.ends_with(r#"{"agents": []}"#), "{answer}");
        }
        assert_eq!(stub.take_seen().len(), 1);
    }
}
