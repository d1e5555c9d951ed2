//! Situations that only root, another user or another machine can make: the facts are changed instead, and the findings that follow
//! from them judged. Everything else is made for real, in `tests/doctor*.rs`.

use super::facts::{Facts, Wanted};
use super::findings;
use crate::platform::files;
use crate::settings::config::{Config, ListedStore};
use crate::settings::paths::Paths;
use crate::terminal::remedy::user;
use claude_store::Obstacle;
use std::ffi::OsString;
use std::path::Path;
use tempfile::TempDir;

/// A home folder with a store in order, and what is known of it without asking anybody.
fn healthy() -> (TempDir, Facts) {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join(".claude/.credentials.json");
    std::fs::create_dir(store.parent().unwrap()).unwrap();
    std::fs::write(&store, "{}").unwrap();
    files::set_mode(&store, files::PRIVATE).unwrap();
    let env = |name: &str| (name == "HOME").then(|| OsString::from(home.path()));
    let paths = Paths::from_env(&env).unwrap();
    let config = Config::load(Path::new("/nowhere/config.toml"), &paths.home).unwrap();
    let config =
        Config { stores: Some(vec![ListedStore::Folder(store.parent().unwrap().to_owned())]), ..config };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let facts = tokio::task::LocalSet::new()
        .block_on(&runtime, async { Facts::gather(&config, &paths, Wanted::default()).await.unwrap() });
    (home, Facts { claude: None, lingers: None, ..facts })
}

/// The findings, apart from the agent that does not run.
fn names(facts: &Facts) -> Vec<&'static str> {
    let names = findings(facts).into_iter().map(|finding| finding.name);
    names.filter(|name| !name.starts_with("agent-not-")).collect()
}

// The cures are commands of Unix.
#[cfg(unix)]
#[test]
fn by_the_facts_alone_a_store_that_nobody_can_replace_is_found_and_gone_when_the_mark_is() {
    let (_home, mut facts) = healthy();
    assert!(names(&facts).is_empty(), "{:?}", findings(&facts));
    for (obstacle, name, cure) in [
        (Obstacle::Immutable, "store-immutable", "sudo chattr -i -a "),
        (Obstacle::MountPoint, "store-is-mount", "mount its folder instead of the file"),
    ] {
        facts.stores[0].obstacle = Some(obstacle);
        assert_eq!(names(&facts), [name]);
        let found = findings(&facts);
        let finding = found.iter().find(|finding| finding.name == name).unwrap();
        assert!(finding.cure.starts_with(cure), "{finding:?}");
        facts.stores[0].obstacle = None;
        assert!(names(&facts).is_empty());
    }
}

#[test]
fn by_the_facts_alone_a_store_of_another_user_is_found_and_gone_when_it_is_given_back() {
    let (_home, mut facts) = healthy();
    let us = facts.stores[0].stamp.unwrap().owner;
    facts.stores[0].stamp.as_mut().unwrap().owner = us + 1;
    assert_eq!(names(&facts), ["store-owner"]);
    let found = findings(&facts);
    let finding = found.iter().find(|finding| finding.name == "store-owner").unwrap();
    assert!(finding.cure.starts_with(&format!("sudo chown {} ", user(us))), "{finding:?}");
    facts.stores[0].stamp.as_mut().unwrap().owner = us;
    assert!(names(&facts).is_empty());
}

#[test]
fn by_the_facts_alone_a_headless_machine_without_linger_is_noted_and_not_with_it() {
    let (_home, mut facts) = healthy();
    for (lingers, expected) in [(Some(false), &["no-linger"][..]), (Some(true), &[]), (None, &[])] {
        facts.lingers = lingers;
        assert_eq!(names(&facts), expected);
    }
}
