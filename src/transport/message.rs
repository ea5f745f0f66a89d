use super::address::{Addresses, Destination, shown};
use super::error::{TransportError, TransportErrorKind};
use super::http1::Answer;
use crate::error::CONCEALED;
use crate::json::{self, ParseError, Value};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use memchr::{memchr_iter, memmem};
use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The largest answer that is read, in bytes.
pub const MAX_BODY_BYTES: usize = json::MAX_BYTES;

/// The largest body that is not packed where others are, in bytes.
const MAX_UNPACKED_BYTES: usize = 8192;
/// How much of a secret is looked for at first.
const BEGINNING: usize = 16;

/// A request. What is wrong with its address or its headers shows when it is sent.
pub struct Request {
    pub(super) method: Method,
    url: String,
    /// Of two with the same name the later one holds.
    headers: Vec<(HeaderName, HeaderValue)>,
    invalid_header: Option<String>,
    body: Option<Bytes>,
    pub(super) options: SendOptions,
}

/// How a request is sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SendOptions {
    pub timeout: Option<Duration>,
    pub retry: bool,
    pub watch: Option<Watch>,
    pub most_bytes: Option<usize>,
}

/// Tells from what has come of a body, each time some more did, whether no more is needed.
pub type Enough = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// Looks at the head of an answer, for one whose body may be left before its end.
pub type Watch = fn(&HeaderMap) -> Option<Enough>;

impl Request {
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::with_capacity(4),
            invalid_header: None,
            body: None,
            options: SendOptions::default(),
        }
    }

    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// A POST of a JSON text.
    pub fn post(url: impl Into<String>, json: impl Into<String>) -> Self {
        Self::new(Method::POST, url).json(json)
    }

    /// The JSON text to send.
    pub fn json(mut self, json: impl Into<String>) -> Self {
        self.body = Some(json.into().into());
        self.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        self
    }

    /// Packs the body with gzip, where it is large.
    pub fn packed(mut self) -> Self {
        let large = self.body.as_ref().filter(|body| body.len() > MAX_UNPACKED_BYTES);
        if let Some(packed) = large.and_then(|body| packed(body).ok()) {
            self.body = Some(packed.into());
            self.headers.push((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        }
        self
    }

    /// Sets a header. Its value is never shown.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(header), Ok(mut value)) => {
                value.set_sensitive(true);
                self.headers.push((header, value));
            }
            _ => self.invalid_header = Some(name.to_owned()),
        }
        self
    }

    /// Sets a header where there is a value for it.
    pub fn optional_header(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// The longest that one attempt may take; the transport's own bound holds where it is shorter.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Whether the request may be sent more than once.
    pub fn retry(mut self, retry: bool) -> Self {
        self.options.retry = retry;
        self
    }

    /// The largest answer that is read, in bytes; [`MAX_BODY_BYTES`] holds where it is smaller.
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.options.most_bytes = Some(bytes);
        self
    }

    /// Ends an answer early: a stream may go on after all that was asked for.
    pub fn until(mut self, watch: Watch) -> Self {
        self.options.watch = Some(watch);
        self
    }

    /// Where the request goes, if it can be sent.
    pub(super) fn destination(&self, addresses: &Addresses) -> Result<Arc<Destination>, TransportError> {
        if let Some(name) = &self.invalid_header {
            let message = format!("the value of the header '{name}' has characters that HTTP cannot carry");
            return Err(TransportError::new(TransportErrorKind::Request, message));
        }
        addresses.parse(&self.url)
    }

    /// The request as a server is sent it, once.
    pub(super) fn to(&self, to: &Destination, user_agent: &HeaderValue) -> hyper::Request<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 3);
        headers.insert(HOST, to.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, user_agent.clone());
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let mut request = hyper::Request::new(Full::new(self.body.clone().unwrap_or_default()));
        (*request.method_mut(), *request.uri_mut()) = (self.method.clone(), to.path.clone());
        *request.headers_mut() = headers;
        request
    }
}

/// Shows where a request goes, and neither its headers nor its body.
impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = Url::parse(&self.url).map_or_else(|_| String::from("not a URL"), |url| shown(&url));
        formatter.debug_struct("Request").field("method", &self.method).field("url", &url).finish_non_exhaustive()
    }
}

fn packed(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}

/// An answer, read to its end.
#[derive(Clone)]
pub struct Response {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Response {
    #[cfg(feature = "fuzzing")]
    pub fn new(status: u16, headers: HeaderMap, body: Vec<u8>) -> Self {
        Self { status, headers, body }
    }

    #[cfg(test)]
    pub(super) fn with_header(status: u16, name: &'static str, value: &str) -> Self {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())]);
        Self { status, headers, body: Vec::new() }
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The header's first value, or `None` where it is absent or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the service says that the intent token was revoked.
    pub fn says_revoked(&self) -> bool {
        self.status == 401 && self.header("x-armoriq-revoked").is_some_and(|said| said.eq_ignore_ascii_case("true"))
    }

    /// Takes a secret out of the body, wherever the service repeated it.
    pub fn conceal(&mut self, secret: &str) {
        if !may_hold(&self.body, secret.as_bytes()) {
            return;
        }
        let finder = memmem::Finder::new(secret);
        let mut concealed = Vec::with_capacity(self.body.len());
        let mut rest = self.body.as_slice();
        while let Some((before, found)) = finder.find(rest).and_then(|at| rest.split_at_checked(at)) {
            concealed.extend_from_slice(before);
            concealed.extend_from_slice(CONCEALED.as_bytes());
            rest = found.get(secret.len()..).unwrap_or_default();
        }
        concealed.extend_from_slice(rest);
        self.body = concealed;
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as JSON, read strictly.
    ///
    /// # Errors
    ///
    /// [`ParseError`] for anything else.
    pub fn json(&self) -> Result<Value, ParseError> {
        json::parse_bytes(&self.body)
    }
}

/// Whether the beginning of a secret is there. A search that is prepared costs more than reading a small body. What is
/// looked for is one byte of it that JSON has not in every word.
fn may_hold(body: &[u8], secret: &[u8]) -> bool {
    let beginning = secret.get(..BEGINNING).unwrap_or(secret);
    let place = beginning.iter().position(|byte| !byte.is_ascii_lowercase()).unwrap_or(0);
    let Some(rare) = beginning.get(place) else { return false };
    let begins = |at| body.get(at..).is_some_and(|rest| rest.starts_with(beginning));
    memchr_iter(*rare, body).any(|at| at.checked_sub(place).is_some_and(begins))
}

/// Shows the status and the size: a body may carry tokens.
impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers: _, body } = self;
        formatter.debug_struct("Response").field("status", status).field("bytes", &body.len()).finish_non_exhaustive()
    }
}

/// Reads an answer to its end, to where no more of it is needed, or to the point where it is too large.
pub(super) async fn read(url: &Url, answer: Answer, options: &SendOptions) -> Result<Response, TransportError> {
    let (head, mut rest) = answer.into_parts();
    let (status, headers) = (head.status.as_u16(), head.headers);
    let most = options.most_bytes.unwrap_or(MAX_BODY_BYTES).min(MAX_BODY_BYTES);
    let mut is_enough = options.watch.and_then(|watch| watch(&headers));
    let mut body = Vec::new();
    while let Some(frame) = rest.frame().await {
        let frame = frame.map_err(|error| TransportError::broken_off(url, &error))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if chunk.len() > most.saturating_sub(body.len()) {
            let message = format!("the answer of {} is larger than {} MiB", shown(url), most >> 20);
            return Err(TransportError::new(TransportErrorKind::TooLarge, message));
        }
        body.extend_from_slice(&chunk);
        if is_enough.as_mut().is_some_and(|is_enough| is_enough(&body)) {
            break;
        }
    }
    Ok(Response { status, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concealed(body: &str, secret: &str) -> String {
        let mut response = Response { body: body.into(), ..Response::with_header(200, "x", "") };
        response.conceal(secret);
        response.text().into_owned()
    }

    #[test]
    fn a_secret_is_concealed_wherever_it_stands() {
        for secret in
            ["ak_live_0123456789abcdef", "eyJhbGciOiJFZERTQSJ9.e30.c2ln", "onlylowercaseletters", "_", "zz9", "é"]
        {
            let almost: String = secret.chars().skip(1).collect();
            for (before, between, after) in [("", "", ""), ("{\"a\":\"", "_", "\"}"), (&*almost, " ", &*almost)] {
                let body = format!("{before}{secret}{between}{secret}{after}");
                assert_eq!(concealed(&body, secret), body.replace(secret, "[redacted]"), "{secret} in {body}");
            }
            assert_eq!(concealed(&almost, secret), almost);
        }
        assert_eq!(concealed("text", ""), "text");
    }
}
