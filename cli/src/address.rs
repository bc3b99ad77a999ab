//! Where to connect and where to listen: the text that stands for it, and what is wrong
//! with that text.

use std::fmt;
use std::str::FromStr;

/// The speed of a serial line for which none is given.
const BAUD: u32 = 115_200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// `HOST:PORT`, or the same behind `tcp://`. There may be no host, here and behind `ws://`.
    Tcp(String),
    /// `unix:PATH`
    Unix(String),
    /// `-`, the standard input and output.
    Standard,
    /// `ws://HOST:PORT/PATH`. The path begins with a slash.
    WebSocket { host_and_port: String, path: String },
    /// `serial:PATH?baud=N`
    Serial { path: String, baud: u32 },
}

/// What is wrong with an address, and where in the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Counted from 1.
    character: usize,
    what: &'static str,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.character, self.what)
    }
}

impl std::error::Error for Mistake {}

impl Address {
    /// Whether the other end can see that this one has closed, while it still may send.
    pub(crate) fn hangs_up(&self) -> bool {
        !matches!(self, Self::Standard | Self::Serial { .. })
    }

    /// Whether who has closed this may still wait for answers.
    pub(crate) fn closes_by_halves(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Unix(_) | Self::Standard)
    }

    /// Where to connect: where there is no host, it is this machine.
    pub(crate) fn to_connect(&self) -> Self {
        let mut address = self.clone();
        if let Self::Tcp(host_and_port) | Self::WebSocket { host_and_port, .. } = &mut address
            && host_and_port.starts_with(':')
        {
            host_and_port.insert_str(0, "localhost");
        }
        address
    }

    pub(crate) fn is_serial(&self) -> bool {
        matches!(self, Self::Serial { .. })
    }
}

impl FromStr for Address {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let mistake = |at: usize, what| Mistake { character: text[..at].chars().count() + 1, what };
        if text == "-" {
            return Ok(Self::Standard);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(mistake(text.len(), "the path of the socket is missing")),
                path => Ok(Self::Unix(path.to_owned())),
            };
        }
        if let Some(rest) = text.strip_prefix("serial:") {
            let (path, baud) = match rest.rsplit_once('?') {
                None => (rest, BAUD),
                Some((path, query)) => {
                    let at = text.len() - query.len();
                    let Some(number) = query.strip_prefix("baud=") else {
                        return Err(mistake(at, "only `baud=N` can stand behind the `?`"));
                    };
                    match number.parse() {
                        Ok(baud) if baud > 0 => (path, baud),
                        _ => return Err(mistake(at + 5, "give the baud rate as a number above 0")),
                    }
                }
            };
            return match path {
                "" => Err(mistake(7, "the path of the serial port is missing")),
                path => Ok(Self::Serial { path: path.to_owned(), baud }),
            };
        }
        if text.starts_with(['/', '.']) {
            return Err(mistake(0, "this is a path; put `serial:` or `unix:` before it"));
        }
        let (start, rest) = match text.find("://") {
            Some(at) => (at + 3, &text[at + 3..]),
            None => (0, text),
        };
        let end = match &text[..start] {
            "" | "tcp://" => rest.len(),
            "ws://" => rest.find('/').unwrap_or(rest.len()),
            "wss://" => {
                return Err(mistake(0, "no TLS; give ws://, and to a server of TLS a proxy"));
            }
            _ => {
                let what = "no such transport; there are tcp://, ws://, unix:, serial: and -";
                return Err(mistake(0, what));
            }
        };
        let (host_and_port, path) = rest.split_at(end);
        let Some((host, port)) = host_and_port.rsplit_once(':') else {
            return Err(mistake(start + end, "`:` and the port are missing"));
        };
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        if host.contains(':') && !is_bracketed {
            return Err(mistake(start, "put an IPv6 address in brackets, as in [::1]:7000"));
        }
        if port.parse::<u16>().is_err() || port.starts_with('+') {
            let at = start + host.len() + 1;
            return Err(mistake(at, "the port must be a number up to 65535"));
        }
        let host_and_port = host_and_port.to_owned();
        if start == 0 || text.starts_with("tcp") {
            return Ok(Self::Tcp(host_and_port));
        }
        if let Some(at) = path.find(|c: char| !c.is_ascii_graphic() || c == '#') {
            return Err(mistake(start + end + at, "this cannot stand in the path"));
        }
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        Ok(Self::WebSocket { host_and_port, path })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host_and_port) => f.write_str(host_and_port),
            Self::Unix(path) => write!(f, "unix:{path}"),
            Self::Standard => f.write_str("-"),
            Self::WebSocket { host_and_port, path } => write!(f, "ws://{host_and_port}{path}"),
            Self::Serial { path, baud } => write!(f, "serial:{path}?baud={baud}"),
        }
    }
}
