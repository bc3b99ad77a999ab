//! The command `gotalk call`, as a process that asks the recorded server.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::recording::{Conversation, is_last};
use crate::socket::Carrier;
use crate::wire::{self, Message, Stop};

/// The bytes in a part of a request that `gotalk call --stream` makes.
const PART: usize = 16;

/// What a conversation becomes when `gotalk call` is the client: its parts are cut anew. Or why
/// it cannot be.
pub fn fit(conversation: &Conversation) -> Result<Conversation, &'static str> {
    let mut fit = conversation.clone();
    let messages = &mut fit.client.messages;
    if messages.is_empty() {
        if fit.server.stop == Stop::Clean && fit.server.messages.is_empty() {
            return Err("the recorded server sent nothing");
        }
        // It asks nevertheless, before it has read what comes.
        let ask = Message { name: b"echo".into(), payload: b"x".into(), ..wire::empty(b'r') };
        messages.push(ask);
        return Ok(fit.counted());
    }
    if messages[0].kind == b's' && messages.iter().any(|part| part.payload.contains(&0)) {
        return Err("an argument of a command has no NUL, and a pipe other parts");
    }
    // With its answer it is over.
    if let Some(last) = fit.server.messages.iter().position(is_last) {
        fit.server.messages.truncate(last + 1);
    }
    if messages[0].kind == b's' {
        let payload: Vec<u8> = messages.iter().flat_map(|part| part.payload.clone()).collect();
        let first = messages[0].clone();
        let parts = payload.chunks(PART).enumerate().map(|(at, part)| Message {
            kind: if at == 0 { b's' } else { b'p' },
            name: if at == 0 { first.name.clone() } else { Vec::new() },
            payload: part.to_vec(),
            ..first.clone()
        });
        let end = Message { kind: b'p', name: Vec::new(), payload: Vec::new(), ..first.clone() };
        *messages = parts.chain([end]).collect();
    }
    Ok(fit.counted())
}

/// A call that runs.
pub struct Call {
    child: Child,
    out: JoinHandle<Vec<u8>>,
    err: JoinHandle<Vec<u8>>,
}

/// What it has said.
#[derive(Debug)]
pub struct Said {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Call {
    pub fn start(
        program: &Path,
        conversation: &Conversation,
        address: SocketAddr,
    ) -> io::Result<Self> {
        let messages = &conversation.client.messages;
        let payload: Vec<u8> = messages.iter().flat_map(|part| part.payload.clone()).collect();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(io::Error::other);
        let mut command = Command::new(program);
        command.arg("call");
        match messages[0].kind {
            b's' => drop(command.arg("--stream")),
            b'n' => drop(command.arg("--notify")),
            _ => {}
        }
        let url = conversation.carrier.url(address);
        // An argument has no NUL.
        let is_piped = payload.contains(&0);
        let argument = if is_piped { "-".to_owned() } else { text(&payload)? };
        command.args(["--", &url, &text(&messages[0].name)?, &argument]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take().filter(|_| is_piped) {
            thread::spawn(move || input.write_all(&payload));
        }
        let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
        Ok(Self { child, out, err })
    }

    /// Waits for its end.
    pub fn finish(mut self, patience: Duration) -> io::Result<Said> {
        let until = Instant::now() + patience;
        let mut status = self.child.try_wait()?;
        while status.is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(2));
            status = self.child.try_wait()?;
        }
        if status.is_none() {
            self.child.kill()?;
            self.child.wait()?;
        }
        let code = status.and_then(|status| status.code());
        let out = self.out.join().unwrap_or_default();
        let err = String::from_utf8_lossy(&self.err.join().unwrap_or_default()).into_owned();
        Ok(Said { code, out, err })
    }
}

fn read(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        // What is not there is missed in what is compared.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut all));
        all
    })
}

/// What is wrong with what a call said, after it had such an answer.
pub fn compare(conversation: &Conversation, said: &Said) -> Vec<String> {
    let text = |bytes: &[u8]| escaped(&String::from_utf8_lossy(bytes));
    let (mut out, mut err, mut code) = (Vec::new(), String::new(), None);
    for message in &conversation.server.messages {
        let payload = text(&message.payload);
        match message.kind {
            b'n' => err += &format!("notification: \"{}\" {payload}\n", text(&message.name)),
            b'h' => err += &format!("heartbeat: load {}\n", message.extra),
            b'E' => err += &format!("error: {payload}\n"),
            b'e' => err += &format!("retry after {} ms: {payload}\n", message.extra),
            b'R' | b'S' => out.extend(&message.payload),
            _ => {}
        }
        if is_last(message) {
            code = Some(match message.kind {
                b'E' => 1,
                b'e' => 2,
                _ => 0,
            });
            break;
        }
    }
    if conversation.client.messages[0].kind == b'n' {
        code = Some(0);
    }
    let f = conversation.server.messages.iter().find(|message| message.kind == b'f');
    let why = match (code, f, conversation.server.stop) {
        (Some(_), ..) => None,
        (None, Some(f), _) => Some(format!("({})", f.last)),
        (None, None, Stop::Version) => Some("is not supported".to_owned()),
        (None, None, Stop::Bad) => Some("at byte ".to_owned()),
        (None, None, _) => Some("the peer has closed".to_owned()),
    };
    let mut wrong = Vec::new();
    if said.code != Some(code.unwrap_or(3)) {
        wrong.push(format!("exit code {:?}, not {}", said.code, code.unwrap_or(3)));
    }
    if said.out != out {
        wrong.push(format!("printed {:?}, not {:?}", text(&said.out), text(&out)));
    }
    let is_right = match &why {
        None => said.err == err,
        Some(why) => said.err.strip_prefix(&err).is_some_and(|rest| {
            rest.starts_with("no answer: ") && rest.contains(why) && rest.lines().count() == 1
        }),
    };
    if !is_right {
        wrong.push(format!("said {:?}, not {err:?} {why:?}", said.err));
    }
    wrong
}

/// As the tool shows what could drive a terminal.
pub fn escaped(text: &str) -> String {
    let one = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(one).collect()
}

impl Said {
    /// In short.
    pub fn outline(&self) -> String {
        let code = self.code.map_or("killed".to_owned(), |code| format!("exit {code}"));
        let out = String::from_utf8_lossy(&self.out[..self.out.len().min(30)]).into_owned();
        let err: String = self.err.trim_end().chars().take(60).collect();
        [code, escaped(&out), escaped(&err)]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Each request of a conversation and each notification of its client, as one call; or why
/// there is none.
pub fn each(conversation: &Conversation) -> Vec<Result<Conversation, &'static str>> {
    let messages = &conversation.client.messages;
    let first = messages.iter().filter(|m| matches!(m.kind, b'r' | b's' | b'n'));
    // More of the same show nothing.
    let mut ways: Vec<_> = first.take(6).map(|m| fit(&conversation.only(m))).collect();
    if ways.is_empty() {
        let mut all = conversation.clone();
        all.client.messages.clear();
        ways.push(fit(&all));
    }
    ways
}

/// A recorded answer with one digit that is none.
pub fn bad_digit(conversation: &Conversation) -> Option<Conversation> {
    let mut bad = conversation.clone();
    bad.name += "-bad-digit";
    let mut answer = wire::encode(&bad.server.messages.pop()?);
    answer[12] = b'g';
    bad.server.tail = answer;
    bad.server.stop = Stop::Bad;
    (bad.carrier == Carrier::Tcp).then_some(bad)
}
