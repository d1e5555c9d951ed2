//! Keeps the member's lease.

use super::Member;
use crate::lease::Lease;
use crate::{Clock, KeyValues, KvError, Put, Txn};
use std::time::Duration;

/// After a failure.
const AGAIN: Duration = Duration::from_millis(500);

impl<K: KeyValues, C: Clock> Member<K, C> {
    /// Gets a lease and renews it, forever.
    pub(super) async fn keep_lease(&self) {
        loop {
            let wait = match self.renew_lease().await {
                Ok(()) => self.inner.options.lease / 3,
                Err(_) => AGAIN,
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn renew_lease(&self) -> Result<(), KvError> {
        let inner = &self.inner;
        let before = inner.clock.boot();
        let held = inner.lease.borrow().clone();
        let Some(held) = held else { return self.take_lease().await };
        match inner.noted(inner.kv.keep_alive(held.id).await) {
            Ok(true) => {
                let good_until = before + inner.options.lease;
                inner.lease.replace(Some(Lease { good_until, ..held }));
                Ok(())
            }
            Ok(false) => {
                inner.lease.replace(None);
                self.take_lease().await
            }
            Err(error) => {
                if inner.clock.boot() >= held.good_until {
                    inner.lease.replace(None);
                }
                Err(error)
            }
        }
    }

    async fn take_lease(&self) -> Result<(), KvError> {
        let inner = &self.inner;
        let before = inner.clock.boot();
        let id = inner.noted(inner.kv.grant_lease(inner.options.lease).await)?;
        let key = format!("{}members/{id}", inner.options.prefix);
        let put = Put { key: key.clone(), value: inner.options.name.clone(), lease: Some(id) };
        let written = inner.noted(inner.kv.txn(&Txn { put: vec![put], ..Txn::default() }).await)?;
        let good_until = before + inner.options.lease;
        inner.lease.replace(Some(Lease { id, key, revision: written.revision, good_until }));
        inner.ring();
        Ok(())
    }

    /// The lease, if it is certainly good.
    pub(super) fn good_lease(&self) -> Option<Lease> {
        let now = self.inner.clock.boot();
        self.inner.lease.borrow().clone().filter(|lease| now < lease.good_until)
    }
}
