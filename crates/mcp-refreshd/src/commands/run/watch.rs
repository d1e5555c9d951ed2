use crate::agent::Machine;
use crate::platform::Mounts;
use crate::platform::confined;
use claude_store::{FolderWatch, News, StorageFolder};
use refresh_engine::Keeper;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often to check the store while the system provides no watcher.
const WITHOUT_WATCHER: Duration = Duration::from_secs(30);

/// Wakes the keeper whenever its store may have changed, forever. Notifies `anew` if only a restart of this process helps.
pub(super) async fn watch(folder: StorageFolder, keeper: Keeper<Machine>, anew: Rc<Notify>) {
    // A folder that was unwritable from the start is meant to be so, and every refresh reports it.
    let as_meant = !confined::by_systemd() || confined::is_read_only(folder.path());
    let notice = || {
        if !as_meant && confined::is_read_only(folder.path()) {
            tracing::info!(
                "{} is new: restarting, so that the sandbox allows writing to it",
                folder.path().display()
            );
            anew.notify_one();
            return;
        }
        keeper.store_changed();
    };
    let mounts = Mounts::new();
    let mut told = None;
    loop {
        let failure = match FolderWatch::new(&folder) {
            Ok(mut watch) => {
                if told.take().is_some() {
                    tracing::info!("{} is watched again", folder.path().display());
                }
                // Changes from before the watcher was set up.
                notice();
                until_it_fails(&mut watch, &mounts, &keeper, &notice).await
            }
            Err(error) => error.to_string(),
        };
        if told.as_ref() != Some(&failure) {
            tracing::warn!("{failure}; until then, checking the store every {} s", WITHOUT_WATCHER.as_secs());
            told = Some(failure);
        }
        tokio::time::sleep(WITHOUT_WATCHER).await;
        notice();
    }
}

async fn until_it_fails(
    watch: &mut FolderWatch,
    mounts: &Mounts,
    keeper: &Keeper<Machine>,
    notice: &impl Fn(),
) -> String {
    loop {
        tokio::select! {
            change = watch.changed() => match change {
                Ok(News::Session) => keeper.session_began(),
                Ok(News::Any) => notice(),
                Err(error) => return error.to_string(),
            },
            () = mounts.changed() => watch.recheck(),
        }
    }
}
