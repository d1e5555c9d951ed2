use crate::commands::doctor::facts::keychain::{Content, KeychainFacts, StaleItem};
use crate::commands::doctor::facts::{Agent, Facts, StoreFacts};
use crate::commands::doctor::finding::Confidence::{Certain, Likely, Possible};
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::fix::Fix;
use crate::terminal::wording::{counted, quoted};
use claude_store::{Holding, KeychainError, StoreKind, Why};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

/// Claude Code writes an item at each refresh of its logins. One that nobody wrote for so long is not in use.
const UNUSED: SignedDuration = SignedDuration::from_hours(30 * 24);

const WHERE_TO_CLICK: &str =
    "open Keychain Access, search for the item, double-click it, choose Access Control";

/// The Keychain items: whether they are there, open, small enough, and the only ones.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for store in facts.concerned() {
        let Some(keychain) = &store.keychain else { continue };
        let location = keychain.item.to_string();
        let found = [
            closed(keychain),
            missing(keychain),
            large(keychain),
            two_stores(store, keychain),
            outdated_choice(facts, store),
        ];
        findings.extend(found.into_iter().flatten().map(|finding| finding.at(Path::new(&location))));
    }
    // Every folder sees the same Keychains.
    findings.extend(facts.stores.iter().find_map(|store| stale(store.keychain.as_ref()?, facts)));
    findings
}

fn closed(keychain: &KeychainFacts) -> Option<Finding> {
    let Content::Closed(error) = &keychain.content else { return None };
    let means = |text: &str| format!("{text}: nothing is refreshed, and new tokens wait in the journal");
    Some(match error {
        KeychainError::Locked { .. } => Finding::trouble(
            "keychain-locked",
            Certain,
            means(
                "the Keychain is locked, or nobody can be asked here (over SSH, before the login at the screen)",
            ),
            "log in at the screen, or type `security unlock-keychain`; what waits is written within minutes",
        ),
        KeychainError::Refused { .. } | KeychainError::Declined { .. } | KeychainError::NoAnswer { .. } => {
            Finding::trouble(
                "keychain-not-allowed",
                if matches!(error, KeychainError::NoAnswer { .. }) { Likely } else { Certain },
                means("macOS asks on the screen before it gives the item to /usr/bin/security"),
                format!(
                    "when it asks, type your login password and click \"Always Allow\" (\"Allow\" holds once): that adds \
                     `security` to the item's list. Or do it yourself: {WHERE_TO_CLICK}, add /usr/bin/security with \"+\" \
                     (Cmd-Shift-G to type the path), and Save Changes. \"Allow all applications to access this item\" there \
                     lets every program of yours read it, and is needed for `keychain = \"native\"` only"
                ),
            )
        }
        KeychainError::NoKeychain { .. } => Finding::trouble(
            "keychain-missing",
            Certain,
            means("this user has no default Keychain, or it cannot be opened"),
            "see `security default-keychain` and `security list-keychains`; Keychain Access makes a new one",
        ),
        other => Finding::trouble(
            "keychain-tool-fails",
            Certain,
            means(&other.to_string()),
            "see that `/usr/bin/security list-keychains` works; without a Mac set `keychain = \"off\"`",
        ),
    })
}

fn missing(keychain: &KeychainFacts) -> Option<Finding> {
    if !matches!(keychain.content, Content::Absent) {
        return None;
    }
    if let Some(account) = keychain.accounts.first() {
        return Some(Finding::trouble(
            "keychain-other-account",
            Likely,
            format!(
                "there is an item of this service for the account {}, and none for {}: the agent runs with another $USER than \
                 Claude Code",
                quoted(account),
                quoted(keychain.item.account())
            ),
            format!("start the agent with USER={}", quoted(account)),
        ));
    }
    Some(match &keychain.of_file {
        Holding::Nothing => Finding::note(
            "keychain-item-missing",
            Certain,
            "Claude Code has stored no login in the Keychain yet",
            "nothing; the item appears with the first `claude mcp login`, and the agent never makes one",
        ),
        _ => Finding::note(
            "keychain-item-missing",
            Certain,
            "Claude Code keeps its logins in .credentials.json here, and none in the Keychain; the file is used",
            "nothing; when Claude Code begins to use the Keychain, restart the agent",
        ),
    })
}

fn large(keychain: &KeychainFacts) -> Option<Finding> {
    let Content::Bytes(size, _) = &keychain.content else { return None };
    let used = keychain.kind == StoreKind::Keychain;
    let error = keychain.fits.as_ref().err().filter(|_| used)?;
    let (KeychainError::TooLarge { as_argument, most, .. }, size) = (error, size) else {
        return Some(Finding::trouble("keychain-item-large", Certain, error.to_string(), "see the message"));
    };
    let means = format!(
        "the document has {size} bytes, and with longer tokens in it it could not be written ({most} bytes at most): nothing is \
         refreshed"
    );
    let cure = if *as_argument {
        "remove logins that you do not use any more: `claude mcp logout NAME`"
    } else {
        "set `keychain_large_items = \"argument\"` (other programs of yours can then see the document for a moment, as they can when \
         Claude Code writes it), or remove logins: `claude mcp logout NAME`"
    };
    Some(Finding::trouble("keychain-item-large", Certain, means, cure))
}

fn two_stores(store: &StoreFacts, keychain: &KeychainFacts) -> Option<Finding> {
    let Content::Bytes(_, of_item) = &keychain.content else { return None };
    let (Holding::Document { refreshable: item }, Holding::Document { refreshable: file }) =
        (of_item, &keychain.of_file)
    else {
        return None;
    };
    let path = store.folder.credentials_path();
    let path = quoted(&path.display().to_string());
    if file.is_empty() && !item.is_empty() {
        return Some(Finding::trouble(
            "keychain-hidden-by-file",
            Possible,
            format!(
                "the Keychain holds good logins, and beside it stands {path} without any: where Claude Code reads that file first, it \
                 says that you are not logged in"
            ),
            format!("with Claude Code closed, move the file away: `mv {path} {path}.old`"),
        ));
    }
    (keychain.why == Why::Later).then(|| {
        let used = match keychain.kind {
            StoreKind::Keychain => "the Keychain's are used, since they expire later, and the file is left alone",
            StoreKind::File => "the file's are used, since they expire later, and the Keychain is left alone",
        };
        Finding::trouble(
            "keychain-and-file-differ",
            Certain,
            format!("the Keychain and {path} hold different logins; {used}"),
            format!(
                "see which one Claude Code uses: log in to a server and look where it appears. If it is the Keychain, move the file \
                 away (`mv {path} {path}.old`), and restart the agent"
            ),
        )
    })
}

/// The agent chooses once, at its start; what was empty then may hold the logins now.
fn outdated_choice(facts: &Facts, store: &StoreFacts) -> Option<Finding> {
    let Agent::Runs(status, _) = &facts.agent else { return None };
    let now = store.path.to_str()?;
    let item = store.keychain.as_ref()?.item.to_string();
    let file = store.folder.credentials_path();
    let is_of_folder = |location: &str| location == item || Path::new(location) == file;
    let used = status.stores.iter().find(|used| is_of_folder(&used.location))?;
    (used.location != now).then(|| {
        Finding::trouble(
            "keychain-choice-outdated",
            Certain,
            format!(
                "the agent chose {} at its start and stays with it, and by now it would choose {now}: the logins there are not refreshed",
                used.location
            ),
            facts.how_to_restart(),
        )
    })
}

fn stale(keychain: &KeychainFacts, facts: &Facts) -> Option<Finding> {
    // By the defaults nobody knows which folders are in use.
    if facts.config_trouble.is_some() {
        return None;
    }
    let unused: Vec<_> = keychain.stale.iter().filter(|stale| is_unused(stale, facts.now)).collect();
    let first = unused.first()?;
    let means = format!(
        "{} of Claude Code for folders that no setting names, not written for a month or longer; their refresh tokens are most likely \
         spent, and are never used here",
        counted(unused.len(), "Keychain item", "Keychain items")
    );
    let cure = format!(
        "mcp-refreshd doctor --fix (it asks first), or for each: security delete-generic-password -s {} -a {}",
        quoted(first.item.service()),
        quoted(first.item.account())
    );
    let items = unused.into_iter().cloned().collect();
    Some(Finding::note("keychain-stale-items", Likely, means, cure).fixed_by(Fix::DeleteItems { items }))
}

fn is_unused(stale: &StaleItem, now: Timestamp) -> bool {
    let before = (now - UNUSED).to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string();
    stale.modified.zip(before.parse().ok()).is_some_and(|(modified, before): (u64, u64)| modified < before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use claude_store::KeychainItem;

    #[test]
    fn an_item_is_unused_only_if_it_is_known_to_be_old() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let unused = |modified| is_unused(&StaleItem { item: KeychainItem::named("a", "b"), modified }, now);
        assert!(unused(Some(20_261_023_115_959)) && unused(Some(20_200_101_000_000)));
        assert!(!unused(Some(20_261_023_120_000)) && !unused(Some(20_271_023_120_000)) && !unused(None));
    }
}
