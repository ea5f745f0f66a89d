//! A connection, and the exchange on it.
//!
//! They are one task, in which each goes on as soon as the other is done. As two, the one that has an answer would wake the
//! other by way of the runtime, which looks at its sockets once more before it does so.

use super::connector::Stream;
use futures_util::task::AtomicWaker;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::client::legacy::connect::Connection as _;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// An answer whose body has not been read.
pub(super) type Answer = Response<Incoming>;

type Message = Request<Full<Bytes>>;

/// One that takes requests, one after the other. It goes on while there is an exchange on it, and no longer.
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: Driver,
    /// Whether there is a proxy that reads what goes over it.
    pub is_proxied: bool,
}

impl Connection {
    pub async fn begin(stream: Stream) -> hyper::Result<Self> {
        let is_proxied = stream.connected().is_proxied();
        let (requests, connection) = http1::handshake(stream).await?;
        Ok(Self { requests, driver: Driver::new(connection), is_proxied })
    }

    /// Sends a request, and reads the answer.
    pub async fn exchange<F: Future>(
        &mut self,
        message: Message,
        read: impl FnOnce(Answer) -> F,
    ) -> hyper::Result<F::Output> {
        let Self { requests, driver, .. } = self;
        driver.run(pin!(async { Ok(read(requests.send_request(message).await?).await) })).await
    }

    /// Whether it takes a request now. Not where the other side has closed it, as far as the runtime has seen, nor while
    /// an answer has not been read to its end.
    pub fn is_ready(&mut self) -> bool {
        self.driver.catch_up();
        self.requests.is_ready()
    }
}

/// Drives a connection.
struct Driver {
    /// `None` once it has ended.
    connection: Option<Box<http1::Connection<Stream, Full<Bytes>>>>,
    turns: Arc<Turns>,
    wakes_connection: Waker,
    wakes_exchange: Waker,
}

impl Driver {
    fn new(connection: http1::Connection<Stream, Full<Bytes>>) -> Self {
        let turns = Arc::new(Turns { due: AtomicU8::new(CONNECTION), task: AtomicWaker::new() });
        let waker = |part| Waker::from(Arc::new(Wakes { turns: Arc::clone(&turns), part }));
        let (wakes_connection, wakes_exchange) = (waker(CONNECTION), waker(EXCHANGE));
        Self { connection: Some(Box::new(connection)), turns, wakes_connection, wakes_exchange }
    }

    /// Drives the connection until the exchange has ended.
    async fn run<F: Future>(&mut self, mut exchange: Pin<&mut F>) -> F::Output {
        self.turns.begin();
        poll_fn(|context| self.poll(exchange.as_mut(), context)).await
    }

    fn poll<F: Future>(&mut self, mut exchange: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.turns.resume(context.waker());
        loop {
            if self.turns.take(CONNECTION) {
                self.go_on();
            } else if self.turns.take(EXCHANGE) {
                let output = exchange.as_mut().poll(&mut Context::from_waker(&self.wakes_exchange));
                if output.is_ready() {
                    self.turns.end();
                    return output;
                }
            } else if self.turns.pause() {
                return Poll::Pending;
            }
        }
    }

    /// Drives the connection as far as it goes at once.
    fn catch_up(&mut self) {
        while self.turns.take(CONNECTION) {
            self.go_on();
        }
    }

    fn go_on(&mut self) {
        let mut context = Context::from_waker(&self.wakes_connection);
        // Why it ended is what the exchange ends with.
        self.connection.take_if(|connection| Pin::new(connection).poll(&mut context).is_ready());
    }
}

const CONNECTION: u8 = 1;
const EXCHANGE: u8 = 2;
const RUNNING: u8 = 4;

/// Who can go on.
struct Turns {
    /// [`CONNECTION`] and [`EXCHANGE`] where these can, and [`RUNNING`] while they are looked at anyway.
    due: AtomicU8,
    /// Wakes whoever waits for the exchange.
    task: AtomicWaker,
}

impl Turns {
    fn begin(&self) {
        self.due.fetch_or(EXCHANGE, Ordering::AcqRel);
    }

    fn resume(&self, task: &Waker) {
        self.task.register(task);
        self.due.fetch_or(RUNNING, Ordering::AcqRel);
    }

    /// Whether it is this one's turn, which is over with that.
    fn take(&self, part: u8) -> bool {
        self.due.load(Ordering::Acquire) & part != 0 && self.due.fetch_and(!part, Ordering::AcqRel) & part != 0
    }

    /// Waits to be woken, unless that has happened.
    fn pause(&self) -> bool {
        self.due.compare_exchange(RUNNING, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn end(&self) {
        self.task.take();
        self.due.fetch_and(!(EXCHANGE | RUNNING), Ordering::AcqRel);
    }

    fn wake(&self, part: u8) {
        // Otherwise whoever waits runs, or has been woken.
        if self.due.fetch_or(part, Ordering::AcqRel) == 0 {
            self.task.wake();
        }
    }
}

struct Wakes {
    turns: Arc<Turns>,
    part: u8,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.turns.wake(self.part);
    }
}

#[cfg(test)]
mod tests {
    use super::super::connector::Link;
    use super::super::stream::QuietStream;
    use super::*;
    use http_body_util::BodyExt;
    use hyper_rustls::MaybeHttpsStream;
    use hyper_util::rt::TokioIo;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::AtomicUsize;
    use std::thread;
    use tokio::runtime::Builder;

    /// A connection to a server that answers requests with these texts, one for each, until `then`.
    fn with_server(answers: &[&'static str], then: fn(TcpStream), run: impl AsyncFnOnce(&mut Connection)) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers = answers.to_vec();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            for answer in answers {
                let (mut request, mut more) = (Vec::new(), [0; 1024]);
                while !request.ends_with(b"\r\n\r\n") {
                    let length = socket.read(&mut more).unwrap();
                    request.extend_from_slice(&more[..length]);
                }
                socket.write_all(answer.as_bytes()).unwrap();
            }
            then(socket);
        });
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let socket = tokio::net::TcpStream::connect(address).await.unwrap();
            let stream = MaybeHttpsStream::Http(Link::Straight(QuietStream(TokioIo::new(socket))));
            let mut connection = Connection::begin(stream).await.unwrap();
            run(&mut connection).await;
        });
        server.join().unwrap();
    }

    fn stay_open(mut socket: TcpStream) {
        drop(socket.read(&mut [0]));
    }

    async fn body(answer: Answer) -> Bytes {
        answer.into_body().collect().await.unwrap().to_bytes()
    }

    #[test]
    fn takes_the_next_request_where_the_answer_was_read() {
        let answers = ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 204 No Content\r\n\r\n"];
        with_server(&answers, stay_open, async |connection| {
            for expected in ["hi", ""] {
                assert_eq!(connection.exchange(Message::default(), body).await.unwrap(), expected);
                assert!(connection.is_ready(), "{expected}");
            }
        });
    }

    #[test]
    fn takes_no_request_where_the_answer_was_left() {
        let answers = ["HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nhi"];
        with_server(&answers, stay_open, async |connection| {
            connection.exchange(Message::default(), async |_| ()).await.unwrap();
            assert!(!connection.is_ready());
        });
    }

    #[test]
    fn takes_no_request_where_the_other_side_closes() {
        for answer in [
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        ] {
            with_server(&[answer], drop, async |connection| {
                assert_eq!(connection.exchange(Message::default(), body).await.unwrap(), "hi");
                // The runtime has to learn of it.
                while connection.is_ready() {
                    tokio::task::yield_now().await;
                }
                assert!(connection.exchange(Message::default(), body).await.is_err());
            });
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        with_server(&["HTTP/1.1 200 OK\r\n"], drop, async |connection| {
            assert!(connection.exchange(Message::default(), body).await.is_err());
            assert!(!connection.is_ready());
        });
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_waits_is_woken_once_and_not_while_it_runs() {
        let turns = Turns { due: AtomicU8::new(0), task: AtomicWaker::new() };
        let task = Arc::new(Count::default());
        let woken = || task.0.load(Ordering::Relaxed);
        turns.begin();
        turns.resume(&Waker::from(Arc::clone(&task)));
        assert!(turns.take(EXCHANGE) && !turns.take(EXCHANGE) && !turns.take(CONNECTION));
        turns.wake(CONNECTION);
        assert!(!turns.pause(), "it would wait for what has happened");
        assert!(turns.take(CONNECTION) && turns.pause());
        assert_eq!(woken(), 0);
        turns.wake(EXCHANGE);
        turns.wake(CONNECTION);
        assert_eq!(woken(), 1);
        turns.resume(&Waker::from(Arc::clone(&task)));
        turns.end();
        assert!(turns.take(CONNECTION) && !turns.take(EXCHANGE));
        turns.wake(CONNECTION);
        assert_eq!((woken(), Arc::strong_count(&task)), (1, 1));
    }

    #[test]
    fn nothing_is_missed_that_wakes_from_another_thread() {
        const WAKES: usize = 10_000;
        let turns = Arc::new(Turns { due: AtomicU8::new(0), task: AtomicWaker::new() });
        let (seen, stop) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                for wake in 1..=WAKES {
                    stop.store(wake, Ordering::Release);
                    turns.wake(EXCHANGE);
                    while seen.load(Ordering::Acquire) < wake {
                        thread::yield_now();
                    }
                }
            });
            Builder::new_current_thread().build().unwrap().block_on(poll_fn(|context| {
                turns.resume(context.waker());
                loop {
                    if turns.take(EXCHANGE) {
                        seen.store(stop.load(Ordering::Acquire), Ordering::Release);
                    } else if seen.load(Ordering::Relaxed) == WAKES {
                        return Poll::Ready(());
                    } else if turns.pause() {
                        return Poll::Pending;
                    }
                }
            }));
        });
    }
}
