//! TCP streams that did not come in order, or not whole.

use super::*;

/// A conversation that is long enough to be torn, and what is shown of it in order.
fn long() -> (Talk, Vec<String>) {
    let mut talk = Talk::new([u32::MAX - 300, u32::MAX - 40]); // both wrap around
    talk.say(CLIENT, b"01");
    talk.say(SERVER, b"01");
    for number in 0..40 {
        let id = format!("{number:04}");
        let size = number * 7 % 60;
        talk.say(CLIENT, &message(format!("r{id}004echo").as_bytes(), &vec![b'q'; size]));
        talk.say(SERVER, &message(format!("R{id}").as_bytes(), &vec![b'a'; size]));
    }
    let talk = talk.close();
    let mut shown = messages(&show_packets(&talk.packets()));
    shown.sort();
    assert_eq!(shown.len(), 82);
    (talk, shown)
}

#[test]
fn any_order_with_copies_and_overlaps_shows_the_same() {
    let (talk, expected) = long();
    for seed in 0..300 {
        let mut random = Random(seed);
        // The start stays, so that it is known where it begins.
        let (start, rest) = talk.segments.split_at(2);
        let mut torn = Vec::new();
        for segment in rest {
            let len = segment.data.len() as u64;
            let cut = random.below(len + 1) as usize;
            let back = random.below(cut as u64 + 1) as usize;
            let mut one = segment.clone();
            one.data.truncate(cut);
            one.flags = "a";
            let mut two = segment.clone();
            two.data.drain(..cut - back);
            two.seq = two.seq.wrapping_add((cut - back) as u32);
            torn.extend([one, two]);
            if random.below(3) == 0 {
                torn.push(segment.clone());
            }
        }
        for at in (1..torn.len()).rev() {
            let window = random.below(8).min(at as u64) as usize;
            torn.swap(at, at - window);
        }
        let torn = Talk { segments: [start, &torn].concat(), next: [0; 2] };
        let output = show_packets(&torn.packets());
        let mut shown = messages(&output);
        shown.sort();
        assert_eq!(shown, expected, "seed {seed}");
        assert_eq!(output.code, 0, "seed {seed}: {}", output.out);
    }
}

/// Copies that differ are taken as Linux has been seen to take them.
#[test]
fn of_copies_that_differ_those_count_that_a_receiver_takes() {
    for (segments, taken) in [
        ([(2, "AAAA"), (2, "BBBB"), (0, "--")], "--AAAA"),
        ([(0, "--"), (2, "AAAA"), (2, "BBBB")], "--AAAA"),
        ([(0, "--"), (2, "AAAA"), (2, "BBBBBB")], "--AAAABB"),
        ([(2, "AAAA"), (2, "BBBBBBBB"), (0, "--")], "--BBBBBBBB"),
        ([(2, "AAAA"), (1, "BBBBBBB"), (0, "-")], "-BBBBBBB"),
        ([(4, "AAAA"), (2, "BBBB"), (0, "--")], "--BBBBAA"),
        ([(2, "AAAA"), (4, "BBBB"), (0, "--")], "--AAAABB"),
        ([(2, "AAAAAAAA"), (4, "BB"), (0, "--")], "--AAAAAAAA"),
        ([(2, "AAAA"), (0, "BBBB"), (6, "")], "BBBBAA"),
    ] {
        let mut talk = Talk::new([u32::MAX - 20, 1]);
        talk.say(SERVER, b"01");
        talk.say(CLIENT, format!("01n003log{:08x}", taken.len()).as_bytes());
        let begun = talk.next[CLIENT];
        for (at, data) in segments {
            talk.next[CLIENT] = begun.wrapping_add(at);
            talk.say(CLIENT, data.as_bytes());
        }
        talk.next[CLIENT] = begun.wrapping_add(taken.len() as u32);
        let output = show_packets(&talk.close().packets());
        assert!(output.out.contains(&format!(" '{taken}'\n")), "{segments:?}: {}", output.out);
        assert_eq!(output.code, 0, "{segments:?}");
    }
}

#[test]
fn what_is_missing_is_told_and_nothing_behind_it_is_guessed() {
    let (talk, _) = long();
    for lost in 4..talk.segments.len() - 2 {
        let gone = &talk.segments[lost];
        let mut torn = talk.clone();
        torn.segments.remove(lost);
        let output = show_packets(&torn.packets());
        let side = ["client", "server"][gone.side];
        let shown = messages(&output).iter().filter(|line| line.starts_with(side)).count();
        assert_eq!(shown, lost / 2 - 1, "{}", output.out);
        let begun = talk.segments[gone.side].seq.wrapping_add(1);
        let offset = gone.seq.wrapping_sub(begun);
        let next = (lost..).find(|at| torn.segments[*at].side == gone.side).unwrap() + 1;
        let len = gone.data.len();
        let bytes = if len == 1 { "byte" } else { "bytes" };
        let told = format!(
            "\nconnection 1, {side}: no further than offset {offset}, packet {next}: \
             {len} {bytes} before it not captured\n"
        );
        assert!(output.out.contains(&told), "{told}{}", output.out);
        assert_eq!(output.code, 2);
    }
}

/// A message is cut off by a gap, by a reset, and by the end of the capture.
#[test]
fn a_message_that_is_not_whole_is_told_as_far_as_it_came() {
    let mut talk = Talk::new([0, 0]);
    talk.say(CLIENT, b"01r0001004echo00000009hey");
    talk.say(SERVER, b"01");
    let mut gap = talk.clone();
    gap.next[CLIENT] += 2;
    gap.say(CLIENT, b"more");
    let mut reset = talk.clone();
    reset.add(SERVER, "r", b"");
    for (talk, is_gap) in [(gap, true), (reset, false), (talk, false)] {
        let output = show_packets(&talk.packets());
        assert!(output.out.contains("'echo'  3 of 9 bytes  'hey' ...\n"), "{}", output.out);
        assert_eq!(output.out.contains("2 bytes before it not captured"), is_gap, "{}", output.out);
        assert_eq!(output.out.contains("not captured"), is_gap, "{}", output.out);
        assert_eq!(output.code, 2);
    }
}

/// A capture ends while the connection is open: between messages, before a version, or in one.
#[test]
fn what_is_still_open_ends_well_between_messages() {
    for (client, server, code) in [
        ("01r0001004echo00000002hi", "01", 0),
        ("01r0001004echo00000002hi", "", 0),
        ("01r0001004echo00000002hi", "01R", 2),
        ("01r0001004echo0", "01", 2),
    ] {
        let mut talk = Talk::new([0, 0]);
        talk.say(CLIENT, client.as_bytes());
        if !server.is_empty() {
            talk.say(SERVER, server.as_bytes());
        }
        let output = show_packets(&talk.packets());
        assert_eq!(output.code, code, "{client:?} {server:?}: {}", output.out);
        assert_eq!(output.out.contains("truncated"), code == 2, "{}", output.out);
    }
}

#[test]
fn packets_from_far_away_are_no_part_of_it() {
    let mut talk = talk();
    let expected = messages(&show_packets(&talk.packets()));
    for far in [(1 << 30) + 100, 1 << 31, 3 << 30, u32::MAX - 200] {
        let mut stray = talk.segments[4].clone();
        stray.seq = stray.seq.wrapping_add(far + 1);
        stray.data = b"X".repeat(100);
        talk.segments.insert(5, stray);
    }
    let output = show_packets(&talk.packets());
    assert_eq!((messages(&output), output.code), (expected.clone(), 0), "{}", output.out);
    // Nor does one of them tell that something is missing; a reset tells nothing at all.
    talk.segments.truncate(talk.segments.len() - 2);
    let mut reset = talk.segments[4].clone();
    (reset.seq, reset.flags) = (reset.seq.wrapping_add(1000), "r");
    talk.segments.push(reset);
    let output = show_packets(&talk.packets());
    assert_eq!((messages(&output), output.code), (expected, 0), "{}", output.out);
}

/// What does not come in time does not come: so much is kept, and no more.
#[test]
fn a_stream_does_not_wait_for_ever() {
    let mut talk = Talk::new([1, 1]);
    talk.say(CLIENT, b"01");
    talk.say(SERVER, b"01");
    let lost = talk.segments.len();
    talk.say(CLIENT, &message(b"n003log", b"late"));
    for _ in 0..40 {
        talk.say(CLIENT, &message(b"n003log", &[b'.'; 30_000]));
    }
    let late = talk.segments.remove(lost);
    let mut in_time = talk.clone();
    in_time.segments.insert(lost + 30, late.clone());
    assert_eq!(messages(&show_packets(&in_time.packets())).len(), 2 + 41);
    talk.segments.push(late);
    let output = show_packets(&talk.packets());
    assert_eq!((messages(&output).len(), output.code), (2, 2), "{}", output.out);
    assert!(output.out.contains("packet 5: 19 bytes before it not captured\n"), "{}", output.out);
}

/// The packet that begins the second connection is not in the capture, but its answer is.
#[test]
fn a_port_is_used_again_and_only_the_answer_tells() {
    let mut again = Talk::new([90_000, 80_000]);
    again.say(CLIENT, &[b"01", message(b"n003log", b"again").as_slice()].concat());
    again.say(SERVER, b"01");
    let again = again.close().packets();
    let whole = talk().packets();
    // The first is over, goes on, has no beginning, or is none of Gotalk.
    let mut web = Talk::new([1, 1]);
    web.say(CLIENT, b"GET / HTTP/1.1\r\n\r\n");
    let web = web.packets();
    for (first, shown) in [(&whole[..], 5), (&whole[..7], 5), (&whole[2..], 5), (&web, 0)] {
        // The answer comes twice, as it may.
        let output = show_packets(&[first, &again[1..2], &again[1..]].concat());
        assert_eq!(messages(&output).len(), shown + 3, "{}", output.out);
        assert_eq!(output.out.matches("\nend of connection ").count(), 1 + shown / 5);
        assert_eq!(output.out.contains("1 other TCP connection: "), shown == 0, "{}", output.out);
    }
    // The answer within a connection begins none, also if that is of no interest.
    let swapped = [&whole[1..2], &whole[..1], &whole[2..]].concat();
    for packets in [&whole, &whole[1..], &swapped] {
        let output = show_packets(packets);
        assert_eq!(messages(&output).len(), 5, "{}", output.out);
        assert!(!output.out.contains("other"), "{}", output.out);
        let other = run(&["--port", "7001", "-"], pcap(packets).as_slice());
        assert!(other.out.contains("\n1 other TCP connection: "), "{}", other.out);
    }
}

/// Too many connections end those that said nothing for longest.
#[test]
fn so_many_connections_are_followed_and_no_more() {
    let mut talk = talk();
    let last = talk.segments.split_off(6);
    let mut packets = talk.packets();
    for port in 0..5000 {
        packets.push(ipv4(&talk.segments[0], [50_000 - port, 22]));
    }
    packets.extend(last.iter().map(|segment| ipv4(segment, PORTS)));
    let output = show_packets(&packets);
    let shown = messages(&output);
    assert_eq!((shown.len(), output.code), (4, 2), "{}", output.out);
    for (side, offset) in [("client", 27), ("server", 20)] {
        let told = format!(
            "\nconnection 1, {side}: no further than offset {offset}, packet 4102: \
             no longer followed, to make room\n"
        );
        assert!(output.out.contains(&told), "{told}{}", output.out);
    }
    assert!(output.out.contains("\n5001 other TCP connections: "), "{}", output.out);
    packets.drain(6..1006);
    let output = show_packets(&packets);
    assert_eq!((messages(&output).len(), output.code), (5, 0), "{}", output.out);
}

/// What is over takes no room from what goes on.
#[test]
fn short_connections_end_no_long_one() {
    let talk = talk();
    let (start, end) = talk.segments.split_at(6);
    let mut packets: Vec<_> = start.iter().map(|segment| ipv4(segment, PORTS)).collect();
    let mut short = Talk::new([1, 1]);
    short.say(CLIENT, b"GET / HTTP/1.1\r\n\r\n");
    let short = short.close();
    for port in 0..5000 {
        packets.extend(short.segments.iter().map(|segment| ipv4(segment, [50_000 - port, 80])));
    }
    packets.extend(end.iter().map(|segment| ipv4(segment, PORTS)));
    let output = show_packets(&packets);
    assert_eq!((messages(&output).len(), output.code), (5, 0), "{}", output.out);
    assert!(output.out.contains("\n5000 other TCP connections: "), "{}", output.out);
}
