//! Whole conversations, from whatever makes the choices.

use super::super::support::generate::Rng;
use super::actions::{self, Action, Source};
use super::pair::{Pair, Space};

/// Writes down what another source chooses, as [`actions::Bytes`] reads it.
pub struct Recorder {
    pub rng: Rng,
    pub bytes: Vec<u8>,
}

impl Source for Recorder {
    fn below(&mut self, end: usize) -> usize {
        let choice = self.rng.below(end);
        self.bytes.push(choice as u8);
        choice
    }
}

/// A conversation of up to so many actions, by a session of a size that is chosen, too. With
/// `show` it prints what happens.
pub fn run(source: &mut impl Source, most: usize, show: bool) {
    match source.below(8) {
        0 | 1 => converse::<1, 1>(source, most, show),
        2 | 3 => converse::<2, 2>(source, most, show),
        4 | 5 => converse::<4, 4>(source, most, show),
        6 => converse::<0, 3>(source, most, show),
        _ => converse::<3, 0>(source, most, show),
    }
}

fn converse<const OUT: usize, const IN: usize>(source: &mut impl Source, most: usize, show: bool) {
    let settings = actions::settings(source);
    let now = actions::start(source);
    let by_events = source.one_in(2);
    if show {
        println!("Session<{OUT}, {IN}> at {now}, by events: {by_events}, {settings:?}");
    }
    let mut pair = Pair::<OUT, IN>::new(settings, now, by_events);
    for _ in 0..most {
        if source.is_used_up() {
            break;
        }
        let action = actions::action(source, &pair);
        let space = actions::space(source);
        if show {
            println!("at {}: {action:?}, {space:?}", pair.now);
        }
        pair.act(&action, space);
    }
    pair.act(&Action::TryOld, Space::Ample);
}
