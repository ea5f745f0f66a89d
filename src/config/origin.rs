use std::fmt;
use std::net::Ipv6Addr;

/// Scheme, host and port of an `http` or `https` URL: what decides whether two URLs are the same service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: &'static str,
    /// `host` or `host:port`, without the scheme's default port.
    authority: String,
}

impl Origin {
    /// Reads the origin of a URL, or `None` where it is not an `http` or `https` URL with a host, carries a user name
    /// or a password, or has a port above 65535.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains(is_unfit) {
            return None;
        }
        let (host, port) = split_port(authority)?;
        let host = host.to_lowercase();
        let authority = match port {
            Some(port) if port != default_port => format!("{host}:{port}"),
            _ => host,
        };
        Some(Self { scheme, authority })
    }

    /// The name that a login for this service is saved under: `{product or "default"}@{host[:port]}`.
    pub fn profile_name(&self, product: &str) -> String {
        let product = product.trim().to_lowercase();
        let product = if product.is_empty() { "default" } else { &product };
        format!("{product}@{}", self.authority)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority)
    }
}

/// User information ends in `@`; a backslash is a slash to some readers of URLs and not to others.
fn is_unfit(char: char) -> bool {
    matches!(char, '@' | '\\') || char.is_whitespace() || char.is_control()
}

/// Splits `host[:port]`; an IPv6 address keeps its brackets.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, _) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            address.len() + "[]".len()
        }
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_end).filter(|(host, _)| !host.is_empty())?;
    match port.strip_prefix(':') {
        None if port.is_empty() => Some((host, None)),
        Some("") => Some((host, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Option<String> {
        Origin::parse(url).map(|origin| origin.to_string())
    }

    #[test]
    fn normalises() {
        for (url, expected) in [
            ("https://h:", "https://h"),
            ("https://h:0443", "https://h"),
            ("http://[::1]", "http://[::1]"),
            ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]"),
            ("HtTp://Exämple?x@y", "http://exämple"),
        ] {
            assert_eq!(origin(url).as_deref(), Some(expected), "{url}");
        }
    }

    #[test]
    fn refuses_what_is_no_clear_origin() {
        for url in [
            "https:/h",
            "https:h",
            "//h",
            "https://:443",
            "https://h:x",
            "https://h:+1",
            "https://h:65536",
            "https://a:b:1",
            "https://[::1",
            "https://[::1]x",
            "https://[]",
            "https://[zz]",
            "https://good\\@evil",
            "https://good\\.evil",
            "https://@h",
            "https://a b",
            "https://a\nb",
        ] {
            assert_eq!(origin(url), None, "{url}");
        }
    }

    #[test]
    fn names_profiles() {
        let origin = Origin::parse("https://Api.Example:8443/x").unwrap();
        assert_eq!(origin.profile_name(" ArmorClaude "), "armorclaude@api.example:8443");
        assert_eq!(origin.profile_name("  "), "default@api.example:8443");
    }
}
