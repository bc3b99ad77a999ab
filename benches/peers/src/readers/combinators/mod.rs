//! The same grammar in winnow, over partial input.
//!
//! Twice: as winnow's documentation leads one to write it (`dispatch!` on the first
//! byte, `take_while`, `hex_uint`), and as fast as we could make it and still call
//! it winnow: `take` alone, digits read by a function of our own, and the error type
//! that carries nothing.
//!
//! In pieces winnow parses an unfinished message again from its start, as its
//! documentation says; the loop around it is the one shown there.

mod plain;
mod tuned;

use std::marker::PhantomData;

use winnow::Partial;
use winnow::error::{ErrMode, ParserError};
use winnow::prelude::*;
use winnow::stream::{Offset, Stream};

pub(crate) use plain::Plain;
pub(crate) use tuned::Tuned;

use crate::contest::{Consumer, Head, Reader, Refused, Window};

type Input<'i> = Partial<&'i [u8]>;
type Whole<'i> = (Head<'i>, &'i [u8]);

pub(crate) trait Grammar {
    const NAME: &'static str;
    type Error: for<'i> ParserError<Input<'i>>;
    fn version(input: &mut Input<'_>) -> ModalResult<(), Self::Error>;
    fn message<'i>(input: &mut Input<'i>) -> ModalResult<Whole<'i>, Self::Error>;
}

pub(crate) struct Winnow<G>(PhantomData<G>);

impl<G: Grammar> Reader for Winnow<G> {
    const NAME: &'static str = G::NAME;

    type Input = Vec<u8>;
    fn prepare(wire: &[u8]) -> Vec<u8> {
        wire.to_vec()
    }

    fn whole<C: Consumer>(input: &mut Vec<u8>, consumer: &mut C) -> Result<(), Refused> {
        let mut input = Partial::new(input.as_slice());
        G::version(&mut input).map_err(|_| Refused)?;
        let closed = messages::<G, C>(&mut input, consumer)?;
        if closed || input.is_empty() { Ok(()) } else { Err(Refused) }
    }

    fn pieces<C: Consumer>(wire: &[u8], size: usize, consumer: &mut C) -> Result<(), Refused> {
        let mut window = Window::new();
        let mut started = false;
        for piece in wire.chunks(size) {
            window.fill(piece);
            let mut input = Partial::new(window.data());
            let start = input.checkpoint();
            if !started {
                match G::version(&mut input) {
                    Ok(()) => started = true,
                    Err(ErrMode::Incomplete(_)) => continue,
                    Err(_) => return Err(Refused),
                }
            }
            if messages::<G, C>(&mut input, consumer)? {
                return Ok(());
            }
            let used = input.offset_from(&start);
            window.consume(used);
        }
        if window.data().is_empty() { Ok(()) } else { Err(Refused) }
    }
}

/// Parses until a message is incomplete, and leaves that one in the input; true if
/// the peer has said that it closes: no message follows that one.
#[inline]
fn messages<'i, G: Grammar, C: Consumer>(
    input: &mut Input<'i>,
    consumer: &mut C,
) -> Result<bool, Refused> {
    loop {
        let start = input.checkpoint();
        match G::message(input) {
            Ok((head, payload)) => {
                consumer.head(head);
                consumer.payload(payload);
                if head.letter == b'f' {
                    return Ok(true);
                }
            }
            Err(ErrMode::Incomplete(_)) => {
                input.reset(&start);
                return Ok(false);
            }
            Err(_) => return Err(Refused),
        }
    }
}
