//! The parser and the assembler against the oracle, the slow second decoder in
//! `tests/oracle`: whole, and in pieces of one length, in every way of reading.
//!
//! Input: the options (see [`Options`]), the length of a piece (0: whole only), then
//! the stream.

use super::support::{drive, oracle};
use super::{NAME_CAPACITIES, Options, first};

pub struct Input<'a> {
    pub options: Options,
    pub piece: u8,
    pub stream: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        let (options, data) = first(data);
        let (piece, stream) = first(data);
        Self { options: Options::new(options), piece, stream }
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
    let Input { options: Options { handshake, .. }, piece, stream } = *input;
    let want = oracle::read(stream, N, handshake);
    drive::check::<P, N>(&[stream], handshake, &want);
    if piece > 0 {
        drive::check::<P, N>(&drive::chunks(stream, piece.into()), handshake, &want);
    }
}
