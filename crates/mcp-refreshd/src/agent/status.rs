use crate::agent::Machine;
use crate::agent::client::ClaudeCode;
use crate::agent::stores::{self, storage_folders};
use crate::control::report::{Status, StoreStatus};
use crate::control::socket::reach;
use crate::platform::clock::SystemClock;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::failure::Failure;
use claude_store::{OsFileSystem, Store};
use refresh_engine::{Journal, Records, inspect};

/// How everything is, from the daemon if it runs, else from the disk.
///
/// # Errors
/// A daemon runs and does not answer as it should, or the configuration cannot be used.
pub(crate) async fn gather(paths: &Paths) -> Result<Status, Failure> {
    Ok(match reach(&paths.state).await? {
        Some(status) => status,
        None => status_from_disk(&Config::load(&paths.config, &paths.home)?, paths).await,
    })
}

/// How everything is, read from the disk: takes no lock and changes nothing.
pub(crate) async fn status_from_disk(config: &Config, paths: &Paths) -> Status {
    let records = Records::peek(OsFileSystem, &paths.state);
    // A journal that cannot be read is the daemon's to complain about.
    let unfinished = Journal::peek(&OsFileSystem, &paths.state).unwrap_or_default();
    let mut stores = Vec::new();
    for folder in storage_folders(config, paths) {
        let owed = |location: &str| {
            unfinished.iter().any(|open| open.intent.store == location && open.answer.is_some())
        };
        let store = stores::open(config, paths, &folder, &owed).await.store;
        let open = unfinished.iter().filter(|open| open.intent.store == store.location()).count();
        let client = ClaudeCode::new(&folder);
        let report = inspect::<Machine>(&store, &records, &SystemClock, &client, &config.policy, open).await;
        stores.push(StoreStatus::new(report));
    }
    Status { daemon: None, stores }
}
