//! The proxies that the environment names.

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::Scheme;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::env;

/// Which proxy stands before which server.
pub(super) struct Proxies {
    matcher: Matcher,
    /// The same with a proxy for each that is named. The matcher leaves out what it cannot read.
    named: Matcher,
}

impl Proxies {
    /// `None` where there is none before any server.
    pub fn of_environment() -> Option<Self> {
        // In a CGI program HTTP_PROXY is what its client says.
        if env::var_os("REQUEST_METHOD").is_some() {
            return None;
        }
        let http = first_set(["HTTP_PROXY", "http_proxy"]);
        let https = first_set(["HTTPS_PROXY", "https_proxy"]);
        let all = first_set(["ALL_PROXY", "all_proxy"]);
        let exempt = first_set(["NO_PROXY", "no_proxy"]);
        Self::new([&http, &https, &all], &exempt)
    }

    /// For http, https and all servers but those that are exempt.
    fn new([http, https, all]: [&str; 3], exempt: &str) -> Option<Self> {
        if [http, https, all].iter().all(|proxy| proxy.is_empty()) || exempts_every_host(exempt) {
            return None;
        }
        let some = |proxy: &str| if proxy.is_empty() { "" } else { "http://some" };
        let matcher = Matcher::builder().http(http).https(https).all(all).no(exempt).build();
        let named = Matcher::builder().http(some(http)).https(some(https)).all(some(all)).no(exempt).build();
        Some(Self { matcher, named })
    }

    /// The proxy before a server, if there is one.
    ///
    /// # Errors
    ///
    /// Where it is one that cannot be asked: nothing goes past it.
    pub fn before(&self, server: &Uri) -> Result<Option<Intercept>, &'static str> {
        let is_http = |proxy: &Intercept| matches!(proxy.uri().scheme_str(), Some("http" | "https"));
        match self.matcher.intercept(server) {
            Some(proxy) if is_http(&proxy) => Ok(Some(proxy)),
            None if self.named.intercept(server).is_none() => Ok(None),
            _ => Err("the proxy that the environment names for it is not an http or https URL"),
        }
    }

    /// What a request tells the proxy about who sends it. For an https server the request for the tunnel does so, and the
    /// server must not learn it.
    pub fn authorization(&self, server: &Uri) -> Option<HeaderValue> {
        if server.scheme() != Some(&Scheme::HTTP) {
            return None;
        }
        self.matcher.intercept(server)?.basic_auth().cloned()
    }
}

fn first_set(names: [&str; 2]) -> String {
    let value = names.iter().find_map(env::var_os).unwrap_or_default();
    value.to_string_lossy().into_owned()
}

/// Whether there is a `*`. The matcher takes that for names of hosts only, and not for addresses.
fn exempts_every_host(exempt: &str) -> bool {
    exempt.split(',').any(|host| host.trim() == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = "";
    const PROXY: &str = "http://user:pass@proxy.invalid:3128";

    fn before(proxies: &Proxies, server: &str) -> Result<Option<String>, &'static str> {
        let proxy = proxies.before(&server.parse().unwrap())?;
        Ok(proxy.map(|proxy| proxy.uri().to_string()))
    }

    fn authorization(proxies: &Proxies, server: &str) -> Option<HeaderValue> {
        proxies.authorization(&server.parse().unwrap())
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let proxy = Ok(Some("http://proxy.invalid:3128/".to_owned()));
        for (named, http, https) in [
            ([PROXY, NONE, NONE], &proxy, &Ok(None)),
            ([NONE, PROXY, NONE], &Ok(None), &proxy),
            ([NONE, NONE, PROXY], &proxy, &proxy),
            (["socks5://other.invalid", NONE, PROXY], &Err(()), &proxy),
            (["ftp://other.invalid", NONE, PROXY], &proxy, &proxy),
        ] {
            let proxies = Proxies::new(named, "exempt.invalid, 10.0.0.0/8").unwrap();
            assert_eq!(before(&proxies, "http://h/p").map_err(|_| ()), *http, "{named:?}");
            assert_eq!(before(&proxies, "https://h/p").map_err(|_| ()), *https, "{named:?}");
            for exempt in
                ["http://exempt.invalid/p", "https://exempt.invalid/p", "http://10.1.2.3:80", "https://10.1.2.3"]
            {
                assert_eq!(before(&proxies, exempt), Ok(None), "{named:?}");
            }
        }
    }

    #[test]
    fn nothing_is_read_where_no_proxy_is_before_any_server() {
        for (named, exempt) in
            [([NONE; 3], ""), ([NONE; 3], "h"), ([PROXY; 3], "*"), ([PROXY; 3], "h, *"), (["garbage://"; 3], "*")]
        {
            assert!(Proxies::new(named, exempt).is_none(), "{named:?} {exempt}");
        }
    }

    #[test]
    fn nothing_goes_past_a_proxy_that_cannot_be_asked() {
        for proxy in
            ["socks5://user:pass@h:1080", "socks4://h", "socks://h", "ftp://user:pass@h", "http://", "/", "a b"]
        {
            for named in [[proxy, proxy, NONE], [NONE, NONE, proxy]] {
                let proxies = Proxies::new(named, "exempt.invalid").unwrap();
                for server in ["http://h/p", "https://h/p"] {
                    let problem = before(&proxies, server).unwrap_err();
                    assert!(!problem.contains("pass"), "{problem}");
                    assert_eq!(authorization(&proxies, server), None);
                }
                assert_eq!(before(&proxies, "https://exempt.invalid/p"), Ok(None));
            }
            let http_alone = Proxies::new([proxy, NONE, NONE], NONE).unwrap();
            assert_eq!(before(&http_alone, "https://h/p"), Ok(None));
        }
    }

    #[test]
    fn a_request_has_the_credentials_where_the_proxy_reads_it() {
        let proxies = Proxies::new([NONE, NONE, PROXY], "exempt.invalid").unwrap();
        let credentials = authorization(&proxies, "http://h/p").unwrap();
        assert_eq!(credentials, "Basic dXNlcjpwYXNz");
        assert!(credentials.is_sensitive());
        for server in ["https://h/p", "http://exempt.invalid/p"] {
            assert_eq!(authorization(&proxies, server), None, "{server}");
        }
        let without = Proxies::new([NONE, NONE, "proxy.invalid"], NONE).unwrap();
        assert_eq!(authorization(&without, "http://h/p"), None);
    }
}
