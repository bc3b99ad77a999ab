//! What has to hold before a time means anything: every contender reads the same
//! messages, whole and in pieces, and what it writes is what it reads.

use crate::contest::{Collected, Consumer, Head, Reader, Refused, Sums, Writer};
use crate::readers::combinators::{Grammar, Winnow};
use crate::support::conversation::{Conversation, Message};

/// The sizes of pieces in which every reader must find the same messages.
const SIZES: [usize; 5] = [1, 2, 17, 64, 1460];

/// Reads `wire` in every way, and finds the messages.
pub(crate) fn reader<R: Reader>(wire: &[u8], messages: &[Message]) {
    let mut whole = Collected::default();
    let read = R::whole(&mut R::prepare(wire), &mut whole);
    equal(R::NAME, "whole", read, &whole.0, messages);
    for size in SIZES {
        let mut pieces = Collected::default();
        let read = R::pieces(wire, size, &mut pieces);
        equal(R::NAME, &format!("in pieces of {size}"), read, &pieces.0, messages);
    }
}

/// What a timed run must arrive at.
pub(crate) fn sums(messages: &[Message]) -> Sums {
    let mut sums = Sums::default();
    for message in messages {
        let Message { letter, id, number, load, .. } = *message;
        sums.head(Head { letter, id, name: &message.name, number, load });
        sums.payload(&message.payload);
    }
    sums
}

fn equal(
    name: &str,
    way: &str,
    read: Result<(), Refused>,
    found: &[Message],
    expected: &[Message],
) {
    let wrong = found.iter().zip(expected).position(|(found, expected)| found != expected);
    if let Some(at) = wrong {
        panic!("{name}, {way}: message {at} is {:?}, not {:?}", found[at], expected[at]);
    }
    assert_eq!(found.len(), expected.len(), "{name}, {way}: messages");
    assert_eq!(read, Ok(()), "{name}, {way}");
}

/// Writes the messages twice into one output: the second run must not depend on
/// what the first one left there.
pub(crate) fn writer<W: Writer>(messages: &[Message]) -> Vec<u8> {
    let mut output = W::output(1 << 21);
    W::write(messages, &mut output);
    let first = W::written(&output).to_vec();
    W::write(messages, &mut output);
    assert_eq!(W::written(&output), first, "{}: written again", W::NAME);
    first
}

/// A winnow parser has to be one of the same grammar. Each byte of a conversation of
/// all ten types is replaced in turn, and both it and the codec must refuse the same
/// inputs, after the same messages.
pub(crate) fn same_grammar<Ours: Reader, G: Grammar>() {
    let messages =
        b"rspRSEenhf".iter().map(|letter| Message::sample(*letter, 5, 6)).collect::<Vec<_>>();
    let (last, before) = messages.split_last().unwrap();
    // Nothing counts after an `f`, so it is tried alone.
    for part in [before, std::slice::from_ref(last)] {
        let wire = Conversation::new(part.to_vec()).wire;
        reader::<Ours>(&wire, part);
        reader::<Winnow<G>>(&wire, part);
        for at in 0..wire.len() {
            for byte in *b"09afAF+-_ /:@`gGrn\0\xff" {
                let mut changed = wire.clone();
                changed[at] = byte;
                let (ours, theirs) = (outcome::<Ours>(&changed), outcome::<Winnow<G>>(&changed));
                assert_eq!(ours, theirs, "{}: byte {at} replaced by {byte:#04x}", G::NAME);
            }
        }
    }
}

/// The complete messages, and whether the input was refused.
fn outcome<R: Reader>(wire: &[u8]) -> (Vec<Message>, bool) {
    let mut found = Collected::default();
    let refused = R::whole(&mut R::prepare(wire), &mut found).is_err();
    (found.0, refused)
}
