//! Every server: on a terminal the agent and a table of each store, elsewhere one line for each server.

use super::cells::{LEAST_WIDTH, in_order};
use super::head::head;
use super::lines::lines;
use super::shown::shown;
use super::table::table;
use crate::control::report::Status;
use crate::terminal::columns::wrapped;
use crate::terminal::local::Local;
use crate::terminal::style::Style;
use crate::terminal::wording::visible;

/// The overview, what needs the user first.
pub(crate) fn overview(status: &Status, local: &Local, style: &Style) -> String {
    let status = &shown(status);
    let Some((columns, _)) = style.size else { return lines(status, local) };
    let columns = columns.max(LEAST_WIDTH);
    let mut text = head(status, local, &Style { size: Some((columns, 0)), ..*style });
    let several = status.stores.len() > 1;
    for store in in_order(status) {
        text.push('\n');
        let readable = store.unreadable.is_none() || store.absent;
        let mut say = |sentence: &str| {
            for line in wrapped(&style.shows(sentence), columns) {
                text.push_str(&format!("{line}\n"));
            }
        };
        if several {
            let unwatched =
                if store.unwatched && status.daemon.is_some() { " (not watched by the agent)" } else { "" };
            let vault = match (store.is_of_cluster(), store.vault) {
                (true, _) => " (the cluster)",
                (false, true) => " (the vault)",
                (false, false) => "",
            };
            say(&format!("{}{vault}{unwatched}:", visible(&store.location)));
        }
        #[cfg(feature = "cluster")]
        if let Some(cluster) = store.cluster.as_ref().filter(|_| readable) {
            let member = visible(&cluster.member);
            match &cluster.unreachable {
                None => say(&format!("grants of the cluster, of which this is the member {member}")),
                Some(why) => say(&format!(
                    "grants of the cluster, of which this is the member {member}; etcd cannot be reached ({}), so their tokens are kept and \
                     nothing is refreshed",
                    visible(why)
                )),
            }
        }
        match (store.entries.is_empty(), readable) {
            (true, true) => say("no servers with a login yet"),
            (true, false) => say("cannot be read"),
            (false, _) => text.push_str(&table(store, local, style, columns)),
        }
    }
    text
}
