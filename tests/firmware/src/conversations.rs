//! Conversations between a Go client and a Go server, as they were recorded.

pub struct Conversation {
    pub name: &'static str,
    /// What the client sent.
    pub client: &'static [u8],
    /// What the server answered: the device must send the same.
    pub server: &'static [u8],
}

macro_rules! recorded {
    ($name:literal) => {
        conversation($name, capture!($name, ".c2s.bin"), capture!($name, ".s2c.bin"))
    };
}

macro_rules! capture {
    ($name:literal, $end:literal) => {
        include_bytes!(concat!("../../conversations/", $name, $end))
    };
}

const fn conversation(
    name: &'static str,
    client: &'static [u8],
    server: &'static [u8],
) -> Conversation {
    Conversation { name, client, server }
}

/// What `build.rs` has made of a recording.
macro_rules! derived {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

pub const ALL: &[Conversation] = &[
    recorded!("a-single-json"),
    recorded!("b-binary-payload"),
    recorded!("c-empty-result"),
    recorded!("c-error-unknown-op"),
    recorded!("e-stream"),
    recorded!("g-notify"),
    recorded!("j-bad-type"),
    // The Go server hangs up here without saying why.
    conversation("k-version-client02", capture!("k-version-client02", ".c2s.bin"), b"01f00000001"),
    // Not recorded: the Go server has no limit that a name could be over.
    conversation(
        "a long name",
        b"01r0001023an operation that does not even fit00000002hir0002004echo00000002hi",
        b"01E000100000008too longR000200000002hi",
    ),
    // Nor does it say when to come back: one stream at a time is all that this device takes.
    conversation(
        "two streams at once",
        b"01s0001005upper00000002his0002005upper00000002hip000200000002hop000100000000",
        b"01S000100000002HIe0002000001f400000004busyS000100000000",
    ),
    // The Go server answers in the order in which its threads are done.
    conversation(
        "l-pipelined-64",
        capture!("l-pipelined-64", ".c2s.bin"),
        derived!("in-order.bin"),
    ),
];
