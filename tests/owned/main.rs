//! Messages that own their bytes: there with the feature `heapless` alone.

#[cfg(feature = "heapless")]
mod messages;

/// Stands in the output where the feature is missing, so that nobody takes silence for a pass.
#[cfg(not(feature = "heapless"))]
#[test]
#[ignore = "needs --features heapless"]
fn owned_messages() {}
