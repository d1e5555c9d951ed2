//! Which entry a request for an access token means: a pure function.

use compact::Arrange as _;
use url::Url;

/// One entry that could be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) key: String,
    pub(crate) name: String,
    /// The URL of its server.
    pub(crate) url: Option<String>,
    /// The location of its store.
    pub(crate) store: String,
    /// How near its store is to the program that asks.
    pub(crate) place: Place,
    pub(crate) has_token: bool,
}

/// How near a store is; the nearest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// The client's own document.
    Own,
    /// The agent's own, unless the grant came from another document.
    Vault,
    /// Another document that the agent keeps.
    Other,
}

/// Why no entry is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No entry has this name or key.
    Unknown,
    /// Those that have it are of other servers: their URLs.
    OtherServer(Vec<String>),
    /// Several have it.
    Ambiguous(Several),
}

/// Entries that are equally near.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Several {
    /// The URLs of their servers.
    pub(crate) urls: Vec<String>,
    /// The locations of their stores.
    pub(crate) stores: Vec<String>,
    pub(crate) keys: Vec<String>,
}

/// Which of the candidates is meant by this name or key, for a token that goes to this URL. The token of one server is never handed out for
/// another.
///
/// # Errors
/// Why none is.
pub(crate) fn choose(name: &str, url: Option<&str>, candidates: &[Candidate]) -> Result<usize, Refusal> {
    let named = candidates.iter().enumerate().filter(|(_, one)| one.name == name || one.key == name);
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return Err(Refusal::Unknown);
    }
    let urls = |of: &[(usize, &Candidate)]| distinct(of.iter().filter_map(|(_, one)| one.url.clone()));
    let fits =
        |one: &Candidate| url.is_none_or(|url| one.url.as_deref().is_some_and(|its| is_same(its, url)));
    let fitting: Vec<_> = named.iter().copied().filter(|(_, one)| fits(one)).collect();
    if fitting.is_empty() {
        return Err(Refusal::OtherServer(urls(&named)));
    }
    // A stub beside a login of the same name, or of one in the vault, is what a client leaves; nobody means it.
    let rank = |one: &Candidate| (one.place == Place::Other, !one.has_token, one.place);
    let best = fitting.iter().map(|(_, one)| rank(one)).min();
    let best: Vec<_> = fitting.into_iter().filter(|(_, one)| Some(rank(one)) == best).collect();
    match best.as_slice() {
        [(index, _)] => Ok(*index),
        several => Err(Refusal::Ambiguous(Several {
            urls: urls(several),
            stores: distinct(several.iter().map(|(_, one)| one.store.clone())),
            keys: distinct(several.iter().map(|(_, one)| one.key.clone())),
        })),
    }
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<_> = texts.collect();
    texts.arrange();
    texts.dedup();
    texts
}

/// Whether both spell the same URL: case of the host, the default port and the slash of a bare host do not matter; nothing else is forgiven.
fn is_same(one: &str, other: &str) -> bool {
    one == other || matches!((Url::parse(one), Url::parse(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, url: &str, place: Place) -> Candidate {
        let (name, url) = (name.to_owned(), Some(url.to_owned()).filter(|url| !url.is_empty()));
        let store = format!("/{place:?}");
        Candidate { key: format!("{name}|{place:?}"), name, url, store, place, has_token: true }
    }

    const LAB: &str = "https://lab.test/mcp";
    const EVIL: &str = "https://evil.test/mcp";

    #[test]
    fn the_url_decides_between_entries_of_one_name() {
        let all = [candidate("lab", EVIL, Place::Own), candidate("lab", LAB, Place::Own)];
        assert_eq!(choose("lab", Some(LAB), &all), Ok(1));
        let Err(Refusal::Ambiguous(several)) = choose("lab", None, &all) else { panic!("it is ambiguous") };
        assert_eq!(several.urls, [EVIL, LAB]);
    }

    #[test]
    fn a_token_is_never_handed_out_for_another_server() {
        let all = [candidate("lab", LAB, Place::Own), candidate("lab", "", Place::Own)];
        let others = [
            EVIL,
            "https://lab.test/mcp/",
            "https://lab.test/MCP",
            "http://lab.test/mcp",
            "https://lab.test:8443/mcp",
            "https://lab.test/mcp?a",
            "https://me@lab.test/mcp",
            "",
        ];
        for other in others {
            assert_eq!(
                choose("lab", Some(other), &all),
                Err(Refusal::OtherServer(vec![LAB.into()])),
                "{other}"
            );
        }
        assert_eq!(choose("lab", Some("https://LAB.test:443/mcp"), &all), Ok(0));
    }

    #[test]
    fn the_clients_own_document_comes_first_then_the_vault() {
        let all = [
            candidate("lab", LAB, Place::Other),
            candidate("lab", LAB, Place::Own),
            candidate("lab", LAB, Place::Vault),
        ];
        assert_eq!(choose("lab", Some(LAB), &all), Ok(1));
        assert_eq!(choose("lab", None, &[all[0].clone(), all[2].clone()]), Ok(1));
        assert_eq!(choose("lab", None, &all[..1]), Ok(0));
        let left = Candidate { has_token: false, ..all[1].clone() };
        assert_eq!(choose("lab", None, &[left, all[2].clone()]), Ok(1));
        let twice = [all[0].clone(), Candidate { store: "/Work".to_owned(), ..all[0].clone() }];
        let several = Several {
            urls: vec![LAB.into()],
            stores: vec!["/Other".into(), "/Work".into()],
            keys: vec!["lab|Other".into()],
        };
        assert_eq!(choose("lab", None, &twice), Err(Refusal::Ambiguous(several)));
    }

    #[test]
    fn a_stub_gives_way_to_a_login_and_a_key_is_a_name_too() {
        let mut all = [candidate("lab", LAB, Place::Own), candidate("lab", LAB, Place::Own)];
        all[0].has_token = false;
        all[1].key = "lab|77".to_owned();
        assert_eq!(choose("lab", Some(LAB), &all), Ok(1));
        assert_eq!(choose("lab|77", None, &all), Ok(1));
        assert_eq!(choose("la", None, &all), Err(Refusal::Unknown));
    }
}
