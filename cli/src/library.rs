//! What this tool needs of the library in a form that its next release has itself.

use gotalk::{Error, MessageType, Parser, Step};

/// A parser, for a conversation from its start or from the middle.
pub(crate) fn parser<const N: usize>(handshake: bool) -> Parser<N> {
    let parser = Parser::with_name_capacity();
    if handshake { parser } else { parser.without_handshake() }
}

/// How many bytes were read, and what was found at their end.
pub(crate) fn step<const N: usize>(
    parser: &mut Parser<N>,
    input: &[u8],
) -> (usize, Result<Option<Step>, Error>) {
    let before = parser.offset();
    match parser.step(input) {
        Ok((read, step)) => (read, Ok(step)),
        Err(error) => ((parser.offset() - before) as usize, Err(error)),
    }
}

/// Every type of message.
pub(crate) const TYPES: [MessageType; 10] = [
    MessageType::SingleRequest,
    MessageType::StreamRequest,
    MessageType::StreamRequestPart,
    MessageType::SingleResult,
    MessageType::StreamResult,
    MessageType::ErrorResult,
    MessageType::RetryResult,
    MessageType::Notification,
    MessageType::Heartbeat,
    MessageType::ProtocolError,
];

/// Whether the id is that of a request which the other side has made.
pub(crate) fn is_result(message: MessageType) -> bool {
    use MessageType::{ErrorResult, RetryResult, SingleResult, StreamResult};
    matches!(message, SingleResult | StreamResult | ErrorResult | RetryResult)
}

/// The type of a message as people call it.
pub(crate) fn words(message: MessageType) -> &'static str {
    match message {
        MessageType::SingleRequest => "single request",
        MessageType::StreamRequest => "stream request",
        MessageType::StreamRequestPart => "stream request part",
        MessageType::SingleResult => "single result",
        MessageType::StreamResult => "stream result",
        MessageType::ErrorResult => "error result",
        MessageType::RetryResult => "retry result",
        MessageType::Notification => "notification",
        MessageType::Heartbeat => "heartbeat",
        MessageType::ProtocolError => "protocol error",
    }
}
