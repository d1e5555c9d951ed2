use super::refused::Refused;
use crate::cli::OwnArgs;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy;
use crate::terminal::wording::visible;
use claude_store::{AnyStore, Entry, EntryKey, ReadError, Store};

/// Whether the command is about all, or about this name or key.
pub(super) fn is_named(args: &OwnArgs, name: &str, key: &EntryKey) -> bool {
    args.all || args.names.iter().any(|wanted| wanted == name || wanted == key.as_str())
}

/// What a store holds.
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    /// The keys of those that are not understood, and why.
    odd: Vec<(EntryKey, String)>,
}

impl Read {
    /// Reads it now; one that does not exist yet holds nothing.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn of(store: &AnyStore) -> Result<Self, Failure> {
        let unreadable = |why: String| Failure::new(Exit::Unreadable, visible(&why));
        let snapshot = match store.read().await {
            Ok(snapshot) => snapshot,
            Err(ReadError::Absent { .. }) => return Ok(Self { entries: Vec::new(), odd: Vec::new() }),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let document =
            snapshot.document().map_err(|error| unreadable(format!("{}: {error}", store.location())))?;
        let odd = document.problems().iter().map(|problem| (problem.key.clone(), problem.why.to_string()));
        Ok(Self { odd: odd.collect(), entries: document.into_entries().collect() })
    }

    /// Those that are asked for and not understood.
    pub(super) fn left_alone(&self, args: &OwnArgs, store: &AnyStore) -> Vec<Refused> {
        let asked = self.odd.iter().filter(|(key, _)| is_named(args, key.server_name(), key));
        asked
            .map(|(key, why)| {
                let name = key.server_name();
                let cure = remedy::how_to_repair(name, store.location());
                // Its name is put before that.
                Refused::new(name, format!("left alone, {why}; {cure}"))
            })
            .collect()
    }
}
