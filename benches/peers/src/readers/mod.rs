//! The contenders, one module each.

pub(crate) mod cobs;
pub(crate) mod combinators;
pub(crate) mod length_delimited;
pub(crate) mod mqtt;
pub(crate) mod ours;
pub(crate) mod reference;
pub(crate) mod resp;
