//! Recordings: none is lost, and each is shown as far as it goes.

use super::*;

/// Not by a relay that cannot listen, and not by one that is started again.
#[cfg(unix)]
#[test]
fn what_was_recorded_is_not_lost() {
    let recording = Scratch::new("earlier");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    fs::write(recording.path(), "is there").unwrap();
    let told = output(&["relay", "--record", recording.path(), &at, &at]);
    assert_eq!(told.status.code(), Some(3));
    assert_eq!(fs::read_to_string(recording.path()).unwrap(), "is there");

    let numbered = [1, 2, 3, 4].map(|number| Scratch::new(&format!("earlier.{number}")));
    fs::write(numbered[1].path(), "is there").unwrap();
    for whats in [["one", "two"].as_slice(), &["three"]] {
        let relay = Program::relay(&["-k", "--record", recording.path(), "127.0.0.1:0", &at]);
        for what in whats {
            asks(&relay, &taken, what);
        }
        assert_eq!(relay.interrupted().0, Some(143));
    }
    assert_eq!(fs::read_to_string(numbered[1].path()).unwrap(), "is there");
    for (recording, what) in [(0, "'one'"), (2, "'two'"), (3, "'three'")] {
        let inspected = text(&output(&["inspect", numbered[recording].path()]).stdout);
        assert!(inspected.contains(what), "{inspected}");
    }
    assert!(!fs::exists(format!("{}.5", recording.path())).unwrap());
}

/// What is shown of a recording with these pieces, and the exit code.
fn inspect(name: &str, pieces: &[u8]) -> (String, String, Option<i32>) {
    let recording = Scratch::new(name);
    fs::write(&recording.0, [b"gotalk-recording 1 1700000000000000\n", pieces].concat()).unwrap();
    let output = output(&["inspect", recording.path()]);
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn a_recording_is_shown_as_far_as_it_goes() {
    let whole =
        b"client 1500 2\n01\nserver 61000000 4\n01n0\nserver 61000000 14\n01x00000003abc\n\n\
                  client 99000000 0\n\nserver 99000000 0\n\n";
    // A piece holds line feeds as they are, and the length tells.
    let whole = text(whole).replace("14\n01x00000003abc\n\n", "14\n01x00000003ab\n\n");
    let (shown, err, code) = inspect("whole", whole.as_bytes());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{shown}");
    assert!(shown.contains("\n    0.002  client           0  version "), "{shown}");
    assert!(shown.contains("\n   61.000  server           2  notification "), "{shown}");
    assert!(shown.contains(r"  'x'  3 bytes  'ab\n'"), "{shown}");
    // A relay that was killed leaves less.
    let (shown, err, code) = inspect("cut", &whole.as_bytes()[..20]);
    assert_eq!((code, err.as_str()), (Some(2), ""), "{shown}");
    assert!(shown.contains("client           0  version "), "{shown}");
    let (shown, _, code) = inspect("in-a-message", b"server 1 4\n01n0\nserver 2 0\n\n");
    assert_eq!(code, Some(2));
    assert!(shown.contains("\nserver: truncated at offset 4: "), "{shown}");
    // So does one that was interrupted, and there is no harm in that between messages.
    for (piece, want) in [("client 1 15\n01r0001004echo0\n", 2), ("client 1 3\n01r\n", 2)] {
        let (shown, err, code) = inspect("open", piece.as_bytes());
        assert_eq!((code, err.as_str()), (Some(want), ""), "{shown}");
        assert!(shown.contains("\nclient: truncated at offset "), "{shown}");
    }
    for piece in ["client 1 2\n01\n", "client 1 17\n01n003log00000000\n", ""] {
        let (shown, err, code) = inspect("open", piece.as_bytes());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{shown}");
        assert!(!shown.contains("truncated"), "{shown}");
    }
    let (_, err, code) = inspect("side", b"client 1 2\n01\nnobody 1 2\n01\n");
    assert_eq!(code, Some(66));
    assert!(err.contains(": piece 2: it does not begin with `SIDE TIME LENGTH`"), "{err}");
    let (_, err, code) = inspect("end", b"client 1 1\n01\n");
    assert_eq!(code, Some(66));
    assert!(err.contains(": piece 1: it does not end where it should"), "{err}");
}
