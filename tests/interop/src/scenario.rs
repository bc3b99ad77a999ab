//! One conversation with ours at one end: what is expected, and what was seen.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::call::{self, Call, Said};
use crate::ours::{self, Report};
use crate::play::{Chunks, Player, Seen, outline};
use crate::recording::{Conversation, Role, is_last};
use crate::relay::{self, Lie};
use crate::socket::{Carrier, Socket};
use crate::tool::Tool;
use crate::wire::{Message, Stop};

/// Who of ours talks to the recorded peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    Client,
    Server,
    /// `gotalk serve`.
    Tool,
    /// `gotalk call`.
    Call,
}

impl Ours {
    pub fn role(self) -> Role {
        if matches!(self, Self::Client | Self::Call) { Role::Client } else { Role::Server }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Tool => "gotalk serve",
            Self::Call => "gotalk call",
        }
    }
}

/// A lie on the wire, from ours or towards it.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    pub lie: Lie,
    pub is_ours: bool,
}

pub struct Scenario {
    pub conversation: Conversation,
    pub ours: Ours,
    /// How the tool is to be started.
    pub args: Vec<&'static str>,
}

impl Scenario {
    /// The scenario, or why there is none.
    pub fn new(conversation: &Conversation, ours: Ours) -> Result<Self, &'static str> {
        let mut scenario = Self { conversation: conversation.clone(), ours, args: Vec::new() };
        let name = conversation.name.as_str();
        match (ours.role(), ours, conversation.bare, conversation.carrier) {
            // `call` and ours may ask what a bare socket asked, if that is Gotalk.
            (_, Ours::Call, ..) => return Ok(scenario),
            (Role::Client, _, Some(Role::Client), Carrier::Tcp) => {
                return Err("the recorded client is a raw socket");
            }
            (Role::Client, ..) if conversation.client.stop != Stop::Clean => {
                return Err("the recorded client is a raw socket");
            }
            (Role::Server, Ours::Server, ..) if name == "retry-result" => {}
            (Role::Server, _, Some(Role::Server), _) => {
                return Err("the recorded server is a raw socket");
            }
            (_, Ours::Tool, ..) => scenario.fit()?,
            _ => {}
        }
        if name == "retry-result" {
            // gotalk.js closes on a retry result. Ours does not, and to a browser it sends none.
            scenario.conversation.client.messages.retain(|message| message.kind != b'f');
        }
        Ok(scenario)
    }

    /// Asks the tool for what it has in place of what the recorded server had, and expects its
    /// words.
    fn fit(&mut self) -> Result<(), &'static str> {
        type Pairs = &'static [(&'static str, &'static str)];
        let (args, names, payloads): (&[_], Pairs, Pairs) = match self.conversation.name.as_str() {
            "c-empty-result" | "o-shutdown" => return Err("no operation like it"),
            "c-error-handler" => (&[], &[("echo", "upper")], &[("handler says no", "boom")]),
            // Time for five refusals on a slow machine.
            "d-retry-limit" => (&["--limit", "1"], &[], &[("job 0", "2000"), ("job 1", "1")]),
            "e-stream" => (
                &[],
                &[("upper", "echo")],
                &[("ALPHA ", "alpha "), ("BETA ", "beta "), ("GAMMA", "gamma")],
            ),
            "e-stream-error" => (
                &[],
                &[("broken", "stream-fail")],
                &[("partial result", "partial"), ("stream handler says no", "boom")],
            ),
            "f-stream-disabled" | "f-stream-disabled-parts" => (
                &["--streams", "0"],
                &[("blob", "echo")],
                &[("stream requests not supported", "no streams")],
            ),
            "i-read-timeout" => (&["--silence", "1"], &[("blob", "echo")], &[]),
            "h-heartbeat" | "heartbeats" => (&["--heartbeat", "0.05"], &[], &[]),
            "read-timeout" => (&["--silence", "0.3"], &[], &[]),
            "names-255" => return self.fit_names(),
            _ => (&[], &[("blob", "echo")], &[]),
        };
        self.args = args.to_vec();
        self.conversation = self.conversation.renamed(names, payloads);
        Ok(())
    }

    /// The tool takes names of 255 bytes.
    fn fit_names(&mut self) -> Result<(), &'static str> {
        for message in &mut self.conversation.server.messages {
            if message.payload == [b'b'; 256] {
                let text = b"operation name of 256 bytes; at most 255 are read";
                *message = Message { kind: b'E', payload: text.to_vec(), ..message.clone() };
            }
        }
        Ok(())
    }

    pub fn played(&self) -> Role {
        self.ours.role().other()
    }

    /// The code of the `f` that ours is to end with. Where the recorded peer closed without one,
    /// rule 7.11 decides.
    fn code(&self) -> Option<u32> {
        let recorded =
            self.conversation.side(self.ours.role()).messages.iter().find(|m| m.kind == b'f');
        match (recorded, self.conversation.side(self.played()).stop) {
            (Some(recorded), _) => Some(recorded.last),
            (None, Stop::Bad) => Some(2),
            (None, Stop::Version) => Some(1),
            (None, _) => None,
        }
    }

    /// Whether ours is to close without being told.
    fn ours_closes(&self) -> bool {
        match self.ours.role() {
            // It waits for an answer.
            Role::Client => !self.conversation.has_no_answer(),
            Role::Server => self.conversation.closer == Role::Server,
        }
    }

    /// Where ours ends otherwise than the recorded peer did.
    pub fn remark(&self) -> &'static str {
        let recorded = self.conversation.side(self.ours.role());
        let refused =
            self.ours == Ours::Client && self.conversation.name == "f-stream-disabled-parts";
        match self.code() {
            Some(_) if recorded.count(b'f') == 0 => "   (the recorded peer said no `f`)",
            _ if self.puts_off_browser() => "   (an `E`, as gotalk.js takes no `e`)",
            _ if refused => "   (the recorded peer sent parts after the refusal)",
            _ if self.ours.role() == Role::Server
                && matches!(
                    self.conversation.name.as_str(),
                    "e-stream-error" | "stream-handler-fails"
                ) =>
            {
                "   (the recorded peer ended the stream after its error)"
            }
            _ => "",
        }
    }

    /// Whether ours has a retry result for a browser.
    fn puts_off_browser(&self) -> bool {
        self.ours == Ours::Server && self.conversation.name == "retry-result"
    }

    /// The messages of a side without its heartbeats and its `f`, as pairs of request and
    /// message, less what only the Go peer sends: parts of a stream that was refused, and the
    /// end of a stream after its error.
    pub fn expected(&self, role: Role) -> Vec<(Option<usize>, Message)> {
        let conversation = &self.conversation;
        let mut over = Vec::new();
        let mut expected = Vec::new();
        for message in &conversation.side(role).messages {
            let request = conversation.question(message);
            let refused = || request.is_some_and(|request| conversation.is_refused(request));
            if matches!(message.kind, b'h' | b'f')
                || over.contains(&request)
                || message.kind == b'p' && refused()
            {
                continue;
            }
            if request.is_some() && is_last(message) && role == Role::Server {
                over.push(request);
            }
            let mut message = message.clone();
            if role == Role::Server && message.kind == b'e' && self.puts_off_browser() {
                message.kind = b'E';
            }
            expected.push((request, message));
        }
        expected
    }

    /// Runs it, and says what was seen and what was wrong.
    pub fn run(
        &self,
        program: &Path,
        tool: Option<&Tool>,
        chunks: Chunks,
        wire: Option<Wire>,
        patience: Duration,
    ) -> io::Result<Outcome> {
        let Talk { seen, report, peer } = self.talk(program, tool, chunks, wire, patience)?;
        let mut wrong = self.compare(&seen, &self.expected(self.ours.role()));
        let mut words = String::new();
        match report {
            Some(Ok(Told::Report(report))) => wrong.extend(self.compare_report(&report)),
            Some(Ok(Told::Said(said))) => {
                wrong.extend(call::compare(&self.conversation, &said));
                words = format!("   {}", said.outline());
            }
            Some(Err(error)) => wrong.push(format!("ours failed: {error}")),
            None => wrong.extend(self.compare_lines(tool, &peer, wire.is_some(), patience)),
        }
        let end = if seen.trouble.is_none() { ", closed" } else { "" };
        let outline = outline(&seen.decoded.messages, seen.decoded.stop);
        let outline = if outline.is_empty() { "nothing".to_owned() } else { outline };
        let messages = match self.conversation.carrier {
            Carrier::Tcp => String::new(),
            Carrier::WebSocket => format!(" in {} messages", seen.messages.len()),
        };
        let text = format!("{outline}{messages}{end}{words}");
        Ok(Outcome { seen: text, bytes: seen.bytes, messages: seen.messages, wrong })
    }

    /// Runs it.
    pub fn talk(
        &self,
        program: &Path,
        tool: Option<&Tool>,
        chunks: Chunks,
        wire: Option<Wire>,
        patience: Duration,
    ) -> io::Result<Talk> {
        let expected = self.expected(self.ours.role());
        let waits_for_close = self.code().is_some()
            || self.conversation.side(self.played()).count(b'f') > 0
            || self.ours_closes();
        let beats = self.conversation.side(self.ours.role()).count(b'h');
        let player = Player {
            conversation: &self.conversation,
            role: self.played(),
            chunks,
            patience,
            waits_for_close,
            awaited: expected.len(),
            awaited_beats: beats,
        };
        let carrier = self.conversation.carrier;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let target = match tool {
            Some(tool) => tool.address,
            None => listener.local_addr()?,
        };
        // Ours connects as a client and the player as a client of ours.
        let connects = self.ours.role() == Role::Client;
        let target = match wire {
            Some(Wire { lie, is_ours }) if carrier == Carrier::Tcp => match is_ours == connects {
                true => relay::start(target, lie, Lie::Nothing)?,
                false => relay::start(target, Lie::Nothing, lie)?,
            },
            _ => target,
        };
        // More than the player has, so that it is the player who gives up.
        let longer = patience + patience / 2;
        thread::scope(|scope| {
            let conversation = &self.conversation;
            let mut called = None;
            let ours = match self.ours {
                Ours::Tool => None,
                Ours::Call => {
                    called = Some(Call::start(program, conversation, target)?);
                    None
                }
                Ours::Client => Some(scope.spawn(move || {
                    ours::run(Socket::connect(carrier, target)?, conversation, Role::Client, longer)
                })),
                Ours::Server => {
                    let listener = listener.try_clone()?;
                    Some(scope.spawn(move || {
                        let socket = Socket::await_one(carrier, &listener, longer)?;
                        ours::run(socket, conversation, Role::Server, longer)
                    }))
                }
            };
            let mut socket = match connects {
                true => Socket::await_one(carrier, &listener, patience)?,
                false => Socket::connect(carrier, target)?,
            };
            if let Some(Wire { lie, is_ours }) = wire {
                socket.lie(lie, !is_ours);
            }
            let peer = socket.local_addr()?.to_string();
            let seen = player.play(&mut socket)?;
            drop(socket);
            let panicked = |_| Err(io::Error::other("it panicked"));
            let report = match called {
                Some(call) => Some(call.finish(patience).map(Told::Said)),
                None => ours.map(|ours| ours.join().unwrap_or_else(panicked).map(Told::Report)),
            };
            Ok(Talk { seen, report, peer })
        })
    }

    /// What ours sent, beside what the recorded side sent.
    fn compare(&self, seen: &Seen, expected: &[(Option<usize>, Message)]) -> Vec<String> {
        let mut wrong = Vec::new();
        wrong.extend(seen.trouble.clone());
        wrong.extend(seen.strict.clone());
        let decoded = &seen.decoded;
        if decoded.stop != Stop::Clean || decoded.rest != seen.bytes.len() {
            wrong.push(format!(
                "not what the grammar allows: {:?} at {}",
                decoded.stop, decoded.rest
            ));
        }
        let mut sent = Vec::new();
        let mut code = None;
        for message in &decoded.messages {
            let request = match (self.ours, message.kind) {
                (_, b'n') => None,
                (_, b'f') => {
                    code = Some(message.last);
                    continue;
                }
                (_, b'h') => continue,
                // It may have sent parts before the refusal came.
                (Ours::Call, b'p') if self.conversation.is_refused(0) => continue,
                (Ours::Client | Ours::Call, _) => seen.ids.iter().position(|id| *id == message.id),
                _ => self.conversation.question(message),
            };
            if request.is_none() && message.kind != b'n' {
                wrong.push(format!("{} with an id that nobody gave", message.kind as char));
            }
            sent.push((request, message.clone()));
        }
        wrong.extend(differences("sent", &sent, expected));
        if code != self.code() {
            wrong.push(format!("ended with f {code:?}, not {:?}", self.code()));
        }
        wrong
    }

    /// What ours says has come, beside what was played.
    fn compare_report(&self, report: &Report) -> Vec<String> {
        let played = self.conversation.side(self.played());
        let mut wrong: Vec<String> =
            differences("received", &report.came, &self.expected(self.played())).collect();
        if report.heartbeats != played.count(b'h') {
            wrong.push(format!(
                "received {} heartbeats of {}",
                report.heartbeats,
                played.count(b'h')
            ));
        }
        let end = match (self.code(), played.messages.iter().find(|m| m.kind == b'f')) {
            (Some(3), _) => "silence".to_owned(),
            (Some(_), _) => "failed: ".to_owned(),
            (None, Some(last)) => format!("the peer's f {}", last.last),
            (None, None) if self.ours_closes() => "ours closed".to_owned(),
            (None, None) => "the peer closed".to_owned(),
        };
        if !report.end.starts_with(&end) {
            wrong.push(format!("ended by `{}`, not `{end}`", report.end));
        }
        if report.opened != (played.version == b"01") {
            wrong.push("the version was not noticed".to_owned());
        }
        if report.late > 0 && played.tail.is_empty() && self.code().is_none() {
            wrong.push(format!("{} bytes after the end", report.late));
        }
        let refused = self.conversation.client.messages.len()
            - self.expected(Role::Client).len()
            - self
                .conversation
                .client
                .messages
                .iter()
                .filter(|m| matches!(m.kind, b'h' | b'f'))
                .count();
        if self.ours == Ours::Client && report.refused != refused {
            wrong.push(format!("{} parts refused by the session, not {refused}", report.refused));
        }
        wrong
    }

    /// What the tool says of notifications.
    fn compare_lines(
        &self,
        tool: Option<&Tool>,
        peer: &str,
        has_relay: bool,
        patience: Duration,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some(tool) = tool else { return wrong };
        let from =
            if has_relay { "notification from " } else { &format!("notification from {peer}: ") };
        for notification in self.conversation.client.messages.iter().filter(|m| m.kind == b'n') {
            let name = String::from_utf8_lossy(&notification.name);
            let payload = String::from_utf8_lossy(&notification.payload);
            let end = match name.len() {
                ..256 => format!(": \"{name}\" {}", call::escaped(&payload)),
                len => format!(": a name of {len} bytes"),
            };
            let line = tool.line(patience, |line| line.starts_with("notification from "));
            if !line.as_ref().is_some_and(|line| line.starts_with(from) && line.ends_with(&end)) {
                wrong.push(format!("no notification {end:?}, but {line:?}"));
            }
        }
        wrong
    }
}

/// Type, name and payload of each message, in order within each request.
fn differences<'a>(
    did: &'a str,
    seen: &'a [(Option<usize>, Message)],
    expected: &'a [(Option<usize>, Message)],
) -> impl Iterator<Item = String> + use<'a> {
    let mut requests: Vec<Option<usize>> =
        seen.iter().chain(expected).map(|(request, _)| *request).collect();
    requests.sort();
    requests.dedup();
    requests.into_iter().filter_map(move |request| {
        let of = |all: &'a [(Option<usize>, Message)]| {
            all.iter().filter(move |(r, _)| *r == request).map(|(_, m)| m)
        };
        let mut pairs = of(seen).zip(of(expected));
        let same = pairs.all(|(seen, expected)| {
            (seen.kind, &seen.name, &seen.payload)
                == (expected.kind, &expected.name, &expected.payload)
        });
        if same && of(seen).count() == of(expected).count() {
            return None;
        }
        let show = |messages: &mut dyn Iterator<Item = &Message>| {
            messages
                .map(|m| {
                    let text = |bytes: &[u8]| {
                        String::from_utf8_lossy(&bytes[..bytes.len().min(30)])
                            .escape_debug()
                            .to_string()
                    };
                    format!("{} {}{}", m.kind as char, text(&m.name), text(&m.payload))
                })
                .collect::<Vec<_>>()
                .join(" | ")
        };
        Some(format!(
            "{did} for request {request:?}: {}; not: {}",
            show(&mut of(seen)),
            show(&mut of(expected))
        ))
    })
}

pub struct Talk {
    pub seen: Seen,
    /// Of ours, but for `gotalk serve`.
    pub report: Option<io::Result<Told>>,
    /// The address that the player had.
    peer: String,
}

/// What ours tells.
pub enum Told {
    Report(Report),
    Said(Said),
}

pub struct Outcome {
    /// What ours sent, in short.
    pub seen: String,
    pub bytes: Vec<u8>,
    /// The lengths of the WebSocket messages.
    pub messages: Vec<usize>,
    pub wrong: Vec<String>,
}

/// The server that a scenario needs.
pub fn tool_for(scenario: &Scenario, program: &Path) -> io::Result<Option<Tool>> {
    match scenario.ours {
        Ours::Tool => {
            let carrier = scenario.conversation.carrier;
            Tool::start(program, carrier, &scenario.args, None).map(Some)
        }
        _ => Ok(None),
    }
}
