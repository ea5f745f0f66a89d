use super::error::{TransportError, TransportErrorKind};
use crate::error::{Error, Result};
use arc_swap::ArcSwap;
use hyper::header::{HeaderValue, LOCATION};
use hyper::http;
use hyper::{Method, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use url::{Position, Url};

/// All that RFC 3986 does not call unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as one segment of a URL path.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for the empty name and for `.` and `..`, which no encoding keeps apart from a path's own.
pub fn path_segment(name: &str) -> Result<String> {
    match name {
        "" | "." | ".." => Err(Error::InvalidArgument(format!("'{name}' cannot be part of a URL path"))),
        _ => Ok(encode(name)),
    }
}

/// The URL with these parameters as its query.
pub fn url_with_query(mut url: String, parameters: &[(&str, &str)]) -> String {
    for (at, (name, value)) in parameters.iter().enumerate() {
        let separator = if at == 0 { "?" } else { "&" };
        url.extend([separator, &encode(name), "=", &encode(value)]);
    }
    url
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Destination {
    pub url: Url,
    /// The same, as HTTP carries it to proxies.
    pub uri: Uri,
    /// What HTTP carries of it to servers: the path with its query, and the host with its port, unless that is the
    /// scheme's own.
    pub path: Uri,
    pub host: HeaderValue,
    /// Whose connections go there.
    pub origin: Arc<str>,
}

impl Destination {
    fn parse(text: &str) -> Result<Self, TransportError> {
        let url = Url::parse(text).map_err(|problem| invalid(format!("not a URL: {problem}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(invalid(format!("not an http or https URL: {}", shown(&url))));
        }
        Self::of(url.clone()).map_err(|problem| TransportError::unsendable(&url, &problem))
    }

    /// Where the server of an address sends on to. Messages name what was asked, and not what an answer says.
    pub fn redirected(asked: &Url, to: Url) -> Result<Self, TransportError> {
        Self::of(to).map_err(|problem| TransportError::unsendable(asked, &problem))
    }

    fn of(url: Url) -> http::Result<Self> {
        let (origin, path) = (url.origin().ascii_serialization(), &url[Position::BeforePath..Position::AfterQuery]);
        let (uri, path) = (Uri::try_from(format!("{origin}{path}"))?, Uri::try_from(path)?);
        let host = HeaderValue::try_from(&url[Position::BeforeHost..Position::AfterPort])?;
        Ok(Self { url, uri, path, host, origin: origin.into() })
    }
}

fn invalid(message: String) -> TransportError {
    TransportError::new(TransportErrorKind::Request, message)
}

/// The addresses of the latest requests, parsed, the newest first: a session's go to a few, again and again.
#[derive(Default)]
pub(super) struct Addresses(ArcSwap<Vec<Address>>);

type Address = (String, Arc<Destination>);

impl Addresses {
    const MOST: usize = 8;

    pub fn parse(&self, text: &str) -> Result<Arc<Destination>, TransportError> {
        let known = self.0.load();
        if let Some((_, destination)) = known.iter().find(|address| address.0 == text) {
            return Ok(Arc::clone(destination));
        }
        let destination = Arc::new(Destination::parse(text)?);
        let newest = (text.to_owned(), Arc::clone(&destination));
        // Of two threads that do this at once, one may be forgotten: it is parsed again.
        self.0.store(Arc::new([newest].into_iter().chain(known.iter().cloned()).take(Self::MOST).collect()));
        Ok(destination)
    }
}

/// The URL as it may be shown: without user, password, query and fragment.
pub(super) fn shown(url: &Url) -> String {
    let origin = url.origin().ascii_serialization();
    format!("{origin}{}", url.path())
}

/// Where a redirect sends a request that stays the same: within its origin, and not one of the older redirects that turn
/// a POST into a GET, which is no longer the question that was asked.
pub(super) fn redirected<T>(method: &Method, url: &Url, response: &Response<T>) -> Option<Url> {
    let keeps_method = match response.status() {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => method == Method::GET,
        _ => false,
    };
    let location = response.headers().get(LOCATION).filter(|_| keeps_method)?;
    let target = url.join(location.to_str().ok()?).ok()?;
    let names_user = !target.username().is_empty() || target.password().is_some();
    (target.origin() == url.origin() && !names_user).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_is_not_unreserved() {
        assert_eq!(path_segment("a/b?c#d %é~-._").unwrap(), "a%2Fb%3Fc%23d%20%25%C3%A9~-._");
        for name in ["", ".", ".."] {
            assert!(matches!(path_segment(name), Err(Error::InvalidArgument(_))), "{name}");
        }
    }

    #[test]
    fn appends_a_query() {
        assert_eq!(url_with_query("http://h/p".into(), &[]), "http://h/p");
        assert_eq!(
            url_with_query("http://h/p".into(), &[("tool", "a&b"), ("amount", "1.0")]),
            "http://h/p?tool=a%26b&amount=1.0"
        );
    }

    #[test]
    fn a_host_beyond_ascii_is_taken_in_punycode_only() {
        let host = |url| Destination::parse(url).map(|to| to.url.host_str().map(str::to_owned));
        assert_eq!(host("https://XN--bcher-kva.example/x").ok().flatten().as_deref(), Some("xn--bcher-kva.example"));
        for url in ["https://b\u{fc}cher.example/x", "https://b%C3%BCcher.example/x", "http://\u{ff41}pi.example"] {
            let error = host(url).unwrap_err();
            assert_eq!(error.message, "not a URL: invalid international domain name", "{url}");
        }
    }

    #[test]
    fn a_server_is_told_the_path_and_the_host_and_a_proxy_all() {
        for (url, whole, path, host, origin) in [
            ("http://H:80", "http://h/", "/", "h", "http://h"),
            ("https://h:80/p?q=%20#f", "https://h:80/p?q=%20", "/p?q=%20", "h:80", "https://h:80"),
            ("https://user:pass@h:443?q", "https://h/?q", "/?q", "h", "https://h"),
            ("http://user@[::1]:8443/a//b", "http://[::1]:8443/a//b", "/a//b", "[::1]:8443", "http://[::1]:8443"),
        ] {
            let to = Destination::parse(url).unwrap();
            assert_eq!((to.uri.to_string().as_str(), to.path.to_string().as_str()), (whole, path), "{url}");
            assert_eq!((to.host.to_str().unwrap(), &*to.origin), (host, origin), "{url}");
        }
    }

    #[test]
    fn an_address_is_known_while_it_is_one_of_the_latest() {
        let (addresses, url) = (Addresses::default(), |number: usize| format!("http://h/{number}"));
        for number in (0..2 * Addresses::MOST).chain(0..3) {
            for _ in 0..2 {
                assert_eq!(addresses.parse(&url(number)).unwrap().url.as_str(), url(number));
            }
            assert!(addresses.parse("not a URL").is_err());
        }
        let known: Vec<_> = addresses.0.load().iter().map(|address| address.0.clone()).collect();
        assert_eq!(known, [2, 1, 0, 15, 14, 13, 12, 11].map(url));
    }

    #[test]
    fn shows_no_credentials_and_no_query() {
        let url = Url::parse("https://user:secret@h:8443/p/q?key=secret#secret").unwrap();
        assert_eq!(shown(&url), "https://h:8443/p/q");
    }
}
