//! How many connections each address has.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use hashbrown::HashMap;

/// Counts of addresses with connections; bounded as connections are.
pub(crate) struct Addresses {
    counts: Mutex<HashMap<IpAddr, usize>>,
    connections_max: usize,
}

/// One connection's place; given back when it is dropped.
pub(crate) struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    pub(crate) fn new(connections_max: usize) -> Arc<Addresses> {
        Arc::new(Addresses { counts: Mutex::default(), connections_max })
    }

    /// Returns a place for a connection; `None` when its address has as many as it may.
    pub(crate) fn take(self: &Arc<Addresses>, address: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().expect("no holder panics");
        let present = counts.get(&address).copied().unwrap_or(0);
        if present >= self.connections_max {
            return None;
        }
        counts.insert(address, present + 1);
        Some(Place { addresses: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.addresses.counts.lock().expect("no holder panics");
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn places_are_given_back() {
        let addresses = Addresses::new(1);
        let (one, two) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from([10, 0, 0, 1]));
        let place = addresses.take(one);
        assert!(place.is_some() && addresses.take(one).is_none() && addresses.take(two).is_some());
        drop(place);
        assert!(addresses.take(one).is_some());
        assert!(addresses.counts.lock().unwrap().is_empty());
    }
}
