//! What `doctor` finds in and around a Keychain: each situation made, and gone after the cure.

use crate::keychain::mac::{ITEM, Mac, SERVICE};
use serde_json::{Value, json};

/// A document with one entry.
fn document(refresh_token: &str, expires_in_s: i64, filling: usize) -> String {
    let expires_at = jiff::Timestamp::now().as_millisecond() + expires_in_s * 1000;
    let entry = json!({
        "serverName": "lab", "serverUrl": "https://lab.example/mcp", "clientId": "made-up", "expiresAt": expires_at,
        "accessToken": if refresh_token.is_empty() { "" } else { "at_lab" }, "refreshToken": refresh_token,
    });
    json!({"mcpOAuth": {"lab|00": entry}, "filling": "x".repeat(filling)}).to_string()
}

fn good() -> String {
    document("rt_lab", 3600, 0)
}

/// Findings about Keychains by their names, with everything said of them.
fn found(mac: &Mac) -> Vec<(String, Value)> {
    let output = mac.command(&["doctor", "--json", "--offline"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("rt_") && !text.contains("at_lab"), "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    let findings = told["findings"].as_array().unwrap().iter();
    let named = findings.map(|finding| (finding["name"].as_str().unwrap().to_owned(), finding.clone()));
    named.filter(|(name, _)| name.starts_with("keychain-") || name == "store-unreadable").collect()
}

/// The one finding of a situation.
fn the_one(mac: &Mac, name: &str) -> Value {
    let found = found(mac);
    assert!(found.len() == 1 && found[0].0 == name, "{name}: {found:?}");
    found[0].1.clone()
}

fn nothing(mac: &Mac) {
    let found = found(mac);
    assert!(found.is_empty(), "{found:?}");
}

fn says(finding: &Value, member: &str, words: &str) {
    assert!(finding[member].as_str().unwrap().contains(words), "{finding}");
}

#[test]
fn an_open_item_gives_no_finding() {
    nothing(&Mac::with(&good()));
}

#[test]
fn a_missing_item_is_found_and_gone_after_the_login() {
    let mac = Mac::empty();
    let finding = the_one(&mac, "keychain-item-missing");
    assert_eq!((&finding["severity"], &finding["path"]), (&"note".into(), &ITEM.into()));
    says(&finding, "cure", "claude mcp login");
    mac.put(&good());
    nothing(&mac);
    // With a file in its place it is another story.
    let mac = Mac::empty();
    mac.home.store(&good());
    says(&the_one(&mac, "keychain-item-missing"), "means", "the file is used");
}

#[test]
fn a_locked_keychain_is_found_and_gone_when_it_is_opened() {
    let mac = Mac::with(&good());
    mac.keychain.behave(|keychain| keychain.locked = true).unwrap();
    says(&the_one(&mac, "keychain-locked"), "cure", "security unlock-keychain");
    mac.keychain.behave(|keychain| keychain.locked = false).unwrap();
    nothing(&mac);
}

#[test]
fn an_item_that_is_not_given_without_a_question_is_found_and_gone_when_it_is_allowed() {
    let mac = Mac::with(&good());
    for code in [51, 128] {
        mac.keychain.behave(|keychain| keychain.refuses = Some(code)).unwrap();
        let finding = the_one(&mac, "keychain-not-allowed");
        for words in [
            "\"Always Allow\"",
            "Keychain Access",
            "/usr/bin/security",
            "\"Allow all applications to access this item\"",
        ] {
            says(&finding, "cure", words);
        }
        mac.keychain.behave(|keychain| keychain.refuses = None).unwrap();
        nothing(&mac);
    }
}

#[test]
fn an_item_too_large_for_a_line_is_found_and_gone_when_arguments_are_allowed() {
    let mac = Mac::with(&document("rt_lab", 3600, 3000));
    nothing(&mac);
    mac.home.configure("keychain = \"security\"\nkeychain_large_items = \"refuse\"\n");
    let finding = the_one(&mac, "keychain-item-large");
    says(&finding, "cure", "keychain_large_items = \"argument\"");
    mac.home.configure("keychain = \"security\"\nkeychain_large_items = \"argument\"\n");
    nothing(&mac);
    mac.put(&document("rt_lab", 3600, 300_000));
    says(&the_one(&mac, "keychain-item-large"), "cure", "claude mcp logout");
    mac.put(&good());
    nothing(&mac);
}

#[test]
fn many_old_items_are_found_and_gone_when_they_are_removed() {
    let mac = Mac::with(&good());
    old_items(&mac, &["00000000", "00000001", "00000002"]);
    let finding = the_one(&mac, "keychain-stale-items");
    says(&finding, "means", "3 Keychain items");
    says(&finding, "cure", "security delete-generic-password -s 'Claude Code-credentials-00000000' -a me");
    mac.keychain.change(|model| model.items.retain(|item| item.service == SERVICE)).unwrap();
    nothing(&mac);
}

/// Items for other folders, written two months ago.
fn old_items(mac: &Mac, digests: &[&str]) {
    for digest in digests {
        mac.keychain.put(&format!("{SERVICE}-{digest}"), "me", good()).unwrap();
    }
    let two_months_ago = jiff::Timestamp::now().as_second() - 60 * 86_400;
    mac.keychain
        .change(|model| {
            for item in model.items.iter_mut().filter(|item| item.service != SERVICE) {
                item.modified = two_months_ago;
            }
        })
        .unwrap();
}

fn services(mac: &Mac) -> Vec<String> {
    mac.keychain.change(|model| model.items.iter().map(|item| item.service.clone()).collect()).unwrap()
}

#[test]
fn old_items_are_deleted_only_when_somebody_says_so_and_never_one_that_a_folder_names_or_that_is_in_use() {
    let mac = Mac::with(&good());
    // printf %s /srv/c | sha256sum
    old_items(&mac, &["0badcafe", "0badcafe-overflow-a", "89de82ef", "old"]);
    mac.keychain.put(&format!("{SERVICE}-feedbeef"), "me", good()).unwrap();
    mac.home.configure("keychain = \"security\"\nstores = [\"~/.claude\", \"/srv/c\"]\n");
    let before = services(&mac);
    let fix = |arguments: &[&str]| {
        let all = [&["doctor", "--json", "--offline", "--fix"], arguments].concat();
        let told: Value = serde_json::from_str(&mac.told(&all).1).unwrap();
        let findings = told["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["name"] == "keychain-stale-items").unwrap()
    };
    // Nobody is there to be asked.
    for arguments in [&["--dry-run"][..], &[]] {
        let finding = fix(arguments);
        says(&finding, "fix", "Claude Code-credentials-0badcafe (last written 20");
        assert!(finding["fixed"] != true && services(&mac) == before, "{finding}");
    }
    let (_, told, _) = mac.told(&["doctor", "--offline", "--fix", "--yes"]);
    assert!(
        told.contains(
            "deleted: Claude Code-credentials-0badcafe, Claude Code-credentials-0badcafe-overflow-a"
        ),
        "{told}"
    );
    let left = ["", "-89de82ef", "-old", "-feedbeef"].map(|digest| format!("{SERVICE}{digest}"));
    assert_eq!(services(&mac), left);
    assert!(!mac.told(&["doctor", "--offline"]).1.contains("keychain-stale-items"));
}

#[test]
fn without_a_usable_configuration_no_item_is_offered_for_deletion() {
    let mac = Mac::with(&good());
    old_items(&mac, &["0badcafe"]);
    the_one(&mac, "keychain-stale-items");
    mac.home.configure("keychain = \"security\"\nstoers = [\"/srv/c\"]\n");
    let (_, told, _) = mac.told(&["doctor", "--offline", "--fix", "--yes"]);
    assert!(!told.contains("keychain-stale-items") && told.contains("configuration-invalid"), "{told}");
    assert_eq!(services(&mac).len(), 2);
}

#[test]
fn a_stub_in_the_file_that_hides_the_item_is_found_and_gone_when_the_file_is_moved_away() {
    let mac = Mac::with(&good());
    mac.home.store(&document("", 0, 0));
    let finding = the_one(&mac, "keychain-hidden-by-file");
    says(&finding, "cure", "mv ");
    std::fs::rename(mac.home.credentials(), mac.home.path().join("old")).unwrap();
    nothing(&mac);
}

#[test]
fn two_stores_with_different_logins_are_found_and_gone_when_one_is_moved_away() {
    let mac = Mac::with(&good());
    mac.home.store(&document("rt_other", 7200, 0));
    says(&the_one(&mac, "keychain-and-file-differ"), "means", "the file's are used");
    mac.home.store(&document("rt_other", 60, 0));
    says(&the_one(&mac, "keychain-and-file-differ"), "means", "the Keychain's are used");
    std::fs::rename(mac.home.credentials(), mac.home.path().join("old")).unwrap();
    nothing(&mac);
}

#[test]
fn logins_that_appear_in_the_place_that_was_not_chosen_are_found_and_gone_after_a_restart() {
    let mac = Mac::empty();
    let start = || {
        let mut daemon = mac.start();
        daemon.wait_for("started (process");
        daemon
    };
    let daemon = start();
    assert!(found(&mac).iter().all(|(name, _)| name == "keychain-item-missing"));
    // A login over SSH, say, where the Keychain cannot be reached.
    mac.home.store(&good());
    let found_now = found(&mac);
    let (_, finding) = found_now.iter().find(|(name, _)| name == "keychain-choice-outdated").unwrap();
    // It is no service here.
    says(finding, "cure", ", then start it again");
    assert!(daemon.terminate().0.success());
    let daemon = start();
    the_one(&mac, "keychain-item-missing");
    drop(daemon);
}

#[test]
fn an_item_of_another_account_is_found_and_gone_with_the_right_user() {
    let mac = Mac::empty();
    mac.keychain.put(SERVICE, "you", good()).unwrap();
    says(&the_one(&mac, "keychain-other-account"), "cure", "USER=you");
    mac.put(&good());
    nothing(&mac);
}

#[test]
fn a_tool_that_is_missing_is_found_and_gone_without_a_keychain() {
    let mac = Mac::empty();
    let run = |mac: &Mac| {
        let output = mac.home.command(&["doctor", "--json", "--offline"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&mac).contains("keychain-tool-fails"));
    mac.home.configure("keychain = \"off\"\n");
    assert!(!run(&mac).contains("keychain"));
}

#[test]
fn an_overflow_item_that_cannot_be_opened_is_named_and_gone_when_it_can() {
    let mac = Mac::with(&good());
    let (main, sealed) = scripted_security::overflow::divided(&good(), &["lab|00"], "a");
    let other = format!("{SERVICE}-overflow-a");
    mac.put(&main);
    let finding = the_one(&mac, "keychain-overflow");
    says(&finding, "means", "no longer exists");
    mac.keychain.put(&other, "me", "AAAA").unwrap();
    let finding = the_one(&mac, "keychain-overflow");
    assert_eq!(finding["path"], ITEM);
    says(&finding, "means", "does not decrypt");
    says(&finding, "means", "neither refreshed nor forgotten");
    let (code, told, said) = mac.told(&["status"]);
    assert!(code == 3 || code == 1, "{code}");
    assert!(format!("{told}{said}").contains("-overflow-a"), "{told}{said}");
    let (code, _, said) = mac.told(&["check"]);
    assert!(code == 1 && said.contains("does not decrypt"), "{code}: {said}");
    mac.keychain.put(&other, "me", sealed).unwrap();
    nothing(&mac);
    let (_, told, _) = mac.told(&["status"]);
    assert!(told.contains("lab"), "{told}");
}
