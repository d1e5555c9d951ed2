use std::net::IpAddr;
use url::{Host, Url};

/// The variables that name a proxy, in Claude Code's order (2.1.332, measured): the first one set is used for every request, whether
/// http or https.
const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];
/// Used if none of those is set; ignored if its scheme is not http or https.
const FALLBACKS: [&str; 2] = ["all_proxy", "ALL_PROXY"];
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The proxy named by variables, chosen like Claude Code does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedProxy {
    /// Its URL; `None` if there is none.
    pub url: Option<Url>,
    /// Whether a variable names one at all, even an unusable one.
    pub named: bool,
    /// Hosts that bypass it.
    pub exceptions: String,
    /// A variable that is set but unusable, and why.
    pub unusable: Option<String>,
}

impl NamedProxy {
    /// Chooses among variables; an empty one counts as unset.
    pub fn choose(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                Some((
                    *name,
                    variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())?,
                ))
            })
        };
        let exceptions = set(&EXCEPTIONS).map(|(_, value)| value).unwrap_or_default();
        let Some((name, value)) = set(&VARIABLES).or_else(|| set(&FALLBACKS)) else {
            return Self { exceptions, ..Self::default() };
        };
        let mut chosen = Self { named: true, exceptions, ..Self::default() };
        match proxy_url(&value) {
            Some(url) if matches!(url.scheme(), "http" | "https") => chosen.url = Some(url),
            // Other programs of the shell may need it.
            Some(url) if FALLBACKS.contains(&name) && url.scheme().starts_with("socks") => {}
            // The value may contain a password.
            Some(url) => {
                let scheme = url.scheme();
                chosen.unusable = Some(format!(
                    "${name} has the proxy scheme {scheme}, which Claude Code does not support either; it is ignored"
                ));
            }
            None => {
                chosen.unusable = Some(format!(
                    "${name} is not a valid proxy URL and is ignored; write it as http://host:port"
                ));
            }
        }
        chosen
    }
}

/// The scheme is often omitted.
fn proxy_url(value: &str) -> Option<Url> {
    let parse = |text: &str| Url::parse(text).ok().filter(Url::has_host);
    if value.contains("://") { parse(value) } else { parse(&format!("http://{value}")) }
}

/// Hosts that bypass the proxy (`NO_PROXY`), parsed like Claude Code does (2.1.332, measured): separated by commas or blanks; `*` is
/// every host; `.example.com`, `*.example.com` and `example.com` are that host and its subdomains; `host:port` is that port only;
/// addresses and CIDR ranges match hosts that are addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exceptions(Vec<Exception>);

#[derive(Clone, Debug)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    /// The domain and its subdomains.
    Domain(String),
    /// Addresses with this prefix length.
    Addresses(IpAddr, u8),
}

impl Exceptions {
    pub(crate) fn parse(list: &str) -> Self {
        let items = list.split(|c: char| c == ',' || c.is_whitespace());
        Self(items.filter_map(|item| exception(&item.to_ascii_lowercase())).collect())
    }

    pub(crate) fn has(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let port = url.port_or_known_default();
        self.0.iter().any(|exception| {
            exception.port.is_none_or(|only| Some(only) == port) && exception.hosts.have(&host)
        })
    }
}

impl Hosts {
    fn have(&self, host: &Host<&str>) -> bool {
        let address = match host {
            Host::Domain(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                return match self {
                    Self::All => true,
                    Self::Domain(domain) => name
                        .strip_suffix(domain.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                    Self::Addresses(..) => false,
                };
            }
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => address.to_canonical(),
        };
        match self {
            Self::All => true,
            Self::Domain(_) => false,
            Self::Addresses(network, bits) => within(address, network.to_canonical(), *bits),
        }
    }
}

fn exception(item: &str) -> Option<Exception> {
    if item == "*" {
        return Some(Exception { hosts: Hosts::All, port: None });
    }
    if let Some(hosts) = addresses(item) {
        return Some(Exception { hosts, port: None });
    }
    let (host, port) = match item.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (item, None),
    };
    if let Some(hosts) = addresses(host) {
        return Some(Exception { hosts, port });
    }
    let domain = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
    let domain = domain.trim_start_matches('.').trim_end_matches('.');
    (!domain.is_empty()).then(|| Exception { hosts: Hosts::Domain(domain.to_owned()), port })
}

/// An address, with or without brackets, or a range.
fn addresses(text: &str) -> Option<Hosts> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address: IpAddr = bare.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    Some(Hosts::Addresses(address, bits.unwrap_or(all)))
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, all: u8| {
        let ignored = u32::from(all.saturating_sub(bits));
        a.checked_shr(ignored) == b.checked_shr(ignored)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(variables: &[(&str, &str)]) -> NamedProxy {
        NamedProxy::choose(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_proxy_is_the_one_that_claude_code_takes() {
        for (variables, url) in [
            (vec![("HTTPS_PROXY", "http://a:1")], Some("http://a:1/")),
            (vec![("HTTPS_PROXY", "http://b:1"), ("https_proxy", "http://a:1")], Some("http://a:1/")),
            (vec![("https_proxy", ""), ("HTTPS_PROXY", "http://a:1")], Some("http://a:1/")),
            (vec![("HTTP_PROXY", "http://a:1")], Some("http://a:1/")),
            (vec![("HTTP_PROXY", "http://a:1"), ("ALL_PROXY", "http://b:1")], Some("http://a:1/")),
            (vec![("ALL_PROXY", "a:1")], Some("http://a:1/")),
            (vec![("ALL_PROXY", "socks5://a:1")], None),
            (vec![("all_proxy", "socks5h://b:1"), ("ALL_PROXY", "http://a:1")], None),
            (vec![("HTTPS_PROXY", "socks5://a:1")], None),
            (vec![("HTTPS_PROXY", "%%%")], None),
        ] {
            assert_eq!(choose(&variables).url.as_ref().map(Url::as_str), url, "{variables:?}");
        }
    }

    #[test]
    fn only_a_proxy_that_claude_code_cannot_use_either_is_reported() {
        assert_eq!(choose(&[("ALL_PROXY", "socks5://me:secret@a:1")]).unusable, None);
        for value in ["socks5://me:secret@a:1", "http://me:secret@", "me secret"] {
            let why = choose(&[("HTTPS_PROXY", value)]).unusable.unwrap();
            assert!(why.starts_with("$HTTPS_PROXY ") && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn hosts_bypass_the_proxy_as_in_claude_code() {
        let there = "https://mcp.lab.test/";
        let cases = [
            ("mcp.lab.test", there, true),
            (".lab.test", there, true),
            ("lab.test", there, true),
            ("*.lab.test", there, true),
            ("*", there, true),
            ("x,*", there, true),
            ("mcp.lab.test:443", there, true),
            ("mcp.lab.test:8443", there, false),
            ("mcp.lab.test:8443", "https://mcp.lab.test:8443/", true),
            (".lab.test:443", there, true),
            (".mcp.lab.test", there, true),
            ("MCP.LAB.TEST", there, true),
            ("mcp.lab.test.", there, true),
            ("other.example mcp.lab.test", there, true),
            ("other.example, mcp.lab.test ,x", there, true),
            ("a;mcp.lab.test", there, false),
            ("*lab.test", there, false),
            ("ab.test", there, false),
            ("mcp.lab", there, false),
            (".", there, false),
            ("https://mcp.lab.test", there, false),
            ("10.0.0.0/8", there, false),
            ("10.0.0.2", "https://10.0.0.2/", true),
            ("10.0.0.2:443", "https://10.0.0.2/", true),
            ("10.0.0.2:80", "https://10.0.0.2/", false),
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("0.0.0.0/0", "https://11.1.2.3/", true),
            (".0.0.2", "https://10.0.0.2/", false),
            ("fd00::/8,[::2]:443", "https://[fd00::1]/", true),
            ("fd00::/8,[::2]:443", "https://[::2]/", true),
            ("fd00::/8", "https://10.0.0.2/", false),
            ("::1", "https://[::1]/", true),
            ("", there, false),
        ];
        for (list, url, excepted) in cases {
            assert_eq!(Exceptions::parse(list).has(&Url::parse(url).unwrap()), excepted, "{list:?} {url}");
        }
    }
}
