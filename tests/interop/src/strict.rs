//! A reader of WebSocket messages that takes nothing but what rules 6.1 to 6.3 and 6.5 say,
//! because gotalk.js depends on it. It is stricter than gotalk.js, which takes a version of any
//! length whose value is 1, and sizes of seven digits.

use crate::socket::Piece;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Version,
    Header,
    Payload(u32),
    Nothing,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// It closes on retry results and on streams, and reads sizes from 2^31 as negative.
    Browser,
    /// It takes every type.
    Go,
}

pub struct Strict {
    reader: Reader,
    expects: Expects,
    count: usize,
    /// What was wrong first. Nothing after it is looked at.
    pub wrong: Option<String>,
}

impl Strict {
    pub fn new(reader: Reader) -> Self {
        Self { reader, expects: Expects::Version, count: 0, wrong: None }
    }

    pub fn take(&mut self, piece: &Piece) {
        self.count += 1;
        if self.wrong.is_some() {
            return;
        }
        match self.next(piece) {
            Ok(expects) => self.expects = expects,
            Err(why) => {
                let text = String::from_utf8_lossy(&piece.bytes[..piece.bytes.len().min(40)]);
                self.wrong = Some(format!("WebSocket message {} {text:?}: {why}", self.count));
            }
        }
    }

    /// The conversation is over, and `closed_well` says whether by WebSocket's goodbye.
    pub fn finish(&mut self, closed_well: bool) {
        let wrong = match self.expects {
            _ if self.wrong.is_some() => return,
            Expects::Version => "no version came",
            Expects::Payload(_) => "a payload did not come",
            _ if !closed_well => "closed without WebSocket's closing handshake",
            _ => return,
        };
        self.wrong = Some(wrong.to_owned());
    }

    fn next(&self, piece: &Piece) -> Result<Expects, String> {
        let bytes = piece.bytes.as_slice();
        if piece.is_text {
            return Err("text, not binary".to_owned());
        }
        if bytes.is_empty() {
            return Err("empty".to_owned());
        }
        match self.expects {
            Expects::Nothing => Err("after a protocol error".to_owned()),
            Expects::Version if bytes == b"01" => Ok(Expects::Header),
            Expects::Version => Err("not the version `01`, alone".to_owned()),
            Expects::Payload(size) if bytes.len() == size as usize => Ok(Expects::Header),
            Expects::Payload(size) => Err(format!("not the payload of {size} bytes, alone")),
            Expects::Header => header(bytes, self.reader),
        }
    }
}

/// What comes behind this header.
fn header(bytes: &[u8], reader: Reader) -> Result<Expects, String> {
    let (&kind, mut rest) = bytes.split_first().ok_or("empty")?;
    if reader == Reader::Browser && matches!(kind, b'e' | b's' | b'p') {
        return Err(format!("gotalk.js closes on `{}`", kind.escape_ascii()));
    }
    let (has_id, has_name, digits, has_payload) = match kind {
        b'r' | b's' => (true, true, 0, true),
        b'p' | b'R' | b'S' | b'E' => (true, false, 0, true),
        b'e' => (true, false, 8, true),
        b'n' => (false, true, 0, true),
        b'h' => (false, false, 4 + 8, false),
        b'f' => (false, false, 8, false),
        _ => return Err("no type of message".to_owned()),
    };
    let mut take = |len: usize, what: &str| {
        let (taken, behind) = rest.split_at_checked(len).ok_or(format!("too short for {what}"))?;
        rest = behind;
        Ok::<_, String>(taken)
    };
    if has_id {
        take(4, "an id")?;
    }
    if has_name {
        let len = number(take(3, "the length of a name")?)?;
        let name = take(len as usize, "a name")?;
        if name.is_empty() {
            return Err("a name is empty".to_owned());
        }
        str::from_utf8(name).map_err(|_| "a name is not UTF-8")?;
    }
    for len in if digits == 12 { [4, 8] } else { [digits, 0] } {
        number(take(len, "a number")?)?;
    }
    let size = if has_payload { number(take(8, "a size")?)? } else { 0 };
    if !rest.is_empty() {
        return Err(format!("{} bytes behind the header", rest.len()));
    }
    if reader == Reader::Browser && size >= 1 << 31 {
        return Err("gotalk.js reads this size as negative".to_owned());
    }
    Ok(match (kind, size) {
        (b'f', _) => Expects::Nothing,
        (_, 0) => Expects::Header,
        (_, size) => Expects::Payload(size),
    })
}

fn number(digits: &[u8]) -> Result<u32, String> {
    let mut number = 0;
    for digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(format!("`{}` is no lower-case digit", digit.escape_ascii())),
        };
        number = number << 4 | u32::from(value);
    }
    Ok(number)
}

/// What must be refused, and what must not: the number of those that were not, and what was
/// wrong.
pub fn control() -> (usize, Vec<String>) {
    let good: [&[&str]; 4] = [
        &["01", "r0001004echo00000005", "hello", "R000200000000", "h0000655f0c1a"],
        &["01", "n005grå!00000001", "x", "f00000002"],
        &["01", "E000100000004", "boom", "S000100000002", "01", "S000100000000"],
        &["01", "R000100000002", "01", "R00020000000d", "R000100000000"],
    ];
    let bad: [&[&str]; 26] = [
        &["1"],
        &["001"],
        &["01r0001004echo00000000"],
        &["R000100000000"],
        &["02"],
        &["01", "R000100000005hello"],
        &["01", "R0001", "00000000"],
        &["01", "R00010000000"],
        &["01", "R0001000000000"],
        &["01", "R000100000000", ""],
        &["01", "R000100000005", "hell", "o"],
        &["01", "R000100000005", "h0000655f0c1a", "hello"],
        &["01", "R000100000005", "hello!"],
        &["01", "R00010000000A", "0123456789"],
        &["01", "r0001004echo00000005"],
        &["01", "r0001005echo00000000"],
        &["01", "r0001003echo00000000"],
        &["01", "r0001000", "00000000"],
        &["01", "r000100000000000"],
        &["01", "e0001000003e800000000"],
        &["01", "s0001004echo00000001", "x"],
        &["01", "p000100000000"],
        &["01", "R000180000000"],
        &["01", "X000100000000"],
        &["01", "f00000002", "R000100000000"],
        &["01", "R000100000000R000200000000"],
    ];
    let read = |messages: &[&str], text_at: Option<usize>, closed_well| {
        let mut strict = Strict::new(Reader::Browser);
        for (at, message) in messages.iter().enumerate() {
            let is_text = text_at == Some(at);
            strict.take(&Piece { is_text, bytes: message.as_bytes().to_vec() });
        }
        strict.finish(closed_well);
        strict.wrong
    };
    let mut wrong: Vec<String> = good.iter().filter_map(|good| read(good, None, true)).collect();
    let mut count = 0;
    let mut must_fail = |why: Option<String>, what: &dyn std::fmt::Debug| match why {
        Some(_) => count += 1,
        None => wrong.push(format!("passed: {what:?}")),
    };
    for bad in bad {
        must_fail(read(bad, None, true), &bad);
    }
    for good in good {
        must_fail(read(good, None, false), &("without goodbye", good));
        for at in 0..good.len() {
            must_fail(read(good, Some(at), true), &("as text", at, good));
        }
    }
    (count, wrong)
}
