use crate::Partners;
use crate::store_access::shared::Shared;
use claude_store::Store;

/// Gives the reserved room back when the last transaction ends, however it ends.
pub(crate) struct InFlight<'a, P: Partners>(pub(crate) &'a Shared<P>);

impl<P: Partners> Drop for InFlight<'_, P> {
    fn drop(&mut self) {
        let others = self.0.in_flight.get().saturating_sub(1);
        self.0.in_flight.set(others);
        if others == 0 {
            self.0.store.release_reservation();
        }
    }
}
