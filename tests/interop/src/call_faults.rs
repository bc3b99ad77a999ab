//! Servers that break off, stall or flood, against `gotalk call`: it must end, say why, and keep
//! nothing of what comes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::memory;

type Serve = fn(&mut TcpStream) -> io::Result<()>;

/// A server, the exit code of the call, its output, and a part of what it says.
pub struct Fault(pub &'static str, Serve, i32, &'static str, &'static str);

/// So long a call may take whose time is limited to a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a call may have, in KiB.
const MEMORY: f64 = 32.0 * 1024.0;

const CLOSED: &str = "no answer: the peer has closed";
const CUT: &str = "the input ended too soon";
const TIME: &str = "no answer: the time is up";

pub const ALL: [Fault; 9] = [
    Fault("half-closes in place of an answer", |s| end(s, b"01"), 3, "", CLOSED),
    Fault("half-closes in place of the version", |s| end(s, b""), 3, "", "no answer: "),
    Fault("half-closes behind its answer", |s| end(s, b"01R000000000002hi"), 0, "hi", ""),
    Fault("half-closes within its answer", |s| end(s, b"01R000000000002h"), 3, "h", CUT),
    Fault("half-closes within a header", |s| end(s, b"01R0000000"), 3, "", CUT),
    Fault("announces ffffffff, and sends nothing", |s| stay(s, b"01R0000ffffffff"), 3, "", TIME),
    Fault("says nothing", |s| stay(s, b""), 3, "", TIME),
    Fault("answers byte by byte", slowly, 0, "all is well", "heartbeat: load 0"),
    Fault("sends what nobody asked for, without end", flood, 3, "", TIME),
];

/// Says something, shuts down writing, and goes on reading.
fn end(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)
}

fn stay(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)
}

fn slowly(stream: &mut TcpStream) -> io::Result<()> {
    for byte in b"01h000000000000R00000000000ball is well" {
        stream.write_all(&[*byte])?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn flood(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"01")?;
    let results = b"R9999000003e8".iter().chain(&[b'x'; 1000]).copied().collect::<Vec<u8>>();
    let flood = results.repeat(60);
    while stream.write_all(&flood).is_ok() {}
    Ok(())
}

struct Call(Child);

impl Drop for Call {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is in the table, or what was wrong.
pub fn run(program: &Path, fault: &Fault) -> Result<String, String> {
    call(program, fault).map_err(|error| error.to_string())
}

fn call(program: &Path, fault: &Fault) -> io::Result<String> {
    let &Fault(_, serve, code, out, err) = fault;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let child = Command::new(program)
        .args(["call", "--timeout", "1", &listener.local_addr()?.to_string(), "echo", "hi"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut call = Call(child);
    let (mut stream, _) = listener.accept()?;
    let server = thread::spawn(move || -> io::Result<()> {
        // Its request, which comes whether anything is answered or not.
        stream.read_exact(&mut [0; b"01r0000004echo00000002hi".len()])?;
        serve(&mut stream)?;
        let mut scrap = Vec::new();
        match stream.read_to_end(&mut scrap) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
            _ => Ok(()),
        }
    });
    let pipes = (call.0.stdout.take(), call.0.stderr.take());
    let (Some(mut stdout), Some(mut stderr)) = pipes else {
        return Err(ErrorKind::BrokenPipe.into());
    };
    // It may say more than a pipe holds.
    let said = thread::spawn(move || -> io::Result<(u64, String)> {
        let mut start = Vec::new();
        (&mut stderr).take(1000).read_to_end(&mut start)?;
        let mut last = Vec::new();
        let mut len = start.len() as u64;
        let mut piece = [0; 4096];
        while let read @ 1.. = stderr.read(&mut piece)? {
            len += read as u64;
            last = piece[..read].to_vec();
        }
        start.extend(last);
        Ok((len, String::from_utf8_lossy(&start).into_owned()))
    });
    let until = Instant::now() + PATIENCE;
    let mut most = 0.0_f64;
    let status = loop {
        if let Some(status) = call.0.try_wait()? {
            break status;
        }
        if Instant::now() >= until {
            return Err(io::Error::other("it does not end"));
        }
        most = most.max(memory(call.0.id(), "VmHWM:").unwrap_or(0.0));
        thread::sleep(Duration::from_millis(2));
    };
    let panicked = |_| Err(io::Error::other("it panicked"));
    let mut printed = String::new();
    stdout.read_to_string(&mut printed)?;
    let (len, said) = said.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))?;
    server.join().unwrap_or_else(panicked)?;
    let is_right = status.code() == Some(code) && printed == out && said.contains(err);
    if !is_right || err.is_empty() && !said.is_empty() {
        return Err(io::Error::other(format!("{status}, printed {printed:?}, said {said:?}")));
    }
    if most > MEMORY {
        return Err(io::Error::other(format!("{most} KiB")));
    }
    let last = said.lines().last().unwrap_or_default();
    Ok(format!("exit {code}, {printed:?}, {last:?}, {len} bytes said, {most} KiB at most"))
}
