//! `gotalk serve --static`, and what a WebSocket says to HTTP that is none, by the program.

use super::program::{Process, output};
use super::support::gotalk;
use super::*;
use std::fs;
use std::path::PathBuf;

/// A folder with files, in a folder with a secret.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let outer = format!("{}/{name}-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        let folder = Self(PathBuf::from(outer));
        let _ = fs::remove_dir_all(&folder.0);
        fs::create_dir_all(folder.inner().join("sub/.git")).unwrap();
        fs::write(folder.0.join("secret"), "SECRET").unwrap();
        for (path, text) in [
            ("index.html", "<p>index"),
            ("a b%.txt", "spaced"),
            ("å.js", "script"),
            ("empty", ""),
            (".hidden", "SECRET"),
            ("sub/.git/config", "SECRET"),
            ("sub/index.html", "<p>sub"),
            ("sub/x.wasm", "\0asm"),
        ] {
            fs::write(folder.inner().join(path), text).unwrap();
        }
        folder
    }

    fn inner(&self) -> PathBuf {
        self.0.join("site")
    }

    fn serve(&self) -> Site {
        self.serve_with(&[])
    }

    fn serve_with(&self, options: &[&str]) -> Site {
        let path = self.inner();
        let args = ["serve", "--static", path.to_str().unwrap(), "ws://127.0.0.1:0/gotalk/"];
        Site::start(&[&args, options].concat())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Site {
    process: Process,
    host: String,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// A line of the head.
    fn has(&self, line: &str) -> bool {
        self.head.contains(&format!("\r\n{line}\r\n"))
    }
}

impl Site {
    fn start(args: &[&str]) -> Self {
        let process = Process::start(gotalk(args));
        let host = process.addr.strip_prefix("ws://").unwrap();
        let host = host.split('/').next().unwrap().to_owned();
        Self { process, host }
    }

    fn peer(&self) -> Peer {
        Peer::new(TcpStream::connect(&self.host).unwrap())
    }

    /// All that comes, up to the end.
    #[track_caller]
    fn says(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut peer = self.peer();
        peer.say(request);
        let mut all = Vec::new();
        let result = peer.0.read_to_end(&mut all);
        assert!(result.is_ok(), "{result:?} after {}", all.escape_ascii());
        answer(&all)
    }

    #[track_caller]
    fn gets(&self, path: &str) -> Answer {
        self.says(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host))
    }
}

#[track_caller]
fn answer(all: &[u8]) -> Answer {
    let len = all.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(all[..len].to_vec()).unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
    let answer = Answer { status, head, body: all[len..].to_vec() };
    assert!(answer.has("Connection: close"), "{}", answer.head);
    answer
}

#[test]
fn files_are_given() {
    let folder = Folder::new("files");
    let site = folder.serve();
    for (path, kind, body) in [
        ("/", "text/html; charset=utf-8", "<p>index"),
        ("/index.html?a=/../b", "text/html; charset=utf-8", "<p>index"),
        ("/a%20b%25.txt", "text/plain; charset=utf-8", "spaced"),
        ("/%c3%A5.js", "text/javascript; charset=utf-8", "script"),
        ("/empty", "application/octet-stream", ""),
        ("/sub/", "text/html; charset=utf-8", "<p>sub"),
        ("//sub//x.wasm", "application/wasm", "\0asm"),
    ] {
        let got = site.gets(path);
        assert_eq!((got.status, got.body.as_slice()), (200, body.as_bytes()), "{path}");
        assert!(got.has(&format!("Content-Type: {kind}")), "{path}: {}", got.head);
        assert!(got.has(&format!("Content-Length: {}", body.len())), "{path}: {}", got.head);
        let head = site.says(format!("HEAD {path} HTTP/1.0\r\n\r\n"));
        assert_eq!((head.head, head.body.as_slice()), (got.head, &b""[..]), "{path}");
    }
    for (path, location) in [("/sub", "./sub/"), ("//sub?x", "./sub/"), ("/s%75b", "./s%75b/")] {
        let moved = site.gets(path);
        assert_eq!(moved.status, 301, "{path}");
        assert!(moved.has(&format!("Location: {location}")), "{path}: {}", moved.head);
    }
    assert!(site.process.lines.try_recv().is_err(), "none of that is worth a word");
}

#[test]
fn there_is_no_way_out_of_the_folder() {
    let folder = Folder::new("ways");
    let inner = folder.inner();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("../secret", inner.join("link")).unwrap();
        symlink(folder.0.join("secret"), inner.join("absolute")).unwrap();
        symlink("..", inner.join("up")).unwrap();
        symlink("..", inner.join("sub/root")).unwrap();
        symlink("index.html", inner.join("inside")).unwrap();
        symlink("loop", inner.join("loop")).unwrap();
        fs::create_dir(inner.join("out")).unwrap();
        symlink("../../secret", inner.join("out/index.html")).unwrap();
        // To open it takes as long as nobody writes.
        let fifo = std::process::Command::new("mkfifo").arg(inner.join("fifo")).status();
        assert!(fifo.unwrap().success());
    }
    let site = folder.serve();
    let secret = folder.0.join("secret");
    let secret = secret.to_str().unwrap();
    let long = format!("/{}", "a".repeat(10_000));
    for path in [
        "/../secret",
        "/sub/../../secret",
        "/sub/../index.html", // in the folder, but not for us to say
        "/./index.html",
        "/%2e%2e/secret",
        "/%2E./secret",
        "/..%2fsecret",
        "/sub%2f..%2f..%2fsecret",
        "/sub%2findex.html",
        "/sub%2f.git%2fconfig",
        "/..%5csecret",
        "/..\\secret",
        "/%252e%252e/secret",
        "/index.html%00",
        "/index.html%00.js",
        "/%00",
        &format!("/{secret}"),
        &format!("/%2f{}", &secret[1..]),
        "/.hidden",
        "/%2ehidden",
        "/sub/.git/config",
        "/index.html/",
        "/index.html/x",
        "/link",
        "/absolute",
        "/up/secret",
        "/up/",
        "/up",
        "/out/",
        "/loop",
        "/fifo",
        "/missing",
        &long,
    ] {
        let got = site.gets(path);
        assert_eq!((got.status, got.body.as_slice()), (404, &b"no such path\n"[..]), "{path}");
    }
    for path in
        ["/%", "/%2", "/%zz", "/%+1", "/%ff", "/%e5/", "index.html", "http://x/index.html", "*"]
    {
        let got = site.gets(path);
        assert_eq!(got.status, 400, "{path}");
    }
    #[cfg(unix)]
    for path in ["/inside", "/sub/root/index.html"] {
        assert_eq!(site.gets(path).body, b"<p>index", "{path}");
    }
}

#[test]
fn requests_that_are_none_get_an_answer() {
    let folder = Folder::new("requests");
    let site = folder.serve();
    for (request, status) in [
        ("GET / HTTP/1.1\n\n", 200),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\nand more", 200),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        ("DELETE /index.html HTTP/1.1\r\n\r\n", 405),
        ("01r0001004echo00000000", 400),
        ("\x16\x03\x01\x02", 400),
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nno header\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\na\0: b\r\n\r\n", 400),
        (&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101)), 400),
        (&format!("GET / HTTP/1.1\r\na: {}", "b".repeat(20_000)), 431),
        (&"A".repeat(20_000), 431),
    ] {
        let got = site.says(request);
        assert_eq!(got.status, status, "{}", &request[..request.len().min(60)]);
    }
    assert!(site.says("PUT / HTTP/1.1\r\n\r\n").has("Allow: GET, HEAD"));
    let mut slow = site.peer();
    for byte in "GET / HTTP/1.1\r\n\r\n".bytes() {
        slow.say([byte]);
    }
    assert!(slow.hears_to_the_end().ends_with("<p>index"));
    // What they ask for is told, but does not drive a terminal.
    site.gets("/\u{202e}x");
    let mut lines = std::iter::repeat_with(|| site.process.lines.recv_timeout(HANG).unwrap());
    assert!(lines.any(|line| line.ends_with("HTTP 404 Not Found: no such path: \"/\\u{202e}x\"")));
    // Those who leave have no answer.
    drop(site.peer());
    let mut gone = site.peer();
    gone.say("GET / HT");
    gone.ends();
    assert_eq!(gone.hears_to_the_end(), "");
    assert_eq!(site.gets("/").status, 200);
}

/// Nobody is to take that for a file that is not there.
#[test]
#[cfg(target_os = "linux")]
fn a_file_may_not_be_had_for_want_of_descriptors() {
    let folder = Folder::new("descriptors");
    let line = "ulimit -n 15; exec \"$@\"";
    let mut sh = std::process::Command::new("sh");
    sh.args(["-c", line, "sh", env!("CARGO_BIN_EXE_gotalk"), "serve", "--static"]);
    let process = Process::start({
        sh.arg(folder.inner()).arg("ws://127.0.0.1:0/gotalk/");
        sh
    });
    let host = process.addr.strip_prefix("ws://").unwrap().split('/').next().unwrap();
    let mut peers: Vec<_> = (0..20).map(|_| Peer::new(TcpStream::connect(host).unwrap())).collect();
    let line = process.lines.recv_timeout(HANG).unwrap();
    assert!(line.starts_with("not accepted: "), "{line}");
    peers[0].say("GET /index.html HTTP/1.1\r\n\r\n");
    let mut all = Vec::new();
    peers[0].0.read_to_end(&mut all).unwrap();
    assert_eq!(answer(&all).status, 503);
}

/// It says so in time, and goes.
#[test]
fn a_client_that_says_nothing_is_left() {
    let (sender, addresses) = mpsc::channel();
    let (log, lines) = log::log(false);
    thread::spawn(move || {
        runtime().block_on(async {
            let at = "ws://127.0.0.1:0/".parse().unwrap();
            let (listener, local) = Listener::bind(&at, None).await.unwrap();
            sender.send(local.to_string()).unwrap();
            let limits = bounded(|limits| limits.silence = 300);
            let commands = Commands::new(Vec::new(), 0, 0).into();
            server::serve(listener, Shared { limits, commands, log }).await;
        });
    });
    let host = addresses.recv().unwrap().replace("ws://", "").replace('/', "");
    let told = one_by_one(lines);
    for begun in ["", "GET / HTTP/1.1\r\n"] {
        let mut peer = Peer::new(TcpStream::connect(&host).unwrap());
        peer.say(begun);
        assert_eq!(peer.hears_to_the_end(), "");
        assert!(told.recv_timeout(HANG).unwrap().starts_with("closed "));
    }
}

#[test]
fn slow_readers_hold_up_nobody() {
    let folder = Folder::new("slow");
    let big: Vec<u8> = (0..16_u32 << 20).map(|i| (i % 251) as u8).collect();
    fs::write(folder.inner().join("big"), &big).unwrap();
    let site = folder.serve_with(&["--unread", "3"]);
    let mut slow: Vec<Peer> = (0..20).map(|_| site.peer()).collect();
    for peer in &mut slow {
        peer.say("GET /big HTTP/1.1\r\n\r\n");
    }
    assert_eq!(site.gets("/").status, 200);
    let at = &site.process.addr;
    assert_eq!(output(&["call", at, "echo", "hi"]).stdout, b"hi");
    // Those who read again get all of it; those who do not are left.
    let mut late = slow.pop().unwrap();
    let mut all = Vec::new();
    late.0.read_to_end(&mut all).unwrap();
    assert!(answer(&all).body == big);
    assert!(site.gets("/big").body == big);
    for _ in &slow {
        let line = site.process.lines.recv_timeout(HANG).unwrap();
        assert!(line.starts_with("closed ") && line.ends_with("the peer does not read"), "{line}");
    }
}

#[test]
fn a_socket_and_its_page_come_from_one_port() {
    let folder = Folder::new("beside");
    let site = folder.serve();
    let at = &site.process.addr;
    assert_eq!(output(&["call", at, "echo", "hi"]).stdout, b"hi");
    let upgrade = site.gets("/gotalk/");
    assert_eq!((upgrade.status, upgrade.has("Upgrade: websocket")), (426, true));
    assert_eq!(upgrade.body, b"this is a WebSocket of Gotalk\n");
    let wants = |path: &str, lines: &str| {
        site.says(format!("GET {path} HTTP/1.1\r\nUpgrade: WebSocket\r\n{lines}\r\n"))
    };
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let rest = format!("Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n{key}");
    for path in ["/", "/index.html", "/gotalk", "/gotalk/x?"] {
        assert_eq!(wants(path, &rest).status, 404, "{path}");
    }
    for without in ["Connection: keep-alive, Upgrade\r\n", "Sec-WebSocket-Version: 13\r\n", key] {
        let refused = wants("/gotalk/", &rest.replace(without, ""));
        assert_eq!((refused.status, refused.has("Sec-WebSocket-Version: 13")), (400, true));
        assert!(refused.body.starts_with(b"no WebSocket: "));
    }
    // What is said before the answer has come is heard.
    let mut peer = site.peer();
    let first = [&b"\x82\x82\0\0\0\0"[..], b"01", b"\x82\x96\0\0\0\0", b"r0001004echo00000002hi"];
    let head = format!("GET /gotalk/ HTTP/1.1\r\nupgrade: websocket\r\n{rest}\r\n");
    peer.say([head.as_bytes(), &first.concat()].concat());
    let mut heard = String::new();
    while !heard.ends_with("R000100000002\u{fffd}\u{2}hi") {
        let mut byte = [0];
        peer.0.read_exact(&mut byte).unwrap();
        heard.push_str(if byte[0] == 0x82 { "\u{fffd}" } else { str::from_utf8(&byte).unwrap() });
    }
    assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
}

#[test]
fn a_socket_without_files_says_what_it_is() {
    let site = Site::start(&["serve", "ws://127.0.0.1:0/"]);
    assert_eq!(site.gets("/").status, 426);
    assert_eq!(site.gets("/index.html").status, 404);
    // The page can have the path of its socket.
    let folder = Folder::new("same");
    let path = folder.inner();
    let both = Site::start(&["serve", "--static", path.to_str().unwrap(), "ws://127.0.0.1:0/"]);
    assert_eq!(both.gets("/").body, b"<p>index");
    assert_eq!(output(&["call", &both.process.addr, "echo", "hi"]).stdout, b"hi");
}

#[test]
fn a_folder_is_for_a_websocket_and_must_be_there() {
    for (folder, address, code, why) in [
        (".", "127.0.0.1:0", 64, "error: --static is for a ws:// address"),
        (".", "-", 64, "error: --static is for a ws:// address"),
        ("/no/such/folder", "ws://127.0.0.1:0/", 66, "gotalk: cannot read /no/such/folder: "),
        ("Cargo.toml", "ws://127.0.0.1:0/", 66, "gotalk: cannot read Cargo.toml: "),
    ] {
        let told = output(&["serve", "--static", folder, address]);
        assert_eq!(told.status.code(), Some(code), "{folder} {address}: {told:?}");
        assert!(String::from_utf8_lossy(&told.stderr).starts_with(why), "{told:?}");
    }
}
