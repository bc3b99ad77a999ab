//! Captures that are broken, cut off, or made to cost much.

use std::io::{self, Read};
use std::process::Stdio;

use super::*;
use crate::support::gotalk;

/// Files with everything in them.
fn files() -> Vec<Vec<u8>> {
    let mut ng = [section(BIG), interface(BIG, 101, &[(9, &[9])])].concat();
    for packet in talk().packets() {
        ng.extend(enhanced(BIG, 0, 1_700_000_000_000_000_000, &packet));
    }
    let mut files = vec![pcap(&talk().packets()), ng];
    for name in ["mixed.pcap", "any.pcap", "short.pcap"] {
        files.push(fs::read(format!("{DIR}{name}")).unwrap());
    }
    files
}

#[test]
fn a_file_cut_anywhere_shows_what_came_before() {
    for file in files() {
        let whole = messages(&show(&file));
        for cut in 4..file.len() {
            let output = show(&file[..cut]);
            let shown = messages(&output);
            assert!(whole.starts_with(&shown), "{cut}: {}", output.out);
            let between = !output.out.contains("the file ends in the middle, at offset ");
            assert!(output.code == 2 || between, "{cut}: {}", output.out);
            assert_eq!(output.err, "");
        }
    }
}

/// GOTALK_ROUNDS asks for more files.
#[test]
fn no_file_makes_it_panic() {
    let files = files();
    let rounds = std::env::var("GOTALK_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2000);
    for seed in 0..rounds {
        let mut random = Random(seed);
        let mut file = files[random.below(files.len() as u64) as usize].clone();
        for _ in 0..=random.below(8) {
            let at = random.below(file.len() as u64) as usize;
            match random.below(4) {
                0 => file[at] = random.below(256) as u8,
                1 => file[at] ^= 1 << random.below(8),
                2 => file.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
                _ => drop(file.drain(at..(at + 4).min(file.len()))),
            }
        }
        for args in [["-"].as_slice(), &["--json", "-"], &["--port", "7000", "-"]] {
            let output = run(args, file.as_slice());
            assert!([0, 1, 2, 64, 66].contains(&output.code), "seed {seed}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let packets = talk().packets();
    let good = pcap(&packets[..2]);
    let with = |tail: &[u8]| [&good, tail].concat();
    let ng = [section(LITTLE), interface(LITTLE, 101, &[])].concat();
    let ng_with = |tail: &[u8]| [&ng, tail].concat();
    for (file, why) in [
        (
            with(&LITTLE.numbers(&[0, 0, u32::MAX, 9])),
            "after packet 2, at offset 136: a packet of 4294967295 bytes cannot be",
        ),
        (
            ng_with(&LITTLE.numbers(&[6, u32::MAX, 0])),
            "after packet 0, at offset 48: a block of 4294967295 bytes cannot be",
        ),
        (ng_with(&LITTLE.numbers(&[6, u32::MAX - 3, 0])), "block of 4294967292 bytes cannot be"),
        (ng_with(&LITTLE.numbers(&[6, 13, 0, 0])), "a block of 13 bytes cannot be"),
        (ng_with(&LITTLE.numbers(&[6, 12, 12])), "at offset 48: the block is broken"),
        (
            ng_with(&block(LITTLE, 6, &LITTLE.numbers(&[0, 0, 0, u32::MAX, 9]))),
            "at offset 48: the block is broken",
        ),
        (
            ng_with(&block(LITTLE, 6, &LITTLE.numbers(&[0, 0, 0, 0xffff_fff8, 9]))),
            "at offset 48: the block is broken",
        ),
        (
            ng_with(&enhanced(LITTLE, 1, 0, b"")),
            "after packet 0, at offset 48: the interface of the packet is not",
        ),
        (
            [section(LITTLE), LITTLE.numbers(&[0x0a0d_0d0a, 28, 9, 9, 9, 9, 28])].concat(),
            "at offset 28: a section does not tell its byte order",
        ),
        (
            [section(LITTLE), interface(LITTLE, 1, &[]).repeat(4097)].concat(),
            "there are too many interfaces",
        ),
    ] {
        let output = show(&file);
        assert_eq!(output.code, 66, "{why}: {}{}", output.out, output.err);
        assert!(output.err.contains(why), "{why}: {}", output.err);
        assert!(output.err.starts_with("gotalk: cannot read the standard input: after packet "));
    }
}

/// Clocks may say anything.
#[test]
fn any_clock_is_taken() {
    for resolution in [0, 6, 19, 20, 127, 128, 191, 192, 255] {
        for (time, offset) in [(0, i64::MIN), (u64::MAX, i64::MAX), (u64::MAX, i64::MIN)] {
            let (resolution, offset) = ([resolution], i64::to_le_bytes(offset));
            let options = [(9, resolution.as_slice()), (14, &offset)];
            let mut file = [section(LITTLE), interface(LITTLE, 101, &options)].concat();
            for packet in talk().packets() {
                file.extend(enhanced(LITTLE, 0, time, &packet));
            }
            assert_eq!(messages(&show(&file)).len(), 5);
        }
    }
    let file = pcap_with(LITTLE, 0xa1b2_c3d4, u32::MAX / 10, RAW, &talk().packets());
    assert_eq!(messages(&show(&file)).len(), 5);
}

/// Gives packets without end that all want to be kept.
struct Flood {
    left: u32,
    random: Random,
    /// What the next connection, of so many that are still to come, says.
    packets: fn(u32, &mut Random) -> Vec<Vec<u8>>,
    piece: Vec<u8>,
}

impl Read for Flood {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.left > 0 {
            self.left -= 1;
            let packets = (self.packets)(self.left, &mut self.random);
            self.piece = pcap(&packets).split_off(24);
        }
        let len = buffer.len().min(self.piece.len());
        buffer[..len].copy_from_slice(&self.piece[..len]);
        self.piece.drain(..len);
        Ok(len)
    }
}

/// Starts of connections, and what comes too early in them.
fn out_of_order(left: u32, random: &mut Random) -> Vec<Vec<u8>> {
    let mut talk = Talk::new([0, 0]);
    let port = random.below(20_000) as u16;
    if !left.is_multiple_of(3) {
        talk.segments.clear();
        talk.next[CLIENT] = 2 + random.below(1 << 29) as u32;
        talk.say(CLIENT, &[b'0'; 60_000]);
    }
    talk.segments.iter().map(|segment| ipv4(segment, [port, 7000])).collect()
}

/// Both sides begin a head of HTTP, and do not end it.
fn unfinished_heads(left: u32, _: &mut Random) -> Vec<Vec<u8>> {
    let mut talk = Talk::new([0, 0]);
    for (side, start) in [(CLIENT, "GET / HTTP/1.1\r\na: "), (SERVER, "HTTP/1.1 101 a\r\na: ")] {
        talk.say(side, start.as_bytes());
        talk.say(side, &[b'a'; 8000]);
        talk.say(side, &[b'a'; 8000]);
    }
    talk.segments.iter().map(|segment| ipv4(segment, [left as u16, 7000])).collect()
}

/// Looked at from outside, in a process of its own. Of both more than 100 MB come that could
/// be kept, and 64 MiB may be.
#[cfg(target_os = "linux")]
#[test]
fn its_memory_is_bounded() {
    let floods = [(out_of_order as fn(u32, &mut Random) -> _, 10_000), (unfinished_heads, 4000)];
    for (packets, left) in floods {
        let mut child =
            gotalk(&["inspect", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let flood = Flood { left, random: Random(1), packets, piece: pcap(&[]) };
        io::copy(&mut io::BufReader::with_capacity(1 << 17, flood), &mut stdin).unwrap();
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        drop(stdin);
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(most < 112 << 10, "{left}: {most} KiB");
        assert!(child.wait().unwrap().code().is_some());
    }
}
