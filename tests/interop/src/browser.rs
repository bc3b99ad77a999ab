//! The page of `examples/browser` in a real browser, which tests itself against `gotalk serve`.
//!
//! Chromium is steered through its DevTools port, a WebSocket with JSON: virtual time, which
//! `--dump-dom` can wait for, runs ahead of real sockets.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::report;
use crate::socket::{Carrier, Socket};
use crate::strict::{Reader, Strict};
use crate::tool::Tool;
use crate::wire;

/// How long Chromium may take to start, and a page to test itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the checks of the page need.
const SERVE: [&str; 6] = ["--limit", "2", "--heartbeat", "0.5", "--silence", "1"];
/// The fewest checks that there are.
const CHECKS: usize = 20;

/// Bytes of the server's that are changed on the way, so that a check must fail.
const LIES: [&[u8]; 4] = [b"all is well", b"boom", b"greeting", b"client-echo"];

/// Runs the page's checks with this Chromium, and says how many rows failed. `page` is the
/// folder that it is in.
pub fn run(program: &Path, page: &Path, chromium: &str, is_quick: bool) -> io::Result<usize> {
    let page = fs::canonicalize(page)?;
    let from_file = format!("file://{}/index.html", page.display());
    let page = page.to_string_lossy();
    let args = [&SERVE[..], &["--static", &page]].concat();
    let tool = Tool::start(program, Carrier::WebSocket, &args, None)?;
    let mut browser = Browser::start(chromium)?;
    println!("\nthe page of examples/browser, in {}, from its server\n", browser.version()?);
    // It finds the WebSocket by itself there.
    let (title, log) = browser.test(&format!("http://{}/?test", tool.address))?;
    print!("{log}");
    let checks = log.lines().filter(|line| line.starts_with("ok  ")).count();
    let mut failed = usize::from(title != "passed");
    if title == "passed" && checks < CHECKS {
        println!("{checks} checks are too few");
        failed += 1;
    }
    let of = |server| format!("{from_file}?test&address={}", Carrier::WebSocket.url(server));
    if !is_quick {
        let (title, log) = browser.test(&of(tool.address))?;
        let wrong = if title == "passed" { vec![] } else { vec![format!("{title}: {log}")] };
        failed += report("the same from a file", &wrong, "");
    }
    let strictly = browser.strictly(&from_file);
    let (seen, wrong) = match strictly {
        Ok(seen) => (seen, Vec::new()),
        Err(error) => (String::new(), vec![error.to_string()]),
    };
    failed += report("what it sends, strictly read", &wrong, &seen);
    println!("\nwhat must fail: the same with one byte changed\n");
    for lie in if is_quick { &LIES[..1] } else { &LIES[..] } {
        let (title, log) = browser.test(&of(change(tool.address, lie)?))?;
        let first = log.lines().find(|line| line.starts_with("FAIL")).unwrap_or_default();
        let wrong = if title == "failed" { vec![] } else { vec![format!("{title}: {log}")] };
        failed += report(&format!("{:<42}", String::from_utf8_lossy(lie)), &wrong, first);
    }
    Ok(failed)
}

struct Browser {
    child: Child,
    /// Where it keeps what it writes.
    profile: PathBuf,
    devtools: WebSocket<TcpStream>,
    /// Of the page that the questions are about.
    session: Value,
    asked: u64,
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = Value::Null; // it is the browser that is asked
        let _ = self.ask("Browser.close", &json!({}));
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

impl Browser {
    fn start(chromium: &str) -> io::Result<Self> {
        let profile = env::temp_dir().join(format!("gotalk-browser-{}", std::process::id()));
        fs::create_dir_all(&profile)?;
        let child = Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-extensions", "--disable-background-networking"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut child = Stop(Some(child));
        let until = Instant::now() + PATIENCE;
        let devtools = loop {
            match attach(&profile) {
                Ok(devtools) => break devtools,
                Err(error) if Instant::now() >= until => {
                    let _ = fs::remove_dir_all(&profile);
                    return Err(io::Error::other(format!("no DevTools from {chromium}: {error}")));
                }
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        };
        let child = child.0.take().ok_or(io::ErrorKind::NotFound)?;
        let mut browser = Self { child, profile, devtools, session: Value::Null, asked: 0 };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.ask("Target.attachToTarget", &target)?["sessionId"].clone();
        Ok(browser)
    }

    fn version(&mut self) -> io::Result<String> {
        let version = self.ask("Browser.getVersion", &json!({}))?;
        Ok(version["product"].as_str().unwrap_or("a browser").to_owned())
    }

    fn open(&mut self, url: &str) -> io::Result<()> {
        self.ask("Page.navigate", &json!({ "url": url }))?;
        // Until then it may be the page before that answers.
        let until = Instant::now() + PATIENCE;
        let is_there = format!("String(location.href === '{url}' && document.readyState)");
        while self.value(&is_there)? != "complete" && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Opens the page, and gives its title and its log when it has tested itself.
    fn test(&mut self, url: &str) -> io::Result<(String, String)> {
        self.open(url)?;
        let until = Instant::now() + PATIENCE;
        loop {
            let title = self.value("document.title")?;
            if title == "passed" || title == "failed" || Instant::now() >= until {
                let log = self.value("document.getElementById('log')?.textContent ?? ''")?;
                return Ok((title, log));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lets the page send all that it can, and reads that strictly.
    fn strictly(&mut self, page: &str) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = thread::spawn(move || -> io::Result<(Strict, Vec<u8>)> {
            let mut socket = Socket::await_one(Carrier::WebSocket, &listener, PATIENCE)?;
            socket.set_read_timeout(PATIENCE)?;
            socket.send(b"01")?;
            socket.send(&wire::request(b"r001", "client-echo", "blåbär".as_bytes()))?;
            socket.send(&wire::request(b"\0\xff\x80~", "client-echo", b""))?;
            socket.send(&wire::request(b"r003", "nobody has this", b"x"))?;
            socket.send(b"s0001004echo00000001x")?;
            let mut strict = Strict::new(Reader::Browser);
            let mut bytes = Vec::new();
            let until = Instant::now() + PATIENCE;
            while let Some(piece) = socket.receive()? {
                strict.take(&piece);
                bytes.extend(piece.bytes);
                if Instant::now() >= until {
                    return Err(io::Error::other("it does not close"));
                }
            }
            strict.finish(socket.was_closed_well());
            Ok((strict, bytes))
        });
        self.open(&format!("{page}?address={}", Carrier::WebSocket.url(address)))?;
        self.value(
            "(async () => {
                const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));
                while (!talk.isOpen) await sleep(10);
                await sleep(100); // for what the server asks
                talk.request('echo', '日本語').catch(() => {});
                talk.request('🚀', '').catch(() => {});
                talk.notify('bytes', new Uint8Array([0, 255]));
                talk.notify('nothing');
                talk.beat();
                talk.close();
            })()",
        )?;
        let panicked = |_| Err(io::Error::other("it panicked"));
        let (strict, bytes) = server.join().unwrap_or_else(panicked)?;
        if let Some(wrong) = strict.wrong {
            return Err(io::Error::other(wrong));
        }
        let wanted = [
            "R r001  blåbär",
            "R \0\u{fffd}\u{fffd}~  ",
            "E r003  unknown operation \"nobody has this\"",
            "E 0001  no streamed requests",
            "r 0000 echo 日本語",
            "r 0001 🚀 ",
            "n \0\0\0\0 bytes \0\u{fffd}",
            "n \0\0\0\0 nothing ",
            "h \0\0\0\0  ",
        ];
        let text = String::from_utf8_lossy;
        let mut sent: Vec<String> = wire::decode(&bytes)
            .messages
            .iter()
            .map(|m| {
                format!("{} {} {} {}", m.kind as char, text(&m.id), text(&m.name), text(&m.payload))
            })
            .collect();
        let count = sent.len();
        // Results come when they are ready.
        let mut wanted = wanted.map(str::to_owned).to_vec();
        sent.sort();
        wanted.sort();
        match sent == wanted {
            true => Ok(format!("{count} messages")),
            false => Err(io::Error::other(format!("{sent:#?}, not {wanted:#?}"))),
        }
    }

    fn value(&mut self, expression: &str) -> io::Result<String> {
        let params = json!({ "expression": expression, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", &params)?;
        Ok(answer["result"]["value"].as_str().unwrap_or_default().to_owned())
    }

    fn ask(&mut self, method: &str, params: &Value) -> io::Result<Value> {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": params });
        if self.session.is_string() {
            question["sessionId"] = self.session.clone();
        }
        self.devtools.send(Message::text(question.to_string())).map_err(io::Error::other)?;
        loop {
            let message = self.devtools.read().map_err(io::Error::other)?;
            let Message::Text(answer) = message else { continue };
            let answer: Value = serde_json::from_str(&answer)?;
            if answer["id"] == self.asked {
                return Ok(answer["result"].clone());
            }
        }
    }
}

/// Ends a process that nobody has taken over.
struct Stop(Option<Child>);

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Connects to the DevTools, whose port and path stand in a file once it listens.
fn attach(profile: &Path) -> io::Result<WebSocket<TcpStream>> {
    let file = fs::read_to_string(profile.join("DevToolsActivePort"))?;
    let (port, path) = file.split_once('\n').ok_or(io::ErrorKind::UnexpectedEof)?;
    let address = format!("127.0.0.1:{port}");
    let stream = TcpStream::connect(&address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let opened = tungstenite::client(format!("ws://{address}{}", path.trim()), stream);
    opened.map(|(devtools, _)| devtools).map_err(|error| io::Error::other(error.to_string()))
}

/// A relay that changes the last byte of these, where they come from the server.
fn change(server: SocketAddr, what: &'static [u8]) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(server) else { continue };
            let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
            thread::spawn(move || pass(near, far, None));
            thread::spawn(move || pass(far_too, near_too, Some(what)));
        }
    });
    Ok(address)
}

fn pass(mut from: TcpStream, mut to: TcpStream, what: Option<&[u8]>) {
    let mut input = [0; 16 * 1024];
    while let Ok(len @ 1..) = from.read(&mut input) {
        let output = &mut input[..len];
        if let Some(what) = what
            && let Some(at) = output.windows(what.len()).position(|window| window == what)
        {
            output[at + what.len() - 1] ^= 1;
        }
        if to.write_all(output).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
