//! The examples, over transports in memory: chunks of every size, writes that take a few
//! bytes, calls that are interrupted, and input from peers that mean no good.
//!
//! What an example must answer is worked out from what the oracle reads, and what it does
//! answer is read by the oracle too.

#[allow(dead_code)]
#[path = "../examples/answer.rs"]
mod answer;
#[allow(dead_code)]
#[path = "../examples/both_ways/main.rs"]
mod both_ways;
#[path = "../examples/device/device.rs"]
mod device;
#[allow(dead_code)]
#[path = "../examples/greet.rs"]
mod greet;
#[allow(dead_code)]
#[path = "../examples/peer.rs"]
mod peer;
mod support;
#[allow(dead_code)]
#[path = "../examples/whole_messages.rs"]
mod whole_messages;

#[path = "examples/allocations.rs"]
mod allocations;
#[path = "examples/cases.rs"]
mod cases;
#[path = "examples/codec.rs"]
mod codec;
#[path = "examples/front_page.rs"]
mod front_page;
#[path = "examples/line.rs"]
mod line;
#[path = "examples/session.rs"]
mod session;
#[cfg(not(target_family = "wasm"))] // which has neither sockets nor threads
#[path = "examples/sockets.rs"]
mod sockets;
#[path = "examples/streams.rs"]
mod streams;
