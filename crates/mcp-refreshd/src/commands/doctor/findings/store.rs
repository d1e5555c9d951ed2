use crate::agent::folders::WhyNot;
use crate::commands::doctor::facts::keychain::KeychainFacts;
use crate::commands::doctor::facts::{Agent, Facts, StoreFacts};
use crate::commands::doctor::finding::Confidence::{Certain, Possible};
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::fix::Fix;
use crate::platform::process::user_id;
use crate::terminal::wording::quoted;
use crate::terminal::{remedy, shell};
use claude_store::{FileKind, Incomplete, Obstacle};
use std::path::Path;

/// The documents themselves: whether they can be read and replaced, by whom, and whether they are the right ones.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<_> = facts.concerned().flat_map(one).collect();
    // Who asks for one server or one store knows where it is.
    if facts.only.is_none() && !facts.one_store {
        findings.extend(not_kept(facts));
    }
    findings
}

fn one(store: &StoreFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let at = |finding: Finding| finding.at(&store.path);
    // What keeps a Keychain item from being read has a name of its own.
    let named = store.keychain.as_ref().is_some_and(KeychainFacts::names_the_trouble);
    let us = user_id();
    let foreign = store.stamp.is_some_and(|stamp| stamp.owner != us);
    if let Some(why) = store.unreadable.as_ref().filter(|_| !named && !foreign && !store.is_closed()) {
        let means = format!("nothing can be refreshed, and Claude Code cannot read its logins either: {why}");
        findings.push(at(Finding::trouble(
            "store-unreadable",
            Certain,
            means,
            store.readable_by.as_deref().unwrap_or("solve what the message names"),
        )));
    }
    if let Some(why) = &store.unused {
        let cure = "what the message names; until then only Claude Code refreshes these logins, as without the agent";
        findings.push(at(Finding::trouble("store-unused", Certain, why.clone(), cure)));
    }
    if let Some(stamp) = store.stamp {
        let file = quoted(&store.path.display().to_string());
        if stamp.owner != us {
            let means = format!(
                "the store belongs to user {}, and you are user {}: nothing is refreshed, and nothing is written there",
                remedy::user(stamp.owner),
                remedy::user(us)
            );
            findings.push(at(Finding::trouble(
                "store-owner",
                Certain,
                means,
                remedy::give_to(us, &folder(store, us).chain([store.path.as_path()]).collect::<Vec<_>>()),
            )));
        } else if stamp.kind == FileKind::File && stamp.mode & 0o077 != 0 {
            let means = format!("other users can read the tokens in it (mode {:04o})", stamp.mode & 0o7777);
            let finding = Finding::trouble("store-mode", Certain, means, format!("chmod 600 {file}"));
            findings.push(at(finding).fixed_by(Fix::MakePrivate { path: store.path.clone() }));
        }
    }
    if let Some(target) = &store.link {
        findings.push(at(Finding::note(
            "store-is-link",
            Certain,
            format!(
                "it is a link to {}. The agent writes through it; Claude Code replaces it with a file at its next write, and \
                 from then on there are two stores",
                target.display()
            ),
            format!(
                "set CLAUDE_CONFIG_DIR to {} instead of linking the file",
                folder_of(target).display()
            ),
        )));
    }
    match store.obstacle {
        Some(Obstacle::MountPoint) => findings.push(at(Finding::trouble(
            "store-is-mount",
            Certain,
            "the file itself is a mount point, so nobody can replace it: no refresh is started, and Claude Code cannot save one",
            "mount its folder instead of the file",
        ))),
        Some(Obstacle::Immutable) => findings.push(at(Finding::trouble(
            "store-immutable",
            Certain,
            "the file is immutable, append-only or read-only, so nobody can replace it",
            shell::clear_read_only(&store.path.display().to_string()),
        ))),
        None => {}
    }
    findings.extend(store.incomplete.as_ref().map(|why| {
        let means = format!("{why}: the logins in it are neither refreshed nor forgotten, and the others go on");
        let cure = match why {
            Incomplete::OutOfReach | Incomplete::Unknown => "solve what the message names",
            _ => "see whether Claude Code still knows them (`claude mcp list`); if it asks, log in again with `claude mcp login`",
        };
        at(Finding::trouble("keychain-overflow", Certain, means, cure))
    }));
    findings.extend(store.odd.iter().map(|(key, why)| {
        let name = key.rsplit_once('|').map_or(key.as_str(), |(name, _)| name);
        let means = format!("the entry {key} is left alone: {why}");
        at(Finding::trouble(
            "entry-not-understood",
            Certain,
            means,
            crate::terminal::remedy::how_to_repair(name, &store.path.to_string_lossy()),
        )
        .of(name))
    }));
    findings
}

/// Claude Code in this shell, or without any variable, uses a store that nobody keeps.
fn not_kept(facts: &Facts) -> Vec<Finding> {
    let kept = |path: &Path| facts.stores.iter().any(|store| store.folder.credentials_path() == path);
    let of_shell = facts.shell_folder.credentials_path();
    let by_default = facts.paths.home.join(".claude/.credentials.json");
    let mut findings = Vec::new();
    let running = matches!(facts.agent, Agent::Runs(..));
    if !kept(&of_shell) && (running || of_shell.exists()) && of_shell != by_default {
        findings.push(
            Finding::trouble(
                "store-not-kept",
                Certain,
                "Claude Code in this shell keeps its logins here (CLAUDE_CONFIG_DIR or CLAUDE_SECURESTORAGE_CONFIG_DIR), \
                 and the agent does not refresh this store",
                format!(
                    "add {} to `stores` in {}, then: {}",
                    quoted(&folder_of(&of_shell).display().to_string()),
                    facts.paths.config.display(),
                    if running { facts.how_to_restart() } else { facts.how_to_start() }
                ),
            )
            .at(&of_shell),
        );
    }
    // A file listed in place of its folder has a finding, which says what to list.
    if !kept(&by_default) && by_default.exists() && !facts.files.contains(&by_default) {
        findings.push(
            Finding::note(
                "several-stores",
                Possible,
                "Claude Code without CLAUDE_CONFIG_DIR keeps its logins here, and the agent refreshes only other stores: \
                 each folder has its own logins",
                format!("if you still use it, add it to `stores` in {}", facts.paths.config.display()),
            )
            .at(&by_default),
        );
    }
    findings
}

/// The folder as a further argument, where it is foreign, too: one cause and one cure.
fn folder(store: &StoreFacts, us: u32) -> impl Iterator<Item = &Path> {
    let foreign = store.folder_trouble.iter().filter(move |trouble| match trouble.why {
        WhyNot::Foreign(owner) => owner != us,
        _ => false,
    });
    foreign.map(|trouble| trouble.path.as_path())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
