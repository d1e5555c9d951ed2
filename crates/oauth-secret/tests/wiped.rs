//! A secret leaves nothing behind in memory. Alone in its process: nothing else may use what was freed before it was looked at.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails")]

use harness::memory::{Masked, copies};
use oauth_secret::{AccessToken, ClientSecret, RefreshToken, SecretBytes};

#[test]
fn a_secret_is_wiped_when_it_is_dropped_and_so_are_its_clones() {
    let texts: Vec<_> = (0..200).map(|number| Masked::new(&format!("~{:0>30}~", number * 7919))).collect();
    // A freed block is used for the list of free ones, at its beginning.
    let whole = |text: &Masked| format!("{:>24}{}", "", text.text());
    let (kept, plain) = texts.split_at(100);
    let held = |texts: &[Masked]| copies("self", texts).unwrap();
    let secrets: Vec<_> = kept
        .iter()
        .map(|text| {
            let refresh = RefreshToken::new(whole(text));
            let bytes = SecretBytes::from(whole(text).into_bytes());
            (refresh.clone(), refresh, AccessToken::new(whole(text)), ClientSecret::new(whole(text)), bytes)
        })
        .collect();
    assert!(held(kept).iter().all(|copies| *copies >= 5), "this search finds nothing");
    drop(secrets);
    let left = held(kept).iter().filter(|copies| **copies > 0).count();
    // What is no secret shows that it would be found. Each block lies between two that stay: joined, they would be room for something
    // larger, or be given back.
    let (gone, stay): (Vec<_>, Vec<_>) =
        plain.iter().map(|text| (whole(text), whole(text).replace('~', "-"))).unzip();
    drop(gone);
    let found = held(plain).iter().filter(|copies| **copies > 0).count();
    drop(stay);
    assert!(found > 50, "of 100 that were not wiped {found} are found");
    assert_eq!(left, 0, "of 100 are left");
}
