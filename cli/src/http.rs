//! HTTP, as far as a WebSocket needs it: the head of a request, and the files of the page that
//! opens the socket.
//!
//! Whoever asks for a file gets a connection for each, and 16 KiB at a time. Nothing outside
//! the folder is found: a path is taken apart before it is decoded, no part of it may begin
//! with a dot or hold a separator, and what links lead to must be in the folder too. Who can
//! change the folder while it is served is trusted.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::escape;
use crate::text::is_whole_head;
use crate::wire::{End, FULL, Limits, hang_up};

/// The longest head of a request.
const MOST: usize = 16 * 1024;
/// The most lines in it.
const LINES: usize = 100;

/// What there is at a port.
pub(crate) struct Site {
    /// Of the WebSocket.
    pub(crate) path: String,
    /// The files, if there are any. It is absolute, and no link.
    pub(crate) folder: Option<PathBuf>,
}

impl Site {
    /// Whether a client that asks for this wants the WebSocket. It may say more behind a `?`.
    pub(crate) fn is_at(&self, target: &str) -> bool {
        let rest = target.strip_prefix(&*self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('?'))
    }
}

/// The start of what a client says.
pub(crate) struct Start {
    bytes: Vec<u8>,
    /// The length of the head.
    len: usize,
    pub(crate) is_upgrade: bool,
    method: String,
    /// What is asked for, as it came.
    pub(crate) target: String,
}

impl Start {
    /// Reads the head of a request.
    pub(crate) async fn read(stream: &mut TcpStream) -> io::Result<Result<Self, Status>> {
        let mut bytes = Vec::new();
        loop {
            if bytes.len() >= MOST {
                return Ok(Err(Status::TooLong));
            }
            let looked_at = bytes.len();
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            // As of Gotalk without a WebSocket, and of TLS.
            if !bytes[0].is_ascii_uppercase() {
                return Ok(Err(Status::Bad));
            }
            if is_whole_head(&bytes, looked_at) {
                return Ok(Self::parse(bytes));
            }
        }
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, Status> {
        let mut headers = [httparse::EMPTY_HEADER; LINES];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(len)) = request.parse(&bytes) else {
            return Err(Status::Bad);
        };
        let is_upgrade = request.headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case("upgrade")
                && header.value.eq_ignore_ascii_case(b"websocket")
        });
        let [method, target] =
            [request.method, request.path].map(|text| text.unwrap_or_default().to_owned());
        Ok(Self { is_upgrade, method, target, bytes, len })
    }

    /// The head, and what has come behind it.
    pub(crate) fn split(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.len)
    }

    /// The answer to a request for no WebSocket.
    pub(crate) async fn answer(self, stream: TcpStream, site: &Site) -> Page {
        let is_head = self.method == "HEAD";
        let found = match self.method.as_str() {
            "GET" | "HEAD" => find(&self.target, site).await,
            _ => Err(Status::Method),
        };
        match found {
            Err(status) => Page::refuse(stream, status, &self.target, is_head),
            Ok(Found { file, len, kind }) => {
                let head = head("200 OK", kind, len, "Cache-Control: no-cache\r\n");
                let body = if is_head { Body::None } else { Body::File(file.take(len)) };
                Page { stream, head, body, refused: None }
            }
        }
    }
}

/// Why there is no file, and no WebSocket.
pub(crate) enum Status {
    Bad,
    TooLong,
    Method,
    /// A folder whose path does not end with a slash.
    Moved(String),
    NotFound,
    /// It is there, and cannot be opened now.
    Busy,
    /// There is a WebSocket only.
    Upgrade,
    /// It is wanted, but not as RFC 6455 has it.
    NoSocket(String),
}

/// What is sent to a client that wants no WebSocket, or gets none.
pub(crate) struct Page {
    stream: TcpStream,
    head: String,
    body: Body,
    /// What to say of it, if it was not what the client wanted.
    refused: Option<String>,
}

enum Body {
    None,
    Text(String),
    File(tokio::io::Take<File>),
}

impl Page {
    pub(crate) fn refuse(stream: TcpStream, status: Status, target: &str, is_head: bool) -> Self {
        let (code, more, text) = match status {
            Status::Bad => {
                ("400 Bad Request", String::new(), "this cannot be understood".to_owned())
            }
            Status::TooLong => {
                let text = format!("no head above {MOST} bytes is read");
                ("431 Request Header Fields Too Large", String::new(), text)
            }
            Status::Method => {
                let allow = "Allow: GET, HEAD\r\n".to_owned();
                ("405 Method Not Allowed", allow, "only GET and HEAD".to_owned())
            }
            Status::Moved(to) => {
                let location = format!("Location: {to}\r\n");
                ("301 Moved Permanently", location, "it is a folder".to_owned())
            }
            Status::NotFound => ("404 Not Found", String::new(), "no such path".to_owned()),
            Status::Busy => {
                let text = "the file cannot be opened now".to_owned();
                ("503 Service Unavailable", String::new(), text)
            }
            Status::Upgrade => {
                let upgrade = "Upgrade: websocket\r\n".to_owned();
                ("426 Upgrade Required", upgrade, "this is a WebSocket of Gotalk".to_owned())
            }
            Status::NoSocket(why) => {
                let version = "Sec-WebSocket-Version: 13\r\n".to_owned();
                ("400 Bad Request", version, format!("no WebSocket: {why}"))
            }
        };
        let target = escape::quoted(target, '"');
        let refused = (!code.starts_with("301")).then(|| format!("HTTP {code}: {text}: {target}"));
        let text = format!("{text}\n");
        let head = head(code, "text/plain; charset=utf-8", text.len() as u64, &more);
        let body = if is_head { Body::None } else { Body::Text(text) };
        Self { stream, head, body, refused }
    }

    /// Sends it, and hangs up. A client that does not take a piece in time has left.
    pub(crate) async fn send(mut self, limits: &Limits) -> io::Result<()> {
        let Self { stream, head, body, refused } = &mut self;
        write(stream, head.as_bytes(), limits).await?;
        match body {
            Body::None => {}
            Body::Text(text) => write(stream, text.as_bytes(), limits).await?,
            Body::File(file) => {
                let mut piece = vec![0; FULL];
                loop {
                    let len = file.read(&mut piece).await?;
                    if len == 0 {
                        break;
                    }
                    write(stream, &piece[..len], limits).await?;
                }
                // It has become shorter, and the client is to see that this is not all.
                if file.limit() > 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
        }
        hang_up(stream, limits).await;
        refused.take().map_or(Ok(()), |why| Err(io::Error::other(why)))
    }
}

async fn write(stream: &mut TcpStream, bytes: &[u8], limits: &Limits) -> io::Result<()> {
    let written = timeout(Duration::from_millis(limits.unread), stream.write_all(bytes)).await;
    written.unwrap_or_else(|_| Err(io::Error::new(ErrorKind::TimedOut, End::Unread)))
}

fn head(status: &str, kind: &str, len: u64, more: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\
         X-Content-Type-Options: nosniff\r\n{more}Connection: close\r\n\r\n"
    )
}

struct Found {
    file: File,
    len: u64,
    kind: &'static str,
}

/// Looks for what a client asks for.
async fn find(target: &str, site: &Site) -> Result<Found, Status> {
    let nothing = if site.is_at(target) { Status::Upgrade } else { Status::NotFound };
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let parts = path.strip_prefix('/').ok_or(Status::Bad)?;
    let Some(folder) = &site.folder else { return Err(nothing) };
    let mut at = folder.clone();
    for part in parts.split('/').filter(|part| !part.is_empty()) {
        let name = decode(part).ok_or(Status::Bad)?;
        let is_drive = cfg!(windows) && name.contains(':');
        if name.starts_with('.') || name.contains(['/', '\\', '\0']) || is_drive {
            return Err(nothing);
        }
        at.push(name);
    }
    // What links lead to must be in the folder too.
    let real = async |at: PathBuf| {
        let at = fs::canonicalize(at).await.ok().filter(|at| at.starts_with(folder))?;
        Some((fs::metadata(&at).await.ok()?, at))
    };
    let Some((mut metadata, mut at)) = real(at).await else { return Err(nothing) };
    if metadata.is_dir() && !path.ends_with('/') {
        // Relative, so that it leads to no other host. The name may look like a scheme.
        let name = parts.rsplit('/').next().unwrap_or_default();
        return Err(Status::Moved(format!("./{name}/")));
    }
    if path.ends_with('/') {
        let Some(index) = real(at.join("index.html")).await else { return Err(nothing) };
        (metadata, at) = index;
    }
    if !metadata.is_file() {
        return Err(nothing); // to open it could take for ever
    }
    let kind = kind(&at);
    match File::open(at).await {
        Ok(file) => Ok(Found { file, len: metadata.len(), kind }),
        // As when descriptors are out.
        Err(error)
            if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) =>
        {
            Err(Status::Busy)
        }
        Err(_) => Err(nothing),
    }
}

/// A part of a path, without its `%`. `None`: it cannot be decoded.
fn decode(part: &str) -> Option<String> {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn kind(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        "json" | "map" => "application/json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}
