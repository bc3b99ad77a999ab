//! As fast as we could make it. What paid: types that are laid out alike in one arm,
//! inlining by force, and the guess about sizes. What did not: neighbouring fields
//! in one `take`, and eight digits in one 64-bit word.

use winnow::error::{EmptyError, ErrMode};
use winnow::prelude::*;
use winnow::token::{any, take};

use super::{Grammar, Input, Whole};
use crate::contest::Head;

pub(crate) struct Tuned;

impl Grammar for Tuned {
    const NAME: &'static str = "winnow, same grammar, tuned";
    type Error = EmptyError;

    fn version(input: &mut Input<'_>) -> ModalResult<(), EmptyError> {
        take(2usize).verify(|version: &[u8]| version == b"01").void().parse_next(input)
    }

    #[inline(always)]
    fn message<'i>(input: &mut Input<'i>) -> ModalResult<Whole<'i>, EmptyError> {
        let letter = any.parse_next(input)?;
        let (mut id, mut name, mut wait) = ([0; 4], [].as_slice(), 0);
        match letter {
            b'r' | b's' | b'n' => {
                if letter != b'n' {
                    id = fixed(input)?;
                }
                name = take(number::<3>(input)?).parse_next(input)?;
            }
            b'p' | b'R' | b'S' | b'E' => id = fixed(input)?,
            b'e' => {
                id = fixed(input)?;
                wait = number::<8>(input)?;
            }
            b'h' => {
                let load = number::<4>(input)? as u16;
                let number = number::<8>(input)?;
                return Ok((Head { load, number, ..Head::new(letter, [0; 4]) }, &[]));
            }
            b'f' => {
                let number = number::<8>(input)?;
                return Ok((Head { number, ..Head::new(letter, [0; 4]) }, &[]));
            }
            _ => return Err(ErrMode::Backtrack(EmptyError)),
        }
        let payload = take(number::<8>(input)?).parse_next(input)?;
        Ok((Head { name, number: wait, ..Head::new(letter, id) }, payload))
    }
}

#[inline(always)]
fn fixed<const N: usize>(input: &mut Input<'_>) -> ModalResult<[u8; N], EmptyError> {
    take(N).map(|bytes: &[u8]| bytes.try_into().unwrap_or([0; N])).parse_next(input)
}

#[inline(always)]
fn number<const N: usize>(input: &mut Input<'_>) -> ModalResult<u32, EmptyError> {
    value::<N>(fixed(input)?)
}

#[inline(always)]
fn value<const N: usize>(digits: [u8; N]) -> ModalResult<u32, EmptyError> {
    const VALUES: [u8; 256] = {
        let mut values = [0xff; 256];
        let mut value = 0;
        while value < 16 {
            values[b"0123456789abcdef"[value] as usize] = value as u8;
            values[b"0123456789ABCDEF"[value] as usize] = value as u8;
            value += 1;
        }
        values
    };
    // Most sizes are small, and the next message is found sooner if that is guessed.
    if N == 8 && digits[..N - 2] == [b'0'; 6] {
        let (a, b) = (VALUES[usize::from(digits[N - 2])], VALUES[usize::from(digits[N - 1])]);
        return if (a | b) < 16 {
            Ok(u32::from(a << 4 | b))
        } else {
            Err(ErrMode::Backtrack(EmptyError))
        };
    }
    let (mut number, mut seen) = (0, 0);
    for digit in digits {
        let value = VALUES[usize::from(digit)];
        seen |= value;
        number = number << 4 | u32::from(value & 15);
    }
    if seen < 16 { Ok(number) } else { Err(ErrMode::Backtrack(EmptyError)) }
}
