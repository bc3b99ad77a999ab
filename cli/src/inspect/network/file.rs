//! The packets in a pcap or pcapng file, one after another, in bounded memory.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use pcap_parser::nom::{Err, IResult, Needed};
use pcap_parser::{
    Block, InterfaceDescriptionBlock, LegacyPcapBlock, OptionCode, PcapError, PcapHeader,
    SHB_MAGIC, parse_block_be, parse_block_le, parse_pcap_frame, parse_pcap_frame_be,
    parse_pcap_frame_modified, parse_pcap_header,
};

/// What these files begin with: pcap in both byte orders with microseconds and nanoseconds,
/// a variant of it, and pcapng.
pub(in crate::inspect) const MAGICS: &[&[u8]] = &[
    &[0xd4, 0xc3, 0xb2, 0xa1],
    &[0xa1, 0xb2, 0xc3, 0xd4],
    &[0x4d, 0x3c, 0xb2, 0xa1],
    &[0xa1, 0xb2, 0x3c, 0x4d],
    &[0x34, 0xcd, 0xb2, 0xa1],
    &[0x0a, 0x0d, 0x0d, 0x0a],
];

/// The longest packet, or block of pcapng. Those who write such files keep to less.
const LONGEST: usize = 16 << 20;

/// How much is asked for at once.
const PIECE: usize = 64 * 1024;

const MOST_INTERFACES: usize = 4096;

pub(super) struct Packet<'a> {
    /// Counted from 1.
    pub(super) number: u64,
    /// Since 1970.
    pub(super) time: Duration,
    pub(super) link_type: i32,
    pub(super) data: &'a [u8],
    /// How many bytes at its end were not captured.
    pub(super) cut: usize,
}

/// A place in the file.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) after_packet: u64,
    pub(super) offset: u64,
}

impl Place {
    fn wrong(self, what: &str) -> io::Error {
        let Self { after_packet, offset } = self;
        let what = format!("after packet {after_packet}, at offset {offset}: {what}");
        io::Error::new(ErrorKind::InvalidData, what)
    }
}

pub(super) struct Packets<R> {
    input: Input<R>,
    format: Format,
    /// How many there were.
    number: u64,
    last_time: Duration,
    pub(super) cut: Option<Place>,
}

enum Format {
    Unknown,
    Pcap { header: PcapHeader },
    PcapNg { is_big_endian: bool, interfaces: Vec<Interface> },
}

struct Interface {
    link_type: i32,
    snaplen: u32,
    /// Units in a second.
    resolution: u128,
    /// Seconds.
    offset: i64,
}

type ParseFrame = fn(&[u8]) -> IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>>;

impl<R: Read> Packets<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            input: Input { source, buffer: Vec::new(), start: 0, end: 0, offset: 0 },
            format: Format::Unknown,
            number: 0,
            last_time: Duration::ZERO,
            cut: None,
        }
    }

    /// The next packet. None at the end, which is `cut` if it is none behind a packet.
    pub(super) fn next(&mut self) -> io::Result<Option<Packet<'_>>> {
        if let Format::Unknown = self.format
            && !self.open()?
        {
            return Ok(None);
        }
        match self.format {
            Format::Pcap { .. } => self.next_frame(),
            _ => self.next_block(),
        }
    }

    fn open(&mut self) -> io::Result<bool> {
        if !self.has(24)? {
            return Ok(false);
        }
        if self.input.bytes().starts_with(&SHB_MAGIC.to_le_bytes()) {
            self.format = Format::PcapNg { is_big_endian: false, interfaces: Vec::new() };
            return Ok(true);
        }
        let Ok((_, header)) = parse_pcap_header(self.input.bytes()) else {
            return Err(self.place().wrong("the header of the file is broken"));
        };
        self.input.skip(header.size());
        self.format = Format::Pcap { header };
        Ok(true)
    }

    fn next_frame(&mut self) -> io::Result<Option<Packet<'_>>> {
        let Format::Pcap { header } = &self.format else { return Ok(None) };
        let (is_nanoseconds, link_type) = (header.is_nanosecond_precision(), header.network.0);
        let (parse, head): (ParseFrame, _) = match (header.is_modified_format(), header) {
            (true, _) => (parse_pcap_frame_modified, 24),
            (_, header) if header.is_bigendian() => (parse_pcap_frame_be, 16),
            _ => (parse_pcap_frame, 16),
        };
        if !self.has(head)? {
            return Ok(None);
        }
        if let Err(Err::Incomplete(Needed::Size(more))) = parse(self.input.bytes()) {
            let len = self.input.bytes().len() + more.get();
            if len - head > LONGEST {
                return Err(self
                    .place()
                    .wrong(&format!("a packet of {} bytes cannot be", len - head)));
            }
            if !self.has(len)? {
                return Ok(None);
            }
        }
        let place = self.place();
        let bytes = self.input.bytes();
        let Ok((rest, frame)) = parse(bytes) else {
            return Err(place.wrong("the packet is broken"));
        };
        let len = bytes.len() - rest.len();
        let fraction = u64::from(frame.ts_usec);
        let fraction = match is_nanoseconds {
            true => Duration::from_nanos(fraction),
            false => Duration::from_micros(fraction),
        };
        let time = Duration::from_secs(frame.ts_sec.into()) + fraction;
        let cut = frame.origlen.saturating_sub(frame.caplen) as usize;
        self.number += 1;
        let data = &self.input.take(len)[head..];
        let link_type = link_type & 0x03ff_ffff; // above that it tells of check sums
        Ok(Some(Packet { number: self.number, time, link_type, data, cut }))
    }

    fn next_block(&mut self) -> io::Result<Option<Packet<'_>>> {
        loop {
            let Format::PcapNg { is_big_endian, .. } = &mut self.format else { return Ok(None) };
            let mut is_big = *is_big_endian;
            if !self.has(12)? {
                return Ok(None);
            }
            let bytes = self.input.bytes();
            let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            let is_section = word(0) == SHB_MAGIC.to_le_bytes();
            if is_section {
                is_big = match word(8) {
                    [0x1a, 0x2b, 0x3c, 0x4d] => true,
                    [0x4d, 0x3c, 0x2b, 0x1a] => false,
                    _ => return Err(self.place().wrong("a section does not tell its byte order")),
                };
            }
            let number = if is_big { u32::from_be_bytes } else { u32::from_le_bytes };
            let len = number(word(4)) as usize;
            if !(12..=LONGEST).contains(&len) || !len.is_multiple_of(4) {
                return Err(self.place().wrong(&format!("a block of {len} bytes cannot be")));
            }
            if !self.has(len)? {
                return Ok(None);
            }
            if is_section {
                self.format = Format::PcapNg { is_big_endian: is_big, interfaces: Vec::new() };
            }
            // What it takes of the packet is kept as numbers, so that the buffer can go on.
            let place = self.place();
            let Format::PcapNg { interfaces, .. } = &mut self.format else { return Ok(None) };
            let block = &self.input.bytes()[..len];
            let parse = if is_big { parse_block_be } else { parse_block_le };
            let Ok((_, block)) = parse(block) else {
                return Err(place.wrong("the block is broken"));
            };
            let (interface, time, head, captured, sent) = match block {
                Block::InterfaceDescription(_) if interfaces.len() == MOST_INTERFACES => {
                    return Err(place.wrong("there are too many interfaces"));
                }
                Block::InterfaceDescription(block) => {
                    interfaces.push(Interface::new(&block, is_big));
                    self.input.skip(len);
                    continue;
                }
                Block::EnhancedPacket(packet) => {
                    let interface = interfaces.get(packet.if_id as usize);
                    let time = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                    (interface, Some(time), 28, packet.caplen, packet.origlen)
                }
                Block::SimplePacket(packet) => {
                    let interface = interfaces.first();
                    let most = interface.map_or(0, |interface| interface.snaplen);
                    let most = if most == 0 { u32::MAX } else { most };
                    let there = packet.data.len() as u32;
                    (interface, None, 12, packet.origlen.min(most).min(there), packet.origlen)
                }
                _ => {
                    self.input.skip(len);
                    continue;
                }
            };
            let Some(interface) = interface else {
                return Err(place.wrong("the interface of the packet is not described"));
            };
            self.number += 1;
            let time = time.map_or(self.last_time, |time| interface.time(time));
            self.last_time = time;
            let link_type = interface.link_type;
            let cut = sent.saturating_sub(captured) as usize;
            let data = &self.input.take(len)[head..][..captured as usize];
            return Ok(Some(Packet { number: self.number, time, link_type, data, cut }));
        }
    }

    /// Whether so many bytes are there. If not, the file ends here.
    fn has(&mut self, len: usize) -> io::Result<bool> {
        if self.input.fill(len)? {
            return Ok(true);
        }
        if !self.input.bytes().is_empty() {
            self.cut = Some(self.place());
        }
        Ok(false)
    }

    fn place(&self) -> Place {
        Place { after_packet: self.number, offset: self.input.offset }
    }
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock<'_>, is_big_endian: bool) -> Self {
        let offset = block.options.iter().find(|option| option.code == OptionCode::IfTsoffset);
        let offset = offset.and_then(|offset| offset.value().first_chunk());
        let from_bytes = if is_big_endian { i64::from_be_bytes } else { i64::from_le_bytes };
        // Nobody has a clock with more than 10^19 units in a second, or 2^64.
        let exponent = u32::from(block.if_tsresol & 0x7f);
        let resolution = match block.if_tsresol & 0x80 {
            0 => 10u128.pow(exponent.min(19)),
            _ => 1u128 << exponent.min(64),
        };
        Self {
            link_type: block.linktype.0,
            snaplen: block.snaplen,
            resolution,
            offset: offset.map_or(0, |bytes| from_bytes(*bytes)),
        }
    }

    fn time(&self, units: u64) -> Duration {
        let units = u128::from(units);
        let nanoseconds = units % self.resolution * 1_000_000_000 / self.resolution;
        let seconds = (units / self.resolution) as u64;
        Duration::new(seconds.saturating_add_signed(self.offset), nanoseconds as u32)
    }
}

/// The bytes of the file. The buffer grows with what is really there.
struct Input<R> {
    source: R,
    buffer: Vec<u8>,
    /// `buffer[start..end]` is to be looked at.
    start: usize,
    end: usize,
    /// Where `start` is in the file.
    offset: u64,
}

impl<R: Read> Input<R> {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn skip(&mut self, len: usize) {
        self.start += len;
        self.offset += len as u64;
    }

    fn take(&mut self, len: usize) -> &[u8] {
        self.skip(len);
        &self.buffer[self.start - len..self.start]
    }

    /// Reads until so many bytes are there; not if the file ends before.
    fn fill(&mut self, len: usize) -> io::Result<bool> {
        while self.end - self.start < len {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.buffer.len() < self.end + PIECE {
                self.buffer.resize(self.end + PIECE, 0);
            }
            let read = super::super::capture::read(&mut self.source, &mut self.buffer[self.end..])?;
            if read == 0 {
                return Ok(false);
            }
            self.end += read;
        }
        Ok(true)
    }
}
