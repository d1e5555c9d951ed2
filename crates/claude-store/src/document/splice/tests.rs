use super::*;
use crate::{StubKind, TokenChange};
use oauth_secret::{AccessToken, RefreshToken};

const PAIR: &str = r#"{"accessToken":"at_1","refreshToken":"rt_1","expiresAt":1}"#;

fn tokens() -> TokenChange {
    TokenChange {
        access_token: AccessToken::new("at_2"),
        refresh_token: Some(RefreshToken::new("rt_2")),
        expires_at: Some(1_795_381_774_631),
        scope: None,
    }
}

fn wrapped(entry: &str) -> String {
    format!("{{ \"before\" : 1e400,\n\"mcpOAuth\":{{\"lab|00\" : {entry} }} , \"after\":[ ] }}\n")
}

/// The entry after one change; asserts that nothing around it moved.
fn changed(entry: &str, change: Change) -> String {
    let text = wrapped(entry);
    let document = Document::parse(text.as_bytes()).unwrap();
    let spliced = document.splice(&[("lab|00".into(), change)]).unwrap();
    let spliced = std::str::from_utf8(&spliced).unwrap();
    let (head, tail) = text.split_once(entry).unwrap();
    spliced.strip_prefix(head).unwrap().strip_suffix(tail).unwrap().to_owned()
}

fn error(entry: &str, key: &str, change: Change) -> SpliceError {
    let text = wrapped(entry);
    Document::parse(text.as_bytes()).unwrap().splice(&[(key.into(), change)]).unwrap_err()
}

#[test]
fn existing_members_are_replaced_in_place() {
    assert_eq!(
        changed(
            r#"{ "x":1,"accessToken" : "at_1" ,"y":1.50, "refreshToken":"rt_1","expiresAt":  5.5,"z":null }"#,
            Change::Tokens(tokens())
        ),
        r#"{ "x":1,"accessToken" : "at_2" ,"y":1.50, "refreshToken":"rt_2","expiresAt":  1795381774631,"z":null }"#
    );
}

#[test]
fn absent_members_are_appended_in_order() {
    let mut change = tokens();
    change.scope = Some("a \"b\"".to_owned());
    assert_eq!(
        changed(r#"{"accessToken":"", "x":1 }"#, Change::Tokens(change)),
        r#"{"accessToken":"at_2", "x":1,"refreshToken":"rt_2","expiresAt":1795381774631,"scope":"a \"b\"" }"#
    );
    assert_eq!(
        changed("{ }", Change::Tokens(tokens())),
        r#"{"accessToken":"at_2","refreshToken":"rt_2","expiresAt":1795381774631 }"#
    );
}

#[test]
fn unstated_values_are_kept_but_an_unknown_expiry_is_removed() {
    let change = || {
        Change::Tokens(TokenChange {
            access_token: AccessToken::new("at_2"),
            refresh_token: None,
            expires_at: None,
            scope: None,
        })
    };
    for (before, after) in [
        (r#"{"accessToken":"a","expiresAt":1}"#, r#"{"accessToken":"at_2"}"#),
        (r#"{"expiresAt":1,"accessToken":"a"}"#, r#"{"accessToken":"at_2"}"#),
        (r#"{"accessToken":"a" , "expiresAt":1 , "x":2}"#, r#"{"accessToken":"at_2" , "x":2}"#),
        (r#"{"accessToken":"a" , "expiresAt":1 }"#, r#"{"accessToken":"at_2" }"#),
        (r#"{ "expiresAt":1 }"#, r#"{ "accessToken":"at_2" }"#),
        (r#"{"x":1,"expiresAt":1}"#, r#"{"x":1,"accessToken":"at_2"}"#),
        (r#"{"accessToken":"a","refreshToken":"r"}"#, r#"{"accessToken":"at_2","refreshToken":"r"}"#),
    ] {
        assert_eq!(changed(before, change()), after, "{before}");
    }
}

#[test]
fn healing_restores_only_what_the_wipe_removed() {
    let heal = || Change::Heal {
        tokens: tokens(),
        client_id: Some("cl".to_owned()),
        issuer: Some("https://as".to_owned()),
        redirect_uri: Some("http://localhost:1/callback".to_owned()),
        scope: Some("mcp".to_owned()),
    };
    assert_eq!(
        changed(
            r#"{"accessToken":"","expiresAt":0,"clientId":null,"issuer":"kept","scope":"","discoveryState":{"tokenlessRejectedAt":5}}"#,
            heal()
        ),
        r#"{"accessToken":"at_2","expiresAt":1795381774631,"clientId":"cl","issuer":"kept","scope":"mcp","discoveryState":{"tokenlessRejectedAt":5},"refreshToken":"rt_2","redirectUri":"http://localhost:1/callback"}"#
    );
}

#[test]
fn a_scope_in_the_answer_wins_over_the_remembered_one() {
    for before in [r#"{"accessToken":""}"#, r#"{"accessToken":"","scope":""}"#] {
        let mut tokens = tokens();
        tokens.scope = Some("new".to_owned());
        let scope = Some("old".to_owned());
        let after = changed(
            before,
            Change::Heal { tokens, client_id: None, issuer: None, redirect_uri: None, scope },
        );
        assert!(after.contains(r#""scope":"new""#) && !after.contains("old"), "{after}");
    }
}

#[test]
fn a_restored_entry_is_the_remembered_text() {
    let restore = Change::Restore { members: RawEntry::new(PAIR) };
    assert_eq!(changed(r#"{"accessToken":"","expiresAt":0}"#, restore.clone()), PAIR);
    assert_eq!(changed("7", restore.clone()), PAIR);
    assert!(!format!("{restore:?}").contains("at_1"));
    let not_one = Change::Restore { members: RawEntry::new("[]") };
    assert_eq!(error(PAIR, "lab|00", not_one), SpliceError::NotAnObject("lab|00".into()));
}

#[test]
fn a_removed_entry_is_never_added_again_by_a_refresh() {
    let absent = SpliceError::Absent("gone|0".into());
    assert_eq!(error(PAIR, "gone|0", Change::Tokens(tokens())), absent);
    assert_eq!(error(PAIR, "gone|0", Change::Restore { members: RawEntry::new(PAIR) }), absent);
    let heal =
        Change::Heal { tokens: tokens(), client_id: None, issuer: None, redirect_uri: None, scope: None };
    assert_eq!(error(PAIR, "gone|0", heal), absent);
}

#[test]
fn an_emptied_entry_keeps_everything_but_its_tokens() {
    let empty = |entry: &str| {
        let text = format!(r#"{{"mcpOAuth":{{"a|0":{{"accessToken":"kept"}},"lab|00":{entry}}}}}"#);
        let document = Document::parse(text.as_bytes()).unwrap();
        let spliced = document.splice(&[("lab|00".into(), Change::Empty)]).unwrap();
        let after = String::from_utf8(spliced.to_vec()).unwrap();
        let stub = Document::parse(after.as_bytes()).unwrap().entry(&"lab|00".into()).unwrap().stub_kind();
        assert_eq!(stub, Some(StubKind::FailedRefresh));
        assert!(after.starts_with(r#"{"mcpOAuth":{"a|0":{"accessToken":"kept"},"#), "{after}");
        after.rsplit_once("\"lab|00\":").unwrap().1.strip_suffix("}}").unwrap().to_owned()
    };
    for (before, after) in [
        (
            r#"{"accessToken":"at","odd":1e400,"refreshToken":"rt","expiresAt":1.5,"clientId":"cl"}"#,
            r#"{"accessToken":"","odd":1e400,"expiresAt":0,"clientId":"cl"}"#,
        ),
        (r#"{"refreshToken":"rt"}"#, r#"{"accessToken":"","expiresAt":0}"#),
        (
            r#"{ "clientId":"cl" , "refreshToken":"rt" }"#,
            r#"{ "clientId":"cl","accessToken":"","expiresAt":0 }"#,
        ),
        ("{}", r#"{"accessToken":"","expiresAt":0}"#),
    ] {
        assert_eq!(empty(before), after);
        assert_eq!(empty(after), after);
    }
    assert_eq!(error(PAIR, "gone|0", Change::Empty), SpliceError::Absent("gone|0".into()));
}

#[test]
fn a_malformed_entry_is_left_alone() {
    for bad in ["7", r#"{"accessToken":7}"#, r#"{"x":1,"x":2}"#] {
        assert_eq!(error(bad, "lab|00", Change::Tokens(tokens())), SpliceError::Problem("lab|00".into()));
    }
    let twice = r#"{"mcpOAuth":{"x|0":{},"x|0":{}}}"#;
    let document = Document::parse(twice.as_bytes()).unwrap();
    for change in [Change::Tokens(tokens()), Change::Restore { members: RawEntry::new("{}") }] {
        assert_eq!(
            document.splice(&[("x|0".into(), change)]).unwrap_err(),
            SpliceError::Problem("x|0".into())
        );
    }
}

#[test]
fn an_entry_is_put_back_at_the_end() {
    let reinsert = |text: &str, keys: &[&str]| {
        let changes: Vec<_> = keys
            .iter()
            .map(|key| (EntryKey::new(*key), Change::Reinsert { raw: RawEntry::new(" {\"a\":1} ") }))
            .collect();
        let spliced = Document::parse(text.as_bytes()).unwrap().splice(&changes);
        spliced.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    };
    assert_eq!(
        reinsert(r#"{"mcpOAuth":{"b|0":{} }}"#, &["a|0", "c\"|0"]).unwrap(),
        r#"{"mcpOAuth":{"b|0":{},"a|0":{"a":1},"c\"|0":{"a":1} }}"#
    );
    assert_eq!(reinsert(r#"{"mcpOAuth":{}}"#, &["a|0"]).unwrap(), r#"{"mcpOAuth":{"a|0":{"a":1}}}"#);
    assert_eq!(reinsert(r#" {"x":1}"#, &["a|0"]).unwrap(), r#" {"x":1,"mcpOAuth":{"a|0":{"a":1}}}"#);
    assert_eq!(reinsert("{}", &["a|0"]).unwrap(), r#"{"mcpOAuth":{"a|0":{"a":1}}}"#);
    assert_eq!(reinsert(r#"{"mcpOAuth":{"a|0":{}}}"#, &["a|0"]), Err(SpliceError::Present("a|0".into())));
}

#[test]
fn several_entries_change_in_one_write_and_one_entry_only_once() {
    let text =
        r#"{"mcpOAuth":{"b|0":{"accessToken":"x"},"a|0":{"accessToken":"y"},"c|0":{"accessToken":"z"}}}"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let change = |token: &str| {
        Change::Tokens(TokenChange {
            access_token: AccessToken::new(token),
            refresh_token: None,
            expires_at: None,
            scope: None,
        })
    };
    let spliced = document.splice(&[("c|0".into(), change("longer")), ("b|0".into(), change("1"))]).unwrap();
    assert_eq!(
        std::str::from_utf8(&spliced).unwrap(),
        r#"{"mcpOAuth":{"b|0":{"accessToken":"1"},"a|0":{"accessToken":"y"},"c|0":{"accessToken":"longer"}}}"#
    );
    let twice = [("b|0".into(), change("1")), ("b|0".into(), change("2"))];
    assert_eq!(document.splice(&twice).unwrap_err(), SpliceError::Twice("b|0".into()));
    assert_eq!(&document.splice(&[]).unwrap()[..], text.as_bytes());
}

#[test]
fn a_failed_change_among_several_changes_nothing() {
    let text = wrapped(PAIR);
    let changes = [("lab|00".into(), Change::Tokens(tokens())), ("gone|0".into(), Change::Tokens(tokens()))];
    assert!(Document::parse(text.as_bytes()).unwrap().splice(&changes).is_err());
}
