//! Who a client is and what it may do.

pub(crate) mod acl;
