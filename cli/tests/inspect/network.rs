//! Captures of a network: real ones, and those that a small writer makes here.

use std::fs;

use etherparse::PacketBuilder;
use serde_json::Value;

use super::{Output, Random, json, message, run};

#[path = "network_hostile.rs"]
mod hostile;
#[path = "network_streams.rs"]
mod streams;
#[path = "network_websocket.rs"]
mod websocket;

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inspect/captures/");

const CLIENT: usize = 0;
const SERVER: usize = 1;
const PORTS: [u16; 2] = [40_000, 7000];

/// A segment of TCP.
#[derive(Clone)]
struct Segment {
    side: usize,
    seq: u32,
    flags: &'static str,
    data: Vec<u8>,
}

/// A connection whose packets are kept in order.
#[derive(Clone)]
struct Talk {
    segments: Vec<Segment>,
    next: [u32; 2],
}

impl Talk {
    /// With the start of the connection, at these sequence numbers.
    fn new(start: [u32; 2]) -> Self {
        let mut talk = Self { segments: Vec::new(), next: start };
        talk.add(CLIENT, "s", b"");
        talk.add(SERVER, "sa", b"");
        talk
    }

    fn add(&mut self, side: usize, flags: &'static str, data: &[u8]) {
        let seq = self.next[side];
        let more = data.len() as u32 + u32::from(flags.contains(['s', 'f']));
        self.next[side] = seq.wrapping_add(more);
        self.segments.push(Segment { side, seq, flags, data: data.to_vec() });
    }

    fn say(&mut self, side: usize, data: &[u8]) {
        self.add(side, "a", data);
    }

    fn close(mut self) -> Self {
        self.add(CLIENT, "fa", b"");
        self.add(SERVER, "fa", b"");
        self
    }

    fn packets(&self) -> Vec<Vec<u8>> {
        self.segments.iter().map(|segment| ipv4(segment, PORTS)).collect()
    }
}

/// A short conversation, with a few messages in each direction.
fn talk() -> Talk {
    let mut talk = Talk::new([100, 5000]);
    talk.say(CLIENT, b"01");
    talk.say(SERVER, b"01");
    talk.say(CLIENT, &message(b"r0001004echo", b"hello"));
    talk.say(SERVER, &message(b"R0001", b"hello"));
    talk.say(SERVER, &message(b"n003log", b"bye"));
    talk.close()
}

/// The packet without a link layer.
fn ipv4(segment: &Segment, ports: [u16; 2]) -> Vec<u8> {
    let hosts = [[10, 0, 0, 1], [10, 0, 0, 2]];
    let (from, to) = (segment.side, 1 - segment.side);
    let builder = PacketBuilder::ipv4(hosts[from], hosts[to], 64);
    let mut builder = builder.tcp(ports[from], ports[to], segment.seq, 1000);
    for flag in segment.flags.chars() {
        builder = match flag {
            's' => builder.syn(),
            'a' => builder.ack(0),
            'f' => builder.fin(),
            _ => builder.rst(),
        };
    }
    let mut packet = Vec::new();
    builder.write(&mut packet, &segment.data).unwrap();
    packet
}

/// The numbers of a file in one byte order.
#[derive(Clone, Copy)]
struct Order {
    is_big: bool,
}

const LITTLE: Order = Order { is_big: false };
const BIG: Order = Order { is_big: true };

impl Order {
    fn number(self, number: u32) -> [u8; 4] {
        if self.is_big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn numbers(self, numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| self.number(*number)).collect()
    }

    fn short(self, number: u16) -> [u8; 2] {
        if self.is_big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn pair(self, one: u16, other: u16) -> Vec<u8> {
        [self.short(one), self.short(other)].concat()
    }
}

const RAW: u32 = 101;

/// A pcap file. A packet comes each millisecond, `fractions` tells how many parts of it the
/// clock counts.
fn pcap_with(order: Order, magic: u32, fractions: u32, link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = order.number(magic).to_vec();
    file.extend(order.pair(2, 4));
    file.extend(order.numbers(&[0, 0, 0x40000, link]));
    for (at, packet) in (0u32..).zip(packets) {
        let len = packet.len() as u32;
        let time = [1_700_000_000 + at / 1000, at % 1000 * fractions];
        file.extend(order.numbers(&[time[0], time[1], len, len]));
        if magic == 0xa1b2_cd34 {
            file.extend([0; 8]);
        }
        file.extend(packet);
    }
    file
}

fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    pcap_with(LITTLE, 0xa1b2_c3d4, 1000, RAW, packets)
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let len = 12 + body.len().next_multiple_of(4) as u32;
    let mut block = order.numbers(&[kind, len]);
    block.extend(body);
    block.resize(len as usize - 4, 0);
    block.extend(order.number(len));
    block
}

fn section(order: Order) -> Vec<u8> {
    let mut body = order.number(0x1a2b_3c4d).to_vec();
    body.extend(order.pair(1, 0));
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

/// With options, each with its code.
fn interface(order: Order, link: u16, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = order.pair(link, 0);
    body.extend(order.number(0));
    for (code, value) in options {
        body.extend(order.pair(*code, value.len() as u16));
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    if !options.is_empty() {
        body.extend([0; 4]);
    }
    block(order, 1, &body)
}

fn enhanced(order: Order, interface: u32, time: u64, packet: &[u8]) -> Vec<u8> {
    let len = packet.len() as u32;
    let numbers = [interface, (time >> 32) as u32, time as u32, len, len];
    let mut body = order.numbers(&numbers);
    body.extend(packet);
    block(order, 6, &body)
}

fn show(file: &[u8]) -> Output {
    run(&["-"], file)
}

fn show_packets(packets: &[Vec<u8>]) -> Output {
    show(&pcap(packets))
}

/// The lines of messages, without their times.
fn messages(output: &Output) -> Vec<String> {
    let is_message =
        |line: &&str| line.get(17..23).is_some_and(|side| side == "client" || side == "server");
    output.out.lines().filter(is_message).map(|line| line[17..].to_owned()).collect()
}

#[test]
fn a_capture_of_tcpdump_with_two_connections_at_once() {
    let output = run(&[&format!("{DIR}mixed.pcap")], std::io::empty());
    let expected = "\
connection 1: 127.0.0.1:44272 -> 127.0.0.1:7411, from 2026-11-26 15:23:07 UTC
conn    seconds  from        offset  type                 id          content
   1      0.000  client           0  version                          1
   1      0.000  client           2  single request       0000        'slow'  3 bytes  '300'
   1      0.000  server           0  version                          1

connection 2: 127.0.0.1:48440 -> 127.0.0.1:7412, WebSocket /gotalk/, from 2026-11-26 15:23:07 UTC
conn    seconds  from        offset  type                 id          content
   2      0.001  server           0  version                          1
   2      0.006  client           0  version                          1
   2      0.006  client           2  single request       0000        'upper'  3 bytes  '\"a\"'
   2      0.010  server           2  single result        0000        3 bytes  '\"A\"'

end of connection 2
open streams: none
summary:
         1  single request       3 bytes of payload
         1  single result        3 bytes of payload
         2  in all               44 bytes read

conn    seconds  from        offset  type                 id          content
   1      0.302  server           2  single result        0000        3 bytes  '300'

end of connection 1
open streams: none
summary:
         1  single request       3 bytes of payload
         1  single result        3 bytes of payload
         2  in all               43 bytes read

1 other TCP connection: 127.0.0.1:48456 -> 127.0.0.1:7412
";
    assert_eq!((output.out.as_str(), output.err.as_str(), output.code), (expected, "", 0));

    let objects = json(&[&format!("{DIR}mixed.pcap")], std::io::empty());
    assert_eq!(objects[0]["type"], "connection");
    assert_eq!(objects[0]["client"], "127.0.0.1:44272");
    let socket = objects.iter().find(|object| !object["websocket"].is_null()).unwrap();
    assert_eq!((&socket["connection"], &socket["websocket"]), (&2.into(), &"/gotalk/".into()));
    let last = objects.last().unwrap();
    assert_eq!((&last["type"], &last["other_connections"]), (&"capture".into(), &1.into()));
    let all = &objects[..objects.len() - 1];
    assert!(all.iter().all(|object| object["connection"].is_u64()), "{objects:?}");
    let times = |number: u64| -> Vec<u64> {
        let of = all.iter().filter(|object| object["connection"] == number);
        of.filter_map(|object| object["time_us"].as_u64()).collect()
    };
    assert!(times(1).is_sorted() && times(1).len() == 4, "{:?}", times(1));
}

#[test]
fn other_captures_of_tcpdump() {
    let any = run(&[&format!("{DIR}any.pcap")], std::io::empty());
    assert_eq!((messages(&any).len(), any.code), (4, 0), "{}", any.out);
    let short = run(&[&format!("{DIR}short.pcap")], std::io::empty());
    assert_eq!(short.code, 2);
    for said in [
        "connection 1: [::1]:41988 -> [::1]:7415, from ",
        "\nconnection 1, client: no further than offset 34, packet 4: 21 bytes cut off when it was captured\n",
        "  'echo'  12 of 33 bytes  'more than is' ...\n",
        "\nconnection 1, server: no further than offset 36, packet 8: 12 bytes cut off",
    ] {
        assert!(short.out.contains(said), "{said}: {}", short.out);
    }
}

#[test]
fn every_form_of_a_file_shows_the_same() {
    let packets = talk().packets();
    let expected = show_packets(&packets);
    assert_eq!((messages(&expected).len(), expected.code), (5, 0), "{}", expected.out);
    assert!(expected.out.contains("\n   1      0.005  server           2  single result "));
    for order in [LITTLE, BIG] {
        let nanoseconds = pcap_with(order, 0xa1b2_3c4d, 1_000_000, RAW, &packets);
        assert_eq!(show(&nanoseconds), expected);
        let microseconds = pcap_with(order, 0xa1b2_c3d4, 1000, RAW, &packets);
        assert_eq!(show(&microseconds), expected);
    }
    assert_eq!(show(&pcap_with(LITTLE, 0xa1b2_cd34, 1000, RAW, &packets)), expected);
    let with =
        |head: &[u8]| -> Vec<_> { packets.iter().map(|packet| [head, packet].concat()).collect() };
    for (link, head) in [
        (0, vec![2, 0, 0, 0]),
        (108, vec![0, 0, 0, 2]),
        (1, [&[0; 12], b"\x08\x00".as_slice()].concat()),
        (1, [&[0; 12], b"\x81\x00\x00\x05\x08\x00".as_slice()].concat()),
        (113, [&[0; 14], b"\x08\x00".as_slice()].concat()),
        (276, [b"\x08\x00".as_slice(), &[0; 18]].concat()),
        (228, vec![]),
        (0xf400_0000 | 101, vec![]), // what stands there of check sums
    ] {
        let file = pcap_with(LITTLE, 0xa1b2_c3d4, 1000, link, &with(&head));
        assert_eq!(show(&file), expected, "link type {link}");
    }
    // An Ethernet frame has at least 60 bytes.
    let padded: Vec<_> = with(&[&[0; 12], b"\x08\x00".as_slice()].concat());
    let padded: Vec<_> = padded.iter().map(|frame| [frame, [0; 20].as_slice()].concat()).collect();
    assert_eq!(show(&pcap_with(LITTLE, 0xa1b2_c3d4, 1000, 1, &padded)), expected);
}

#[test]
fn the_interfaces_of_pcapng_have_clocks_of_their_own() {
    let packets = talk().packets();
    let expected = show_packets(&packets);
    let start = 1_700_000_000;
    for order in [LITTLE, BIG] {
        let offset = match order.is_big {
            true => i64::to_be_bytes(start),
            false => i64::to_le_bytes(start),
        };
        let mut file = section(order);
        file.extend(interface(order, 1, &[])); // microseconds
        file.extend(interface(order, 101, &[(9, &[9])]));
        file.extend(block(order, 0x0bad, b"whatever it is"));
        file.extend(interface(order, 101, &[(2, b"lo"), (9, &[0x80 | 20]), (14, &offset)]));
        for (at, packet) in (0u64..).zip(&packets) {
            let ethernet = [&[0; 12], b"\x08\x00".as_slice(), packet].concat();
            let start = start as u64;
            file.extend(match at % 3 {
                0 => enhanced(order, 0, start * 1_000_000 + at * 1000, &ethernet),
                1 => enhanced(order, 1, start * 1_000_000_000 + at * 1_000_000, packet),
                _ => enhanced(order, 2, (at << 20).div_ceil(1000), packet),
            });
        }
        assert_eq!(show(&file), expected);
        // Another section begins anew, in its own byte order.
        let other = Order { is_big: !order.is_big };
        let second = [section(other), interface(other, 101, &[])].concat();
        let mut both = [file, second].concat();
        let mut more = talk();
        more.segments.iter_mut().for_each(|segment| segment.seq ^= 1 << 30);
        for packet in more.packets() {
            both.extend(enhanced(other, 0, 1_700_000_009_000_000, &packet));
        }
        let output = show(&both);
        assert_eq!((messages(&output).len(), output.code), (10, 0), "{}", output.out);
    }
    // A simple packet has no time, and the interface tells how much of it is there.
    let mut simple = [section(LITTLE), interface(LITTLE, 101, &[])].concat();
    for packet in &packets {
        let body = [&LITTLE.number(packet.len() as u32), packet.as_slice()].concat();
        simple.extend(block(LITTLE, 3, &body));
    }
    assert_eq!(messages(&show(&simple)), messages(&expected));
}

#[test]
fn what_is_no_gotalk_is_counted_and_named() {
    let mut packets = talk().packets();
    for port in 0..5 {
        let mut other = Talk::new([1, 1]);
        other.say(CLIENT, b"SSH-2.0-OpenSSH_9.2");
        other.segments.iter().for_each(|segment| packets.push(ipv4(segment, [50_000 + port, 22])));
    }
    let mut udp = Vec::new();
    PacketBuilder::ipv4([1; 4], [2; 4], 9).udp(53, 53).write(&mut udp, b"01").unwrap();
    packets.push(udp);
    let mut fragment = packets[4].clone();
    fragment[6] = 0x20; // more follow
    packets.push(fragment);
    let output = show_packets(&packets);
    assert!(
        output.out.ends_with(
            "
5 other TCP connections: 10.0.0.1:50000 -> 10.0.0.2:22; 10.0.0.1:50001 -> 10.0.0.2:22; \
             10.0.0.1:50002 -> 10.0.0.2:22; and 2 more
1 fragment of IP packets, which are not put together
1 packet without TCP
"
        ),
        "{}",
        output.out
    );
    assert_eq!((messages(&output).len(), output.code), (5, 0));
    let radio = show(&pcap_with(LITTLE, 0xa1b2_c3d4, 1000, 105, &packets[..2]));
    let expected = "no connection that begins as Gotalk does\n\
                    2 packets of the link type 105, which is not read\n";
    assert_eq!((radio.out.as_str(), radio.code), (expected, 0));
}

/// What a client says to a server that is none, or does not answer, is what one looks for.
#[test]
fn one_side_of_gotalk_is_enough_if_the_other_can_be() {
    for (answer, shown, code) in [
        (b"".as_slice(), 2, 2),
        (b"02", 2, 1),
        (b"f00000001", 2, 1),
        (b"HTTP/1.1 400 Bad Request", 0, 0),
        (b"2", 0, 0),
    ] {
        let mut talk = Talk::new([7, 8]);
        talk.say(CLIENT, &[b"01", message(b"n003log", b"hi").as_slice()].concat());
        talk.say(SERVER, answer);
        let output = show_packets(&talk.close().packets());
        assert_eq!((messages(&output).len(), output.code), (shown, code), "{}", output.out);
    }
}

#[test]
fn a_capture_that_begins_in_the_middle() {
    let whole = talk().packets();
    let middle = show_packets(&whole[2..]);
    assert!(middle.out.starts_with("connection 1: 10.0.0.1:40000 -> 10.0.0.2:7000, before "));
    assert_eq!(messages(&middle), messages(&show_packets(&whole)));
    // The versions are gone, and so only the port tells.
    let file = pcap(&whole[4..]);
    let unknown = show(&file);
    assert!(unknown.out.contains("\n1 other TCP connection: "), "{}", unknown.out);
    for port in ["7000", "40000"] {
        let known = run(&["--port", port, "-"], file.as_slice());
        assert_eq!((messages(&known).len(), known.code), (3, 0), "{}", known.out);
    }
    let other = run(&["--port", "7001", "-"], file.as_slice());
    assert_eq!(messages(&other).len(), 0);
    // What is no message is told, at its place.
    let mut torn = Talk { segments: Vec::new(), next: [0, 0] };
    torn.say(CLIENT, b"lo");
    let torn = run(&["--port", "7000", "-"], pcap(&torn.packets()).as_slice());
    assert!(
        torn.out.contains("\nconnection 1, client: bad input at offset 0: 'l' is not"),
        "{}",
        torn.out
    );
    assert_eq!(torn.code, 1);
    // The server is known by its answer to the start, too.
    let answered = show_packets(&whole[1..]);
    assert!(answered.out.starts_with("connection 1: 10.0.0.1:40000 -> "), "{}", answered.out);
    let wrong = run(&["--port", "7000", "-"], b"01".as_slice());
    assert_eq!((wrong.code, wrong.out.as_str()), (64, ""));
    let told = "error: the standard input is no capture of a network (pcap, pcapng), and --port";
    assert!(wrong.err.starts_with(told), "{}", wrong.err);
    let wrong = run(&["--no-handshake", "-"], file.as_slice());
    assert_eq!((wrong.code, wrong.out.as_str()), (64, ""));
    let told = "error: the standard input is a capture of a network: give --port in place of";
    assert!(wrong.err.starts_with(told), "{}", wrong.err);
}

#[test]
fn a_port_is_used_again() {
    let mut packets = talk().packets();
    packets.extend(talk().packets().split_off(2)); // all of it came twice
    let mut again = Talk::new([90_000, 80_000]);
    again.say(CLIENT, &[b"01", message(b"n003log", b"again").as_slice()].concat());
    packets.extend(again.packets());
    again.next[CLIENT] += 7;
    again.add(CLIENT, "r", b"");
    let output = show_packets(&[packets, again.packets()].concat());
    assert_eq!(output.out.matches("end of connection ").count(), 2, "{}", output.out);
    assert_eq!(messages(&output).len(), 5 + 2);
    // A start in the middle ends what was there.
    let mut open = Talk::new([5, 6]);
    open.say(CLIENT, b"01n");
    let output = show_packets(&[open.packets(), talk().packets()].concat());
    assert!(output.out.contains("\nconnection 2: "), "{}", output.out);
    assert_eq!(messages(&output).len(), 1 + 5);
}

/// The columns are named again for messages, and for nothing else.
#[test]
fn what_follows_an_end_has_a_heading_if_it_is_messages() {
    let mut long = talk();
    let end = long.segments.split_off(long.segments.len() - 2);
    let other = talk().segments;
    let short: Vec<_> = other.iter().map(|segment| ipv4(segment, [40_001, 7000])).collect();
    let message = long.segments.pop().unwrap();
    let with = |rest: &[&Segment]| {
        let rest = rest.iter().map(|segment| ipv4(segment, PORTS)).collect();
        show_packets(&[long.packets(), short.clone(), rest].concat())
    };
    for (rest, headings) in [(vec![&message, &end[0], &end[1]], 3), (vec![&end[0]], 2)] {
        let output = with(&rest);
        assert_eq!(output.out.matches("\nconn  ").count(), headings, "{}", output.out);
        assert_eq!(output.out.matches("\nend of connection ").count(), 2, "{}", output.out);
    }
}

#[test]
fn lines_of_json_have_gaps_and_the_capture() {
    let mut talk = talk();
    talk.segments.remove(4);
    let objects = json(&["-"], pcap(&talk.packets()).as_slice());
    let gap = objects.iter().find(|object| object["type"] == "gap").unwrap();
    let expected = serde_json::json!({
        "type": "gap", "connection": 1, "from": "client", "offset": 2, "packet": 7,
        "missing": 25, "why": "25 bytes before it not captured"
    });
    assert_eq!(gap, &expected);
    let last: &Value = objects.last().unwrap();
    assert_eq!((&last["type"], &last["connections"]), (&"capture".into(), &1.into()));
}
