//! Any split of the stream gives the same events, errors and offsets: whole, byte by
//! byte, and at split points that the input brings along, through `feed`, `next_event`,
//! `step` and both ways of the assembler, a used one that was reset too. Nothing but
//! the crate itself says what is right: all that counts here is that the splits agree.
//!
//! Input: the options (see [`Options`]); the number of lengths, 0 to 15 (the low four
//! bits); the lengths, one byte each; then the stream. The pieces have these lengths in
//! turn, over and over; a 0 is an empty piece, and no length at all is the whole.

use gotalk::{Assembler, Error};

use super::support::{drive, oracle};
use super::{NAME_CAPACITIES, Options, first};

pub struct Input<'a> {
    pub options: Options,
    pub lengths: &'a [u8],
    pub stream: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        let (options, data) = first(data);
        let (count, data) = first(data);
        let count = usize::from(count & 15).min(data.len());
        let (lengths, stream) = data.split_at(count);
        Self { options: Options::new(options), lengths, stream }
    }

    pub fn pieces(&self) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        let mut rest = self.stream;
        if self.lengths.iter().any(|length| *length > 0) {
            for length in self.lengths.iter().cycle() {
                let (piece, tail) = rest.split_at(rest.len().min((*length).into()));
                pieces.push(piece);
                rest = tail;
                if rest.is_empty() {
                    break;
                }
            }
        }
        pieces.push(rest);
        pieces
    }
}

pub fn run(data: &[u8]) {
    let input = Input::new(data);
    match input.options.capacities {
        0 => check::<0, { NAME_CAPACITIES[0] }>(&input),
        1 => check::<5, { NAME_CAPACITIES[1] }>(&input),
        2 => check::<64, { NAME_CAPACITIES[2] }>(&input),
        _ => check::<1024, { NAME_CAPACITIES[3] }>(&input),
    }
}

fn check<const P: usize, const N: usize>(input: &Input<'_>) {
    let handshake = input.options.handshake;
    let splits = [vec![input.stream], drive::chunks(input.stream, 1), input.pieces()];

    let reading = drive::by_feed::<N>(&splits[0], handshake);
    let assembly = drive::by_next_item::<P, N>(&splits[0], handshake);
    // The assembler sees what the parser sees, but for what is too long for it.
    assert_eq!(assembly, oracle::assemble(&reading, P), "assembler and parser");

    for pieces in &splits {
        assert_eq!(drive::by_feed::<N>(pieces, handshake), reading, "feed {pieces:?}");
        assert_eq!(drive::by_next_event::<N>(pieces, handshake), reading, "next_event {pieces:?}");
        assert_eq!(drive::by_step::<N>(pieces, handshake), reading, "step {pieces:?}");
        let got = drive::by_next_item::<P, N>(pieces, handshake);
        assert_eq!(got, assembly, "next_item {pieces:?}");
        let got = drive::by_assembler_step::<P, N>(pieces, handshake);
        assert_eq!(got, assembly, "Assembler::step {pieces:?}");
        let got = drive::by_assembler_feed::<P, N>(pieces, handshake);
        assert_eq!(got, assembly, "Assembler::feed {pieces:?}");
    }
    again::<P, N>(&splits, handshake, assembly.items.len());
}

/// One assembler for all splits, reset in between wherever the stream has left it.
fn again<const P: usize, const N: usize>(splits: &[Vec<&[u8]>], handshake: bool, count: usize) {
    let assembler = Assembler::<P, N>::new();
    let mut assembler = if handshake { assembler } else { assembler.without_handshake() };
    let mut ends: Vec<(u64, Result<(), Error>)> = Vec::new();
    for pieces in splits {
        let mut items = 0;
        for piece in pieces {
            let mut messages = assembler.feed(piece);
            while let Some(Ok(_)) = messages.next() {
                items += 1;
            }
        }
        assert_eq!(items, count, "after a reset: {pieces:?}");
        ends.push((assembler.offset(), assembler.finish()));
        assert_eq!(ends.first(), ends.last(), "after a reset: {pieces:?}");
        assembler.reset();
    }
}
