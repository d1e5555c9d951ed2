use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::sleep;

/// What is wrong with one member at present.
pub(crate) struct Faults {
    /// Stopped by a signal: nothing of it runs.
    paused: watch::Sender<bool>,
    /// Nothing reaches etcd.
    cut: watch::Sender<bool>,
    /// Requests reach etcd, replies get lost.
    deaf: watch::Sender<bool>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            paused: watch::Sender::new(false),
            cut: watch::Sender::new(false),
            deaf: watch::Sender::new(false),
        }
    }
}

impl Faults {
    pub(crate) fn heal(&self) {
        for kind in [&self.paused, &self.cut, &self.deaf] {
            kind.send_replace(false);
        }
    }

    pub(crate) fn pause_for(&self, time: Duration) {
        lasts(&self.paused, time);
    }

    pub(crate) fn cut_for(&self, time: Duration) {
        lasts(&self.cut, time);
    }

    pub(crate) fn lose_replies_for(&self, time: Duration) {
        lasts(&self.deaf, time);
    }

    pub(crate) fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }

    pub(crate) fn is_deaf(&self) -> bool {
        *self.deaf.borrow() || self.is_cut()
    }

    pub(crate) async fn unpaused(&self) {
        let mut paused = self.paused.subscribe();
        while *paused.borrow_and_update() {
            paused.changed().await.unwrap();
        }
    }

    /// Returns when nothing gets through any more.
    pub(crate) async fn deafened(&self) {
        let (mut cut, mut deaf) = (self.cut.subscribe(), self.deaf.subscribe());
        while !(*cut.borrow_and_update() || *deaf.borrow_and_update()) {
            tokio::select! { _ = cut.changed() => {}, _ = deaf.changed() => {} }
        }
    }
}

fn lasts(kind: &watch::Sender<bool>, time: Duration) {
    kind.send_replace(true);
    let kind = kind.clone();
    spawn_local(async move {
        sleep(time).await;
        kind.send_replace(false);
    });
}
