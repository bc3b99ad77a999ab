//! What a run has covered.

macro_rules! kinds {
    ($($kind:ident: $label:literal,)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Kind { $($kind,)* }

        const LABELS: &[&str] = &[$($label,)*];
    };
}

kinds! {
    Conversations: "conversations",
    Reconnected: "of these with the sessions of the one before",
    Singles: "requests made, single",
    Streams: "requests made, streams",
    Parts: "parts of requests",
    StreamEnds: "ends of streamed requests",
    Notifications: "notifications",
    NotificationsDropped: "notifications too long for the reader",
    Heartbeats: "heartbeats",
    Whole: "answers in one message",
    AnswerParts: "parts of answers",
    EarlyAnswers: "answers before the request's stream had ended",
    Empty: "empty payloads",
    Text: "payloads made on the spot",
    Announced: "payloads that went another way",
    Result: "ended by a result",
    ResultEnd: "ended by the end of a result in parts",
    ErrorResult: "ended by an error result",
    RetryResult: "ended by a retry result",
    ResultTooLong: "ended by a result too long",
    TimedOut: "ended by a timeout",
    Lost: "ended by the end of the conversation",
    Forgotten: "ended by being forgotten",
    LateResults: "results that nobody waited for",
    LateParts: "parts of requests that were over",
    BusyRetry: "refused by the session: busy, by a retry result",
    BusyError: "refused by the session: busy, by an error result",
    ManyStreams: "refused by the session: too many streams",
    Drained: "refused by the session: drained",
    NoStreams: "refused by the session: no streams",
    NameTooLong: "refused by the session: name too long",
    PayloadTooLong: "refused by the session: payload too long",
    PartTooLong: "refused by the session: part too long",
    TooMany: "calls refused: too many in flight",
    Over: "calls refused: over",
    WrongPart: "calls refused: no part fits",
    Unsupported: "calls refused: the peer takes no streams",
    Closed: "calls refused: closed",
    BadMessage: "calls refused: empty name or part, name too long",
    Full: "calls refused: writer full",
    Repeated: "calls repeated after that, and done",
    FullReceive: "events kept back: writer full",
    FullPoll: "polls put off: writer full",
    NeverFits: "messages larger than the buffer",
    Cuts: "links cut",
    CutMessages: "ends of input in the middle of a message",
    Damages: "links damaged",
    Wrapped: "clocks wrapped",
    Jumps: "jumps of days",
    Silences: "closed for silence",
    Drains: "drained",
    DrainedToEnd: "drained to the end",
    Closes: "closed by the program",
    PeerClosed: "closed by the peer",
    Torn: "conversations left without a word",
}

pub struct Coverage([u64; LABELS.len()]);

impl Coverage {
    pub fn new() -> Self {
        Self([0; LABELS.len()])
    }

    pub fn count(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub fn print(&self) {
        for (label, count) in LABELS.iter().zip(self.0) {
            println!("{label:52}{count:12}");
        }
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<&'static str> {
        LABELS
            .iter()
            .zip(self.0)
            .filter(|(_, count)| *count == 0)
            .map(|(label, _)| *label)
            .collect()
    }
}
