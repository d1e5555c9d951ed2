//! Proxies, addresses, and what else lies about in a home.

use super::certificates::{EXTRA, folder, over_tls, with_authority};
use crate::Fallible;
use crate::parity::case::Case;
use crate::parity::certificates::P256;
use crate::parity::lab::Lab;
use crate::parity::proxy::Proxy;
use scripted_server::{Listen, Script};
use std::net::{IpAddr, Ipv6Addr};

/// Only the proxy knows this host.
const BEHIND: &str = "mcp.test";
/// This one everybody knows: the namespace's hosts file leads it to 127.0.0.1.
const DIRECT: &str = "direct.test";
/// A proxy at which nobody listens: who asks it fails.
const NOBODY: &str = "http://127.0.0.1:9";
/// `somebody:s3cret`, as Basic encodes it.
const PASSWORD: &str = "c29tZWJvZHk6czNjcmV0";

pub(super) const CASES: &[Case] = &[
    Case::connects("home: .claude.json of 40 MB", || remembering(40 << 20)),
    Case::connects("home: .claude.json of 100 MB", || remembering(100 << 20)),
    Case::connects("address: IPv6 loopback", || {
        let listen =
            Listen { address: IpAddr::V6(Ipv6Addr::LOCALHOST), host: "[::1]".to_owned(), certificates: None };
        Lab::listening(&listen, Script::default(), folder()?)
    }),
    Case::connects("address: localhost", || {
        let listen =
            Listen { address: [127, 0, 0, 1].into(), host: "localhost".to_owned(), certificates: None };
        Lab::listening(&listen, Script::default(), folder()?)
    }),
    Case::connects("address: IPv6 loopback over TLS", || {
        let (lab, bundle) = with_authority(P256, P256, "[::1]")?;
        Ok(lab.variable(EXTRA, bundle))
    }),
    Case::connects("proxy: HTTPS_PROXY in the environment", || {
        proxied("HTTPS_PROXY", "http://", None, false)
    }),
    Case::connects("proxy: https_proxy in the environment", || {
        proxied("https_proxy", "http://", None, false)
    }),
    Case::connects("proxy: HTTPS_PROXY in settings.json", || proxied("HTTPS_PROXY", "http://", None, true)),
    Case::connects("proxy: the right one in settings.json, another in the environment", || {
        Ok(proxied("HTTPS_PROXY", "http://", None, true)?.variable("HTTPS_PROXY", NOBODY))
    }),
    Case::fails("proxy: the right one in the environment, another in settings.json", "proxy", || {
        Ok(proxied("HTTPS_PROXY", "http://", None, false)?.setting("HTTPS_PROXY", NOBODY))
    }),
    Case::connects("proxy: the right one in https_proxy, another in HTTPS_PROXY", || {
        Ok(proxied("https_proxy", "http://", None, false)?.variable("HTTPS_PROXY", NOBODY))
    }),
    Case::connects("proxy: the right one in HTTPS_PROXY, another in HTTP_PROXY", || {
        Ok(proxied("HTTPS_PROXY", "http://", None, false)?.variable("HTTP_PROXY", NOBODY))
    }),
    Case::connects("proxy: the right one in HTTPS_PROXY, another in ALL_PROXY", || {
        Ok(proxied("HTTPS_PROXY", "http://", None, false)?.variable("ALL_PROXY", NOBODY))
    }),
    Case::connects("managed settings: HTTPS_PROXY", || {
        let (proxy, lab) = (Proxy::start(None)?, at(BEHIND)?);
        let url = format!("http://{}", proxy.authority);
        Ok(lab.managed("HTTPS_PROXY", url).keeping(proxy))
    }),
    Case::connects(
        "managed settings: the right proxy there, another in settings.json and in the environment",
        || {
            let (proxy, lab) = (Proxy::start(None)?, at(BEHIND)?);
            let url = format!("http://{}", proxy.authority);
            let lab = lab.managed("HTTPS_PROXY", url).keeping(proxy);
            Ok(lab.setting("HTTPS_PROXY", NOBODY).variable("HTTPS_PROXY", NOBODY))
        },
    ),
    Case::fails("managed settings: another proxy there, the right one in settings.json", "proxy", || {
        Ok(proxied("HTTPS_PROXY", "http://", None, true)?.managed("HTTPS_PROXY", NOBODY))
    }),
    Case::connects("managed settings: NODE_EXTRA_CA_CERTS in a file beside them", || {
        let (lab, bundle) = with_authority(P256, P256, "localhost")?;
        Ok(lab.managed("NO_PROXY", "localhost").managed_beside(EXTRA, bundle))
    }),
    Case::connects("proxy: HTTPS_PROXY without a scheme", || proxied("HTTPS_PROXY", "", None, false)),
    Case::connects("proxy: HTTP_PROXY for https", || proxied("HTTP_PROXY", "http://", None, false)),
    Case::connects("proxy: ALL_PROXY for https", || proxied("ALL_PROXY", "http://", None, false)),
    Case::connects("proxy: with a password", || {
        proxied("HTTPS_PROXY", "http://somebody:s3cret@", Some(PASSWORD), false)
    }),
    Case::fails("proxy: wants a password that is not there", "proxy", || {
        proxied("HTTPS_PROXY", "http://", Some(PASSWORD), false)
    }),
    Case::fails("proxy: nobody listens", "proxy", || Ok(at(BEHIND)?.variable("HTTPS_PROXY", NOBODY))),
    Case::fails("proxy: none, and the host is unknown", "mcp.test", || at(BEHIND)),
    Case::connects("proxy: ALL_PROXY of socks5", || {
        Ok(at(DIRECT)?.variable("ALL_PROXY", "socks5://127.0.0.1:9"))
    }),
    Case::connects("proxy: ALL_PROXY of socks5h, lower case", || {
        Ok(at(DIRECT)?.variable("all_proxy", "socks5h://127.0.0.1:9"))
    }),
    Case::connects("proxy: HTTPS_PROXY empty", || Ok(at(DIRECT)?.variable("HTTPS_PROXY", ""))),
    Case::connects("proxy: http:// loopback in spite of HTTP_PROXY with NO_PROXY", || {
        let lab = Lab::plain(Script::default())?;
        Ok(lab.variable("HTTP_PROXY", NOBODY).variable("NO_PROXY", "127.0.0.1"))
    }),
    Case::connects("NO_PROXY: the host", || around(DIRECT, "direct.test")),
    Case::connects("NO_PROXY: in settings.json", || {
        Ok(at(DIRECT)?.setting("HTTPS_PROXY", NOBODY).setting("NO_PROXY", DIRECT))
    }),
    Case::connects("NO_PROXY: in lower case", || {
        Ok(at(DIRECT)?.variable("HTTPS_PROXY", NOBODY).variable("no_proxy", DIRECT))
    }),
    Case::connects("NO_PROXY: capitals", || around(DIRECT, "DIRECT.TEST")),
    Case::connects("NO_PROXY: domain with a dot", || around(DIRECT, ".test")),
    Case::connects("NO_PROXY: domain without a dot", || around(DIRECT, "test")),
    Case::connects("NO_PROXY: domain with a star", || around(DIRECT, "*.test")),
    Case::connects("NO_PROXY: star", || around(DIRECT, "*")),
    Case::connects("NO_PROXY: list with blanks after commas", || around(DIRECT, "a.example, direct.test")),
    Case::connects("NO_PROXY: list with blanks alone", || around(DIRECT, "a.example direct.test")),
    Case::connects("NO_PROXY: host and port", || {
        let lab = at(DIRECT)?;
        let port = lab.server.address().port();
        Ok(lab.variable("HTTPS_PROXY", NOBODY).variable("NO_PROXY", format!("{DIRECT}:{port}")))
    }),
    Case::fails("NO_PROXY: host and another port", "proxy", || around(DIRECT, "direct.test:1")),
    Case::connects("NO_PROXY: localhost", || around("localhost", "localhost")),
    Case::fails("NO_PROXY: not set, localhost", "proxy", || around("localhost", "")),
    Case::connects("NO_PROXY: address", || around("127.0.0.1", "127.0.0.1")),
    Case::connects("NO_PROXY: range of addresses", || around("127.0.0.1", "127.0.0.0/8")),
    Case::connects("NO_PROXY: IPv6 address", || around("[::1]", "::1")),
    Case::connects("NO_PROXY: IPv6 address in brackets", || around("[::1]", "[::1]")),
    Case::connects("home: settings.json is broken", || {
        let mut lab = over_tls(Script::default())?;
        lab.broken_settings = true;
        Ok(lab)
    }),
];

/// A home whose `.claude.json` holds so many bytes of history.
fn remembering(bytes: usize) -> Fallible<Lab> {
    let mut lab = Lab::plain(Script::default())?;
    lab.history = bytes;
    Ok(lab)
}

/// A server at `https://HOST`, its authority known by variable.
fn at(host: &str) -> Fallible<Lab> {
    let (lab, bundle) = with_authority(P256, P256, host)?;
    Ok(lab.variable(EXTRA, bundle))
}

/// A proxy that must be used, named by this variable.
fn proxied(variable: &str, prefix: &str, password: Option<&'static str>, in_settings: bool) -> Fallible<Lab> {
    let proxy = Proxy::start(password)?;
    let url = format!("{prefix}{}", proxy.authority);
    let lab = at(BEHIND)?.keeping(proxy);
    Ok(if in_settings { lab.setting(variable, url) } else { lab.variable(variable, url) })
}

/// A proxy that must not be used.
fn around(host: &str, no_proxy: &str) -> Fallible<Lab> {
    Ok(at(host)?.variable("HTTPS_PROXY", NOBODY).variable("NO_PROXY", no_proxy))
}
