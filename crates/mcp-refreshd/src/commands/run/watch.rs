use crate::agent::Machine;
use crate::platform::Mounts;
use crate::platform::confined;
use claude_store::{FolderWatch, News, StorageFolder};
use refresh_engine::Keeper;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often the store is checked while the system gives no watcher.
const WITHOUT_WATCHER: Duration = Duration::from_secs(30);

/// Wakes the keeper whenever its store may have changed, for ever. `anew` is notified if only a restart of this process helps.
pub(super) async fn watch(folder: StorageFolder, keeper: Keeper<Machine>, anew: Rc<Notify>) {
    // One that was there from the start and cannot be written is as the sandbox was meant, and every refresh says so.
    let as_meant = !confined::by_systemd() || confined::is_read_only(folder.path());
    let notice = || {
        if !as_meant && confined::is_read_only(folder.path()) {
            tracing::info!(
                "{} is new: the agent restarts, so that its sandbox may write to it",
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
                // What happened before the watcher stood.
                notice();
                until_it_fails(&mut watch, &mounts, &keeper, &notice).await
            }
            Err(error) => error.to_string(),
        };
        if told.as_ref() != Some(&failure) {
            tracing::warn!(
                "{failure}; until then the store is checked every {} s",
                WITHOUT_WATCHER.as_secs()
            );
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
