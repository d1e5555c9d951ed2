use crate::agent::Machine;
use claude_store::{FolderWatch, StorageFolder};
use refresh_engine::Keeper;
use std::time::Duration;

/// How often the store is looked at while the system gives no watcher.
const WITHOUT_WATCHER: Duration = Duration::from_secs(30);

/// Wakes the keeper whenever its store may have changed, for ever.
pub(super) async fn watch(folder: StorageFolder, keeper: Keeper<Machine>) {
    let mut told = None;
    loop {
        let failure = match FolderWatch::new(&folder) {
            Ok(mut watch) => {
                if told.take().is_some() {
                    tracing::info!("{} is watched again", folder.path().display());
                }
                // What happened before the watcher stood.
                keeper.store_changed();
                until_it_fails(&mut watch, &keeper).await
            }
            Err(error) => error.to_string(),
        };
        if told.as_ref() != Some(&failure) {
            tracing::warn!(
                "{failure}; until then the store is looked at every {} s",
                WITHOUT_WATCHER.as_secs()
            );
            told = Some(failure);
        }
        tokio::time::sleep(WITHOUT_WATCHER).await;
        keeper.store_changed();
    }
}

async fn until_it_fails(watch: &mut FolderWatch, keeper: &Keeper<Machine>) -> String {
    loop {
        match watch.changed().await {
            Ok(()) => keeper.store_changed(),
            Err(error) => return error.to_string(),
        }
    }
}
