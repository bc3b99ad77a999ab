//! Peers that mean no good, in memory.

mod support;

use support::replies;

#[tokio::test(start_paused = true)]
async fn what_breaks_the_protocol_is_answered_with_its_code() {
    let cases = [
        ("02", "01f00000001"),
        ("0x", "01f00000002"),
        ("GET / HTTP/1.1\r\n\r\n", "01f00000002"),
        ("01r0001004echo0000000", "01"),
        ("01r0001004echo00000002hiR0009ffffffffand so on", "01R000100000002hi"),
        ("01r0001004echo00000002hiQ", "01R000100000002hif00000002"),
        ("01r0001004echo+0000002hi", "01f00000002"),
    ];
    for (input, expected) in cases {
        for chunk in [1, 3, input.len()] {
            let (output, end) = replies(input.as_bytes(), chunk).await;
            // Whether an answer is ready before the error has been read, is open.
            let without = expected.replace("R000100000002hi", "");
            assert!(output == expected || output == without, "{input}: {output}");
            end.unwrap_err();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_or_unknown_is_refused_and_the_conversation_goes_on() {
    let name = "n".repeat(100);
    let long = "x".repeat(5000);
    let cases = [
        (format!("r0001064{name}00000000"), "E000100000008too long"),
        (format!("r0001004echo00001388{long}"), "E000100000008too long"),
        ("s0001004echo00000002hip000100000002hip000100000000".into(), "E00010000000ano streams"),
        ("R000900000002hi".into(), ""),
        ("p000900000002hiS000900000000h0000ffffffffn00200000000".replace("n002", "n002no"), ""),
        ("r0001004nope00000000".into(), "E000100000011no such operation"),
        ("r0001004long0000000599999".into(), "E000100000008too long"),
    ];
    for (input, expected) in cases {
        // The end of the input must not come before the answer to the last request.
        let input = format!("01{input}r0002004echo00000002hi");
        for chunk in [1, 7, input.len()] {
            let (output, end) = replies(input.as_bytes(), chunk).await;
            let (first, last) =
                (format!("01{expected}R000200000002hi"), format!("01R000200000002hi{expected}"));
            assert!(output == first || output == last, "{input}: {output}");
            end.unwrap();
        }
    }
}

/// Whatever comes, the end is an end: no panic, no waiting for ever, and no more than an answer
/// for each request.
#[tokio::test(start_paused = true)]
async fn noise_and_cuts_end() {
    let whole = b"01r0001004echo00000002his0002002up00000000n002no00000001xh00000000000f00000001";
    let mut random = 1_u64;
    for round in 0..3000 {
        let mut input = whole.to_vec();
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (at, byte) = ((random >> 33) as usize % input.len(), (random >> 24) as u8);
        match round % 3 {
            0 => input.truncate(at),
            1 => input[at] = byte,
            _ => _ = input.splice(at..at, [byte, b'0', byte]),
        }
        let (output, _) = replies(&input, 1 + round % 5).await;
        assert!(output.starts_with("01") && output.len() < 200, "{output}");
    }
}
