//! A small HTTP/1.1 server over real sockets that does to a client what networks do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
pub enum Reply {
    /// Answers and keeps the connection.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
    /// Sends a head and then this many bytes in chunks.
    Chunks(usize),
    /// Sends these bytes one by one, waits, and closes.
    Trickle(Vec<u8>, Duration),
    /// Waits, then closes.
    Silence(Duration),
    /// Closes without an answer.
    Drop,
}

impl Reply {
    pub fn json(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: vec![("Content-Type", "application/json".into())], body: body.into() }
    }

    pub fn with(status: u16, name: &'static str, value: impl Into<String>) -> Self {
        Self::Answer { status, headers: vec![(name, value.into())], body: Vec::new() }
    }
}

pub trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

type Accept = dyn Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync;
type Handler = dyn Fn(usize, &Received) -> Reply + Send + Sync;

pub struct Server {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<Mutex<usize>>,
}

impl Server {
    /// Serves with `handler`, which is told the request's number, from 0.
    pub fn start(handler: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_over(|stream| Some(Box::new(stream)), handler)
    }

    /// Serves over what `accept` makes of each connection.
    pub fn start_over(
        accept: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync + 'static,
        handler: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), received: Arc::default(), connections: Arc::default() };
        let (received, connections) = (Arc::clone(&server.received), Arc::clone(&server.connections));
        let (accept, handler): (Arc<Accept>, Arc<Handler>) = (Arc::new(accept), Arc::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                *connections.lock().unwrap() += 1;
                let (accept, handler, received) = (Arc::clone(&accept), Arc::clone(&handler), Arc::clone(&received));
                thread::spawn(move || accept(stream).map(|stream| serve(stream, &*handler, &received)));
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

fn serve(stream: Box<dyn Stream>, handler: &Handler, received: &Mutex<Vec<Received>>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let number = {
            let mut received = received.lock().unwrap();
            received.push(request.clone());
            received.len() - 1
        };
        if !reply(stream.get_mut(), handler(number, &request)) {
            return;
        }
    }
}

fn read(stream: &mut BufReader<Box<dyn Stream>>) -> Option<Received> {
    let line = read_line(stream)?;
    let mut headers = Vec::new();
    loop {
        let header = read_line(stream)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut received = Received { line, headers, body: String::new() };
    let length = received.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    received.body = String::from_utf8(body).unwrap();
    Some(received)
}

fn read_line(stream: &mut BufReader<Box<dyn Stream>>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end().to_owned()),
    }
}

/// Whether the connection stays open.
fn reply(stream: &mut Box<dyn Stream>, reply: Reply) -> bool {
    match reply {
        Reply::Answer { status, headers, body } => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
            // In one piece: the kernel would hold back a second one until the first is acknowledged.
            stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
            false
        }
        Reply::Chunks(total) => {
            let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
            let _ = stream.write_all(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n");
            let sent = (0..total / 0x10000).try_for_each(|_| stream.write_all(&chunk));
            let _ = sent.and_then(|()| stream.write_all(b"0\r\n\r\n"));
            false
        }
        Reply::Trickle(bytes, time) => {
            for byte in bytes {
                let _ = stream.write_all(&[byte]).and_then(|()| stream.flush());
            }
            thread::sleep(time);
            false
        }
        Reply::Silence(time) => {
            thread::sleep(time);
            false
        }
        Reply::Drop => false,
    }
}
