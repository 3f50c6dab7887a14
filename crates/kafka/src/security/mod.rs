//! Who a client is and what it may do.

pub(crate) mod acl;
pub(crate) mod credentials;
pub(crate) mod principal;
pub(crate) mod sasl;
pub(crate) mod scram;
pub(crate) mod tls;
