//! What the client itself made of a document (its functions of 2.1.332, run by node on made-up logins), and what is made of that here.

use super::*;
use crate::store::keychain_store::overflow::Slot;

const MAIN: &str = r#"{"claudeAiOauth":{"accessToken":"sk-made-up","refreshToken":"rt-made-up","expiresAt":1},"organizationUuid":"o","mcpOAuth":{"lab|00":{"serverName":"lab","serverUrl":"https://lab.example/mcp","accessToken":"at_lab","refreshToken":"rt_lab","expiresAt":1795381774631,"clientId":"cl_xxxxxxxxxx"},"mid|00":{"serverName":"mid","serverUrl":"https://mid.example/mcp","accessToken":"at_mid","refreshToken":"rt_mid","expiresAt":1795381774631,"clientId":"cl_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}},"mcpOAuthClientConfig":{},"keychainOverflow":{"slot":"a","key":"Tep+qM1Ei2tbT4lUuLbRiep0ogNN1wKWoJG8dB814Fk="}}"#;

const SEALED: &str = "UXUcy6QjMQyrcpKbSPAUP0oOnCZo4wmcnDqr2DW65+N7V+68pzI47bqwKy42ih5Xrx0SH5PPygWf/y/kJsXpsdL/4CesUlEt7gIXSayfE1oZcY\
    ff5Q7eLgjR9HNh5hSNG2/kxJ2lzVUcQzC1I1WINjfPF/c/rtf/lsFmjPshl5bH3JbP8u4bJCk1P4zRMPuNEhdUdAjm1zij7nqldmcYTqtZNB+k\
    vSFDEgFmapRW21c/0lkpypa/WMm6qk5Gdinp2L3Ekmhta4xZ7E11XQrMPqYWgQGJ1/i0Vg26QSnzDnDn0igC64xFqjzzPPaYFgPtrCJmkKua5L\
    zxcDiYRV0bF5WvYzvT6YjJBnZlgYfXXdgYnU4XE8ukNCKgAzJBGDDfL9T0grOOl/RDxMi3x1H1MnvotnmGDfZLNNd2QeJACVc=";

/// What the client makes of both.
const WHOLE: &str = r#"{"claudeAiOauth":{"accessToken":"sk-made-up","refreshToken":"rt-made-up","expiresAt":1},"organizationUuid":"o","mcpOAuth":{"big|00":{"serverName":"big","serverUrl":"https://big.example/mcp","accessToken":"at_big","refreshToken":"rt_big","expiresAt":1795381774631,"clientId":"cl_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},"lab|00":{"serverName":"lab","serverUrl":"https://lab.example/mcp","accessToken":"at_lab","refreshToken":"rt_lab","expiresAt":1795381774631,"clientId":"cl_xxxxxxxxxx"},"mid|00":{"serverName":"mid","serverUrl":"https://mid.example/mcp","accessToken":"at_mid","refreshToken":"rt_mid","expiresAt":1795381774631,"clientId":"cl_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}},"mcpOAuthClientConfig":{"big|00":{"clientSecret":"cs_big"}}}"#;

fn split() -> Split {
    of(MAIN, SEALED)
}

fn of(main: &str, sealed: &str) -> Split {
    let pointer = Pointer::parse(&member(main).unwrap()).unwrap();
    let sections = pointer.open(sealed.as_bytes()).unwrap();
    Split { main: SecretBytes::from(main.as_bytes()), sections, pointer }
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The whole document with another pair in this entry.
fn refreshed(whole: &[u8], name: &str) -> SecretBytes {
    let text = std::str::from_utf8(whole).unwrap();
    assert!(text.contains(&format!("at_{name}")));
    SecretBytes::from_text(text.replace(&format!("t_{name}\""), &format!("t_{name}_2\"")))
}

fn divided(split: &Split, after: &[u8], most: usize) -> Written {
    split.divide(&split.merged().unwrap(), after, |size| size <= most).unwrap()
}

/// Both items as whoever reads them next has them.
fn read_again(split: &Split, written: &Written) -> Split {
    let main = std::str::from_utf8(&written.main).unwrap();
    match &written.overflow {
        Some((_, sealed)) => of(main, std::str::from_utf8(sealed).unwrap()),
        None => Split {
            main: written.main.clone(),
            sections: split.sections.clone(),
            pointer: Pointer::parse(&member(main).unwrap()).unwrap(),
        },
    }
}

#[test]
fn two_items_of_the_client_are_what_the_client_makes_of_them() {
    let merged = split().merged().unwrap();
    assert_eq!(json(&merged), json(WHOLE.as_bytes()));
    let document = Document::parse(&merged).unwrap();
    assert_eq!(document.incomplete(), None);
    assert_eq!(document.entries().count(), 3);
    let secret = document.entry(&"big|00".into()).unwrap().client_secret.as_ref().unwrap();
    assert_eq!(secret.expose(), "cs_big");
}

#[test]
fn the_main_item_wins_where_it_has_an_access_token() {
    let newer = r#""big|00":{"serverName":"big","accessToken":"at_newer"},"#;
    let stub = r#""big|00":{"serverName":"big","accessToken":""},"#;
    for (put, token) in [(newer, "at_newer"), (stub, "at_big")] {
        let main = MAIN.replacen(r#""mcpOAuth":{"#, &format!(r#""mcpOAuth":{{{put}"#), 1);
        let merged = of(&main, SEALED).merged().unwrap();
        let document = Document::parse(&merged).unwrap();
        assert_eq!(document.entry(&"big|00".into()).unwrap().access_token.as_ref().unwrap().expose(), token);
        assert_eq!(document.entries().count(), 3);
    }
}

#[test]
fn a_changed_entry_stays_where_it_stands_and_the_rest_keeps_its_bytes() {
    let split = split();
    let whole = split.merged().unwrap();
    // In the main item: the other one is not touched.
    let written = divided(&split, &refreshed(&whole, "lab"), 4000);
    assert!(written.overflow.is_none());
    assert_eq!(&written.main[..], MAIN.replace("t_lab\"", "t_lab_2\"").as_bytes());
    // In the other one: of the main item slot and key change.
    let written = divided(&split, &refreshed(&whole, "big"), 4000);
    let (pointer, _) = written.overflow.as_ref().unwrap();
    assert_eq!(pointer.slot, Slot::B);
    assert_eq!(written.main.len(), MAIN.len());
    let (start, _) = MAIN.split_once(r#""keychainOverflow""#).unwrap();
    assert!(written.main.starts_with(start.as_bytes()));
    let again = read_again(&split, &written);
    assert_eq!(json(&again.merged().unwrap()), json(&refreshed(&whole, "big")));
    let sections = String::from_utf8(split.sections.to_vec()).unwrap();
    assert_eq!(&again.sections[..], sections.replace("t_big\"", "t_big_2\"").as_bytes());
}

#[test]
fn unknown_members_next_to_slot_and_key_are_kept() {
    let main = MAIN.replacen(r#""slot":"a""#, r#""slot":"a","login":"0123456789abcdef","later":[1e400]"#, 1);
    let split = of(&main, SEALED);
    let written = divided(&split, &refreshed(&split.merged().unwrap(), "big"), 4000);
    let text = std::str::from_utf8(&written.main).unwrap();
    assert!(text.contains(r#""slot":"b","login":"0123456789abcdef","later":[1e400],"key":""#), "{text}");
}

#[test]
fn a_main_item_that_would_not_fit_moves_as_few_of_its_largest_entries_as_possible() {
    let split = split();
    let after = refreshed(&split.merged().unwrap(), "lab");
    let written = divided(&split, &after, MAIN.len());
    assert!(written.main.len() <= MAIN.len());
    let main = std::str::from_utf8(&written.main).unwrap();
    assert!(main.contains("at_lab_2") && !main.contains("at_mid"), "the larger one goes: {main}");
    assert_eq!(json(&read_again(&split, &written).merged().unwrap()), json(&after));
    // Both, and no more than that.
    let written = divided(&split, &after, 400);
    assert!(!std::str::from_utf8(&written.main).unwrap().contains("at_"));
    assert_eq!(json(&read_again(&split, &written).merged().unwrap()), json(&after));
    assert!(split.divide(&split.merged().unwrap(), &after, |_| false).is_err());
    let (least, most) = split.extremes().unwrap();
    assert!(least <= 400 && most >= SEALED.len());
}

#[test]
fn an_entry_that_is_put_back_goes_into_the_main_item_and_none_is_ever_taken_out() {
    let split = split();
    let whole = split.merged().unwrap();
    let raw = RawEntry::new(r#"{"serverName":"new","accessToken":"at_new"}"#);
    let after =
        Document::parse(&whole).unwrap().splice(&[("new|00".into(), Change::Reinsert { raw })]).unwrap();
    let written = divided(&split, &after, 4000);
    assert!(written.overflow.is_none());
    assert_eq!(json(&read_again(&split, &written).merged().unwrap()), json(&after));
    assert!(split.divide(&whole, MAIN.as_bytes(), |_| true).is_err());
}

#[test]
fn odd_items_are_no_split_document() {
    for odd in
        ["", "{", "[]", r#"{"mcpOAuth":{}}"#, r#"{"keychainOverflow":null}"#, r#"{"a":"keychainOverflow"}"#]
    {
        assert_eq!(member(odd), None, "{odd}");
    }
    let pointer = || split().pointer;
    for (main, sections) in [
        ("{}", "[]"),
        ("{}", "{\"mcpOAuth\":[]}"),
        ("{\"mcpOAuth\":7}", "{}"),
        ("{\"mcpOAuth\":{},\"mcpOAuth\":{}}", "{}"),
        ("[", "{}"),
    ] {
        let text = |text: &str| SecretBytes::from(text.as_bytes());
        let split = Split { main: text(main), sections: text(sections), pointer: pointer() };
        assert!(split.merged().is_none(), "{main} {sections}");
    }
}
