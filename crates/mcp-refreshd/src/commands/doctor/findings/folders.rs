use crate::agent::folders::{FolderTrouble, WhyNot};
use crate::commands::doctor::facts::{Agent, Facts, StoreFacts};
use crate::commands::doctor::finding::Confidence::Certain;
use crate::commands::doctor::finding::Finding;
use crate::platform::process::user_id;
use crate::terminal::{remedy, shell};

/// The folders that are written to: those of the stores, and that of the agent's own state.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let stores = facts.concerned().filter(|store| !is_foreign(store));
    let stores = stores.filter_map(|store| Some((store, store.folder_trouble.as_ref()?)));
    let mut findings: Vec<_> = stores
        .map(|(store, trouble)| {
            let follows = match store.is_closed() {
                true => "nothing in it can be read either, so nothing is refreshed, and Claude Code finds no login",
                false => "neither a lock nor a new token can be written there, so no refresh is started, and Claude Code cannot save one either",
            };
            finding("store-folder-read-only", trouble, follows)
        })
        .collect();
    findings.extend(facts.state_trouble.as_ref().map(|trouble| {
        let follows = "the agent keeps its journal, its records and its control socket there: it does not start without them, or runs and \
                       cannot be asked";
        let finding = finding("state-folder-unusable", trouble, follows);
        let cure = match trouble.why {
            // What is in our own folder is foreign, too; never anything beside it.
            WhyNot::Foreign(_) if trouble.path == facts.paths.state => {
                remedy::give_with_content(user_id(), &trouble.path)
            }
            _ => finding.cure.clone(),
        };
        // The same cause keeps the agent from running.
        match facts.agent {
            Agent::Stopped if facts.unasked.is_some() => {
                Finding { cure: format!("{cure}, then: {}", facts.how_to_restart()), ..finding }
            }
            Agent::Stopped if facts.state_keeps_it_from_running() => {
                Finding { cure: format!("{cure}, then: {}", facts.how_to_start()), ..finding }
            }
            _ => Finding { cure, ..finding },
        }
    }));
    findings
}

/// Where the document is another user's too, that is one finding, and it has a name of its own.
fn is_foreign(store: &StoreFacts) -> bool {
    store.stamp.is_some_and(|stamp| stamp.owner != user_id())
}

fn finding(name: &'static str, trouble: &FolderTrouble, follows: &str) -> Finding {
    let (means, cure) = (trouble.means(), trouble.cure());
    if trouble.why == WhyNot::Full {
        let follows = "no refresh is started, since a new token could not be saved, and Claude Code cannot save one either";
        let means = format!("{means}: {follows}");
        // The stores and the state may share it.
        let together = format!("free some space ({})", shell::show_space(None));
        return Finding::trouble("disk-full", Certain, &means, cure)
            .at(&trouble.path)
            .together(means, together);
    }
    Finding::trouble(name, Certain, format!("{means}: {follows}"), cure).at(&trouble.path)
}
