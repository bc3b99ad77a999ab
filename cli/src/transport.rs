//! What an [`Address`] stands for: a stream of bytes, whatever carries it.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
#[cfg(unix)]
use std::time::SystemTime;
use std::time::{Duration, Instant};

#[cfg(unix)]
use nix::errno::Errno;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, Stdin, Stdout};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout_at};

use crate::address::Address;
use crate::connect::connect as connect_tcp;
use crate::http::{Page, Site, Start, Status};
use crate::log::Line;
use crate::wire::Limits;
use crate::{serial, websocket};

/// The pauses after failing to accept: at first, and when that goes on.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// Bytes in both directions. Shut down, it says goodbye in its own way, if it has one.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

pub(crate) type Stream = Box<dyn Transport>;

/// Connects, and does not wait for ever.
pub(crate) async fn connect(address: &Address, by: Instant) -> io::Result<Stream> {
    let address = &address.to_connect();
    Ok(match address {
        Address::Tcp(host_and_port) => {
            Box::new(without_delay(connect_tcp(host_and_port, by).await?))
        }
        Address::WebSocket { host_and_port, .. } => {
            let stream = without_delay(connect_tcp(host_and_port, by).await?);
            let url = address.to_string();
            Box::new(timeout_at(by.into(), websocket::connect(stream, &url)).await??)
        }
        #[cfg(unix)]
        Address::Unix(path) => Box::new(timeout_at(by.into(), UnixStream::connect(path)).await??),
        #[cfg(not(unix))]
        Address::Unix(_) => return Err(no_unix()),
        Address::Standard => Box::new(Standard::new()),
        Address::Serial { path, baud } => {
            Box::new(timeout_at(by.into(), serial::connect(path, *baud)).await??)
        }
    })
}

fn without_delay(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true); // it is only slower without
    stream
}

#[cfg(not(unix))]
fn no_unix() -> io::Error {
    io::Error::new(ErrorKind::Unsupported, "there are no such sockets on this system")
}

/// Where connections come.
pub(crate) enum Listener {
    Tcp(TcpListener),
    WebSocket(TcpListener, Arc<Site>),
    #[cfg(unix)]
    Unix(UnixSocket),
    /// Taken once.
    Standard {
        is_taken: bool,
    },
    Serial(serial::Device, Address),
}

/// A connection that has come. A WebSocket is still to be opened, which takes the client's
/// doing, so that others should not wait for it.
pub(crate) enum Accepted {
    Open(Stream),
    Http(TcpStream, Arc<Site>),
}

/// What has become of it.
pub(crate) enum Opened {
    Stream(Stream),
    /// No WebSocket was asked for, or not rightly.
    Page(Page),
}

impl Accepted {
    pub(crate) async fn open(self) -> io::Result<Opened> {
        let (mut stream, site) = match self {
            Self::Open(stream) => return Ok(Opened::Stream(stream)),
            Self::Http(stream, site) => (stream, site),
        };
        let start = match Start::read(&mut stream).await? {
            Ok(start) => start,
            Err(status) => return Ok(Opened::Page(Page::refuse(stream, status, "", false))),
        };
        if !start.is_upgrade {
            return Ok(Opened::Page(start.answer(stream, &site).await));
        }
        let (head, rest) = start.split();
        let refusal = if site.is_at(&start.target) {
            match websocket::response(head) {
                Ok(response) => {
                    stream.write_all(&response).await?;
                    return Ok(Opened::Stream(Box::new(websocket::accepted(stream, rest).await)));
                }
                Err(error) => Status::NoSocket(error.to_string()),
            }
        } else {
            Status::NotFound
        };
        Ok(Opened::Page(Page::refuse(stream, refusal, &start.target, false)))
    }
}

impl Opened {
    /// The stream; a page is sent, and is none.
    pub(crate) async fn into_stream(self) -> io::Result<Stream> {
        match self {
            Self::Stream(stream) => Ok(stream),
            Self::Page(page) => {
                let sent = page.send(&Limits::default()).await;
                let why = sent.err().map_or_else(|| "a page".to_owned(), |why| why.to_string());
                Err(io::Error::other(format!("no WebSocket: {why}")))
            }
        }
    }
}

impl Listener {
    /// Listens, and says where: the port may have been left to the system. Who asks a
    /// WebSocket for something else gets the files of the folder; other transports have none.
    pub(crate) async fn bind(
        address: &Address,
        folder: Option<PathBuf>,
    ) -> io::Result<(Self, Address)> {
        let mut at = address.clone();
        let listener = match &mut at {
            Address::Tcp(host_and_port) => Self::Tcp(bind_tcp(host_and_port).await?),
            Address::WebSocket { host_and_port, path } => {
                let site = Site { path: path.clone(), folder };
                Self::WebSocket(bind_tcp(host_and_port).await?, site.into())
            }
            #[cfg(unix)]
            Address::Unix(path) => Self::Unix(UnixSocket::bind(path).await?),
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(no_unix()),
            Address::Standard => Self::Standard { is_taken: false },
            Address::Serial { path, baud } => {
                Self::Serial(serial::Device::open(path, *baud)?, address.clone())
            }
        };
        Ok((listener, at))
    }

    /// Whether there is only one connection at a time.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self, Self::Standard { .. } | Self::Serial(..))
    }

    /// The next connection, and where it comes from. `None`: there will be no more. While none
    /// can be had, as when descriptors are out, it tries again less and less often, and says so
    /// once.
    pub(crate) async fn accept_at_last(
        &mut self,
        tell: impl Fn(&Line<'_>),
    ) -> Option<(Accepted, String)> {
        let mut pause = Duration::ZERO;
        loop {
            match self.accept().await {
                Ok(accepted) => {
                    if !pause.is_zero() {
                        tell(&Line::AcceptingAgain);
                    }
                    return accepted;
                }
                Err(error) if pause.is_zero() => {
                    tell(&Line::NotAccepted(&error));
                    pause = FIRST_PAUSE;
                }
                Err(_) => pause = LAST_PAUSE.min(2 * pause),
            }
            sleep(pause).await;
        }
    }

    /// The same, tried once.
    pub(crate) async fn accept(&mut self) -> io::Result<Option<(Accepted, String)>> {
        let (stream, peer): (Stream, _) = match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                (Box::new(without_delay(stream)), shown(peer))
            }
            Self::WebSocket(listener, site) => {
                let (stream, peer) = listener.accept().await?;
                let accepted = Accepted::Http(without_delay(stream), Arc::clone(site));
                return Ok(Some((accepted, shown(peer))));
            }
            #[cfg(unix)]
            Self::Unix(socket) => {
                let stream = socket.listener.accept().await?.0;
                socket.accepted += 1;
                (Box::new(stream), format!("unix:{}#{}", socket.path, socket.accepted))
            }
            Self::Standard { is_taken } => {
                if std::mem::replace(is_taken, true) {
                    return Ok(None);
                }
                (Box::new(Standard::new()), "-".to_owned())
            }
            Self::Serial(device, address) => {
                (Box::new(device.accept().await?), address.to_string())
            }
        };
        Ok(Some((Accepted::Open(stream), peer)))
    }
}

async fn bind_tcp(host_and_port: &mut String) -> io::Result<TcpListener> {
    let port = host_and_port.strip_prefix(':').and_then(|port| port.parse().ok());
    let listener = match port {
        None => TcpListener::bind(&*host_and_port).await?,
        Some(port) => bind_everywhere(port)?,
    };
    *host_and_port = listener.local_addr()?.to_string();
    Ok(listener)
}

/// All interfaces: those of IPv6 too, where there are some.
fn bind_everywhere(port: u16) -> io::Result<TcpListener> {
    let of_both = Socket::new(Domain::IPV6, Type::STREAM, None)
        .and_then(|socket| socket.set_only_v6(false).map(|()| socket));
    let v6 = of_both.map(|socket| bind_socket(socket, (Ipv6Addr::UNSPECIFIED, port).into()));
    match v6 {
        Ok(Err(error)) if error.kind() != ErrorKind::AddrNotAvailable => Err(error),
        Ok(Ok(listener)) => Ok(listener),
        _ => {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            bind_socket(socket, (Ipv4Addr::UNSPECIFIED, port).into())
        }
    }
}

/// As `TcpListener::bind` does it.
fn bind_socket(socket: Socket, address: SocketAddr) -> io::Result<TcpListener> {
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// The address of a peer. An IPv4 address is shown as such also if IPv6 carries it.
fn shown(peer: SocketAddr) -> String {
    SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string()
}

/// A socket in the file system, whose file is gone when this is.
#[cfg(unix)]
pub(crate) struct UnixSocket {
    listener: UnixListener,
    path: String,
    file: Option<FileId>,
    /// Those who come have no names: they are counted.
    accepted: u64,
}

/// The device and the number of a file, and when it was made, as many systems use a number
/// again at once.
#[cfg(unix)]
type FileId = (u64, u64, Option<SystemTime>);

#[cfg(unix)]
impl UnixSocket {
    /// Of two servers that start at the same moment over a stale file, one can still remove the
    /// file of the other, if that gets it between the last look here and the removal, which goes
    /// by the name.
    async fn bind(path: &str) -> io::Result<Self> {
        // The file of a server that was killed is in the way.
        let stale = socket_at(path);
        if stale.is_some() && is_deserted(path).await && socket_at(path) == stale {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        Ok(Self { listener, path: path.to_owned(), file: socket_at(path), accepted: 0 })
    }
}

/// Whether the socket at this path is nobody's. Who listens there is not to notice the question,
/// and so it is asked by a socket of another type: Linux, macOS and the BSDs say that the type is
/// wrong where there is somebody. Elsewhere only a connection can tell.
#[cfg(unix)]
async fn is_deserted(path: &str) -> bool {
    let asked = std::os::unix::net::UnixDatagram::unbound().and_then(|it| it.connect(path));
    match asked {
        Err(error) if error.raw_os_error() == Some(Errno::EPROTOTYPE as i32) => false,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => true,
        _ => {
            let connected = UnixStream::connect(path).await;
            connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        }
    }
}

/// The socket that has this path.
#[cfg(unix)]
fn socket_at(path: &str) -> Option<FileId> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let file = std::fs::symlink_metadata(path).ok()?;
    file.file_type().is_socket().then(|| (file.dev(), file.ino(), file.modified().ok()))
}

#[cfg(unix)]
impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Its path may be that of another server by now.
        if self.file.is_some() && socket_at(&self.path) == self.file {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The standard input and output. The latter has a buffer for lines, so a write is over only
/// when that is flushed. Whoever gives up a write, and writes again, must begin with the same
/// bytes.
struct Standard {
    input: Stdin,
    output: Stdout,
    /// How much of what is being written is in the buffer.
    handed: Option<usize>,
}

impl Standard {
    fn new() -> Self {
        Self { input: tokio::io::stdin(), output: tokio::io::stdout(), handed: None }
    }
}

impl AsyncRead for Standard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Standard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.handed.is_none() {
            self.handed = Some(ready!(Pin::new(&mut self.output).poll_write(cx, bytes))?);
        }
        ready!(Pin::new(&mut self.output).poll_flush(cx))?;
        Poll::Ready(Ok(self.handed.take().unwrap_or_default()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Sees to it that the program ends when it is interrupted, also if it waits for somebody to
/// take its output and so does not hear of it. By itself it has a second for its end.
pub(crate) fn end_when_interrupted() {
    std::thread::spawn(|| {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() {
            let code = runtime.block_on(interrupted());
            std::thread::sleep(Duration::from_secs(1));
            std::process::exit(code.into());
        }
    });
}

/// Which signals the program was started to ignore, a bit each, as `nohup` does it, and a shell
/// without job control for what it starts with `&`. `None`: that cannot be seen here.
#[cfg(unix)]
fn ignored_signals() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(ignored.trim(), 16).ok()
}

/// Waits until the program is to end, and gives the exit code for that. Signals that it was
/// started to ignore do not end it. Where that cannot be seen, the end of its terminal is left to
/// the system, for the sake of `nohup`.
pub(crate) async fn interrupted() -> u8 {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // A handler would take the place of what was set, so an ignored signal gets none.
        let ignored = ignored_signals();
        let comes = async |kind: SignalKind, unseen| {
            let bit = 1 << (kind.as_raw_value() - 1);
            if ignored.map_or(unseen, |ignored: u64| ignored & bit == 0)
                && let Ok(mut signal) = signal(kind)
            {
                signal.recv().await;
                return 128 + kind.as_raw_value() as u8;
            }
            std::future::pending().await
        };
        tokio::select! {
            code = comes(SignalKind::hangup(), false) => code,
            code = comes(SignalKind::interrupt(), true) => code,
            code = comes(SignalKind::terminate(), true) => code,
        }
    }
    #[cfg(not(unix))]
    match tokio::signal::ctrl_c().await {
        Ok(()) => 128 + 2,
        Err(_) => std::future::pending().await,
    }
}
