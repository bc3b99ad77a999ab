//! As winnow's documentation recommends.

use winnow::ascii::{HexUint, hex_uint};
use winnow::binary::length_take;
use winnow::combinator::{dispatch, fail};
use winnow::error::ContextError;
use winnow::prelude::*;
use winnow::stream::AsChar;
use winnow::token::{any, take, take_while};

use super::{Grammar, Input, Whole};
use crate::contest::Head;

pub(crate) struct Plain;

impl Grammar for Plain {
    const NAME: &'static str = "winnow, same grammar";
    type Error = ContextError;

    fn version(input: &mut Input<'_>) -> ModalResult<()> {
        digits::<u8>(2).verify(|version: &u8| *version == 1).void().parse_next(input)
    }

    fn message<'i>(input: &mut Input<'i>) -> ModalResult<Whole<'i>> {
        dispatch! { any;
            letter @ (b'r' | b's') => (id, name, payload)
                .map(move |(id, name, payload)| (Head { name, ..Head::new(letter, id) }, payload)),
            letter @ (b'p' | b'R' | b'S' | b'E') =>
                (id, payload).map(move |(id, payload)| (Head::new(letter, id), payload)),
            b'e' => (id, number, payload)
                .map(|(id, number, payload)| (Head { number, ..Head::new(b'e', id) }, payload)),
            b'n' => (name, payload)
                .map(|(name, payload)| (Head { name, ..Head::new(b'n', [0; 4]) }, payload)),
            b'h' => (load, number)
                .map(|(load, number)| (Head { load, number, ..Head::new(b'h', [0; 4]) }, [].as_slice())),
            b'f' => number
                .map(|number| (Head { number, ..Head::new(b'f', [0; 4]) }, [].as_slice())),
            _ => fail,
        }
        .parse_next(input)
    }
}

fn id(input: &mut Input<'_>) -> ModalResult<[u8; 4]> {
    take(4usize).map(|id: &[u8]| [id[0], id[1], id[2], id[3]]).parse_next(input)
}

fn digits<T: HexUint>(count: usize) -> impl FnMut(&mut Input<'_>) -> ModalResult<T> {
    // A number must end where its digits end, hence not `take` alone.
    move |input| take_while(count, AsChar::is_hex_digit).and_then(hex_uint).parse_next(input)
}

fn number(input: &mut Input<'_>) -> ModalResult<u32> {
    digits(8).parse_next(input)
}

fn load(input: &mut Input<'_>) -> ModalResult<u16> {
    digits(4).parse_next(input)
}

fn name<'i>(input: &mut Input<'i>) -> ModalResult<&'i [u8]> {
    length_take(digits::<u16>(3)).parse_next(input)
}

fn payload<'i>(input: &mut Input<'i>) -> ModalResult<&'i [u8]> {
    length_take(number).parse_next(input)
}
