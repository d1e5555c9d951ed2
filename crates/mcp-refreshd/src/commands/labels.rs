//! What servers are called in a list of results.

use crate::terminal::wording::visible;
use std::path::Path;

/// An entry of a store.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) key: &'a str,
    /// The store's location.
    pub(super) store: &'a str,
}

/// The name of each; where several have one name, also what tells them apart: the store's folder, or the key in one store.
pub(super) fn labels(all: &[Named<'_>]) -> Vec<String> {
    let label = |one: &Named<'_>| {
        let namesakes = || all.iter().filter(|other| other.name == one.name);
        if namesakes().count() < 2 {
            return visible(one.name);
        }
        let mark = match namesakes().filter(|other| other.store == one.store).count() {
            1 => folder(one.store),
            _ if namesakes().all(|other| other.store == one.store) => one.key.to_owned(),
            _ => format!("{}, {}", folder(one.store), one.key),
        };
        visible(&format!("{} ({mark})", one.name))
    };
    all.iter().map(label).collect()
}

/// A Keychain item has none.
fn folder(store: &str) -> String {
    let path = Path::new(store);
    let folder = path.parent().filter(|_| path.is_absolute());
    folder.map_or_else(|| store.to_owned(), |folder| folder.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Paths of Unix.
    #[cfg(unix)]
    #[test]
    fn servers_of_one_name_are_told_apart_by_their_store_or_their_key() {
        let of = |all: &[(&str, &str, &str)]| {
            labels(&all.iter().map(|&(name, key, store)| Named { name, key, store }).collect::<Vec<_>>())
        };
        let (usual, work) = ("/home/me/.claude/.credentials.json", "/srv/work/.credentials.json");
        assert_eq!(of(&[("lab", "lab|1", usual), ("jira", "jira|1", work)]), ["lab", "jira"]);
        let stores = of(&[("lab", "lab|1", usual), ("lab", "lab|1", work), ("a\nb", "", work)]);
        assert_eq!(stores, ["lab (/home/me/.claude)", "lab (/srv/work)", "a\\nb"]);
        assert_eq!(of(&[("lab", "lab|1", usual), ("lab", "lab|2", usual)]), ["lab (lab|1)", "lab (lab|2)"]);
        let both = of(&[("lab", "lab|1", usual), ("lab", "lab|2", usual), ("lab", "lab|1", "keychain:item")]);
        assert_eq!(
            both,
            ["lab (/home/me/.claude, lab|1)", "lab (/home/me/.claude, lab|2)", "lab (keychain:item)"]
        );
    }
}
