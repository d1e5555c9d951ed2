use crate::{Document, ExpiresAt, ReadError, Snapshot};
use compact::Map;
use oauth_secret::TokenDigest;

/// The two places where the client keeps its document on macOS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// A Keychain item.
    Keychain,
    /// `.credentials.json`.
    File,
}

/// The store to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The chosen store.
    pub kind: StoreKind,
    /// Why it was chosen over the other.
    pub why: Why,
}

/// Why a store was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is the only one.
    Alone,
    /// The other has nothing that could be refreshed.
    OtherIsEmpty,
    /// Both hold the same refresh tokens.
    Same,
    /// Both hold different refresh tokens, and these expire later. The other store is left alone, and the user should know.
    Later,
    /// The journal has a pair for this store.
    Owed,
    /// It cannot be read now, which is no reason to use the other.
    Unreadable,
}

/// What a store holds, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// No document.
    Nothing,
    /// Not readable now.
    Unknown,
    /// A document.
    Document {
        /// The refresh tokens by entry key, each with its access token's expiry (Unix time in ms; the minimum if unknown).
        refreshable: Map<String, (TokenDigest, i64)>,
    },
}

impl Holding {
    /// The result of reading a store.
    #[must_use]
    pub fn of(read: &Result<Snapshot, ReadError>) -> Self {
        match read {
            Ok(snapshot) => {
                snapshot.document().map_or(Self::Unknown, |document| Self::of_document(&document))
            }
            Err(ReadError::Absent { .. }) => Self::Nothing,
            Err(_) => Self::Unknown,
        }
    }

    /// The relevant content of a document.
    fn of_document(document: &Document<'_>) -> Self {
        let refreshable = document.entries().filter_map(|entry| {
            let refresh = entry.refresh_token.as_ref()?.digest();
            let expires_at = match entry.expires_at {
                ExpiresAt::At(moment) => moment,
                _ => i64::MIN,
            };
            Some((entry.key.to_string(), (refresh, expires_at)))
        });
        Self::Document { refreshable: refreshable.collect() }
    }
}

/// Chooses between a Keychain item and a file of the same storage folder, once per run.
///
/// `owed` is the store for which the journal still holds a pair. An unreadable store is never treated as empty.
#[must_use]
pub fn choose_store(item: &Holding, file: &Holding, owed: Option<StoreKind>) -> Choice {
    let choice = |kind, why| Choice { kind, why };
    if let Some(kind) = owed {
        return choice(kind, Why::Owed);
    }
    let (item, file) = match (item, file) {
        (Holding::Unknown, _) => return choice(StoreKind::Keychain, Why::Unreadable),
        (_, Holding::Nothing) => return choice(StoreKind::Keychain, Why::Alone),
        (Holding::Nothing, _) => return choice(StoreKind::File, Why::Alone),
        // An unreadable file does not compete with a readable item.
        (Holding::Document { .. }, Holding::Unknown) => {
            return choice(StoreKind::Keychain, Why::OtherIsEmpty);
        }
        (Holding::Document { refreshable: item }, Holding::Document { refreshable: file }) => (item, file),
    };
    if file.is_empty() {
        return choice(StoreKind::Keychain, Why::OtherIsEmpty);
    }
    if item.is_empty() {
        return choice(StoreKind::File, Why::OtherIsEmpty);
    }
    let same = |tokens: &Map<_, (TokenDigest, i64)>| -> Vec<_> {
        tokens.iter().map(|(key, (token, _)): (&String, _)| (key.clone(), *token)).collect()
    };
    if same(item) == same(file) {
        return choice(StoreKind::Keychain, Why::Same);
    }
    let latest = |tokens: &Map<_, (TokenDigest, i64)>| tokens.values().map(|(_, at)| *at).max();
    let kind = if latest(file) > latest(item) { StoreKind::File } else { StoreKind::Keychain };
    choice(kind, Why::Later)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(entries: &[(&str, &str, i64)]) -> Holding {
        let entry = |(name, refresh, at): &(&str, &str, i64)| {
            let refresh =
                if refresh.is_empty() { String::new() } else { format!(r#""refreshToken":"{refresh}","#) };
            format!(r#""{name}|00":{{"serverName":"{name}",{refresh}"accessToken":"at","expiresAt":{at}}}"#)
        };
        let entries: Vec<_> = entries.iter().map(entry).collect();
        let text = format!(r#"{{"mcpOAuth":{{{}}}}}"#, entries.join(","));
        Holding::of_document(&Document::parse(text.as_bytes()).unwrap())
    }

    fn chosen(item: &Holding, file: &Holding) -> (StoreKind, Why) {
        let choice = choose_store(item, file, None);
        (choice.kind, choice.why)
    }

    #[test]
    fn the_only_store_is_chosen() {
        let one = holding(&[("lab", "rt", 5)]);
        assert_eq!(chosen(&one, &Holding::Nothing), (StoreKind::Keychain, Why::Alone));
        assert_eq!(chosen(&Holding::Nothing, &one), (StoreKind::File, Why::Alone));
        assert_eq!(chosen(&Holding::Nothing, &Holding::Nothing), (StoreKind::Keychain, Why::Alone));
    }

    #[test]
    fn a_locked_keychain_is_no_reason_to_use_the_file() {
        let file = holding(&[("lab", "rt", 5)]);
        assert_eq!(chosen(&Holding::Unknown, &file), (StoreKind::Keychain, Why::Unreadable));
    }

    #[test]
    fn the_one_with_a_refresh_token_is_chosen() {
        let (stub, good) = (holding(&[("lab", "", 0)]), holding(&[("lab", "rt", 5)]));
        assert_eq!(chosen(&good, &stub), (StoreKind::Keychain, Why::OtherIsEmpty));
        assert_eq!(chosen(&stub, &good), (StoreKind::File, Why::OtherIsEmpty));
        assert_eq!(chosen(&stub, &stub).0, StoreKind::Keychain);
    }

    #[test]
    fn of_two_different_logins_the_later_expiry_wins() {
        let (early, late) = (holding(&[("lab", "rt_1", 5)]), holding(&[("lab", "rt_2", 6)]));
        assert_eq!(chosen(&early, &late), (StoreKind::File, Why::Later));
        assert_eq!(chosen(&late, &early), (StoreKind::Keychain, Why::Later));
        assert_eq!(chosen(&early, &early), (StoreKind::Keychain, Why::Same));
    }

    #[test]
    fn a_pair_in_the_journal_decides() {
        let (early, late) = (holding(&[("lab", "rt_1", 5)]), holding(&[("lab", "rt_2", 6)]));
        let choice = choose_store(&early, &late, Some(StoreKind::Keychain));
        assert_eq!(choice, Choice { kind: StoreKind::Keychain, why: Why::Owed });
    }
}
