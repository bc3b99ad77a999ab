//! The command `gotalk serve`, as a process.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::socket::{Carrier, PATH};

pub struct Tool {
    child: Child,
    pub address: SocketAddr,
    pub carrier: Carrier,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Tool {
    /// Starts it on a free port, with so many descriptors if that is said.
    pub fn start(
        program: &Path,
        carrier: Carrier,
        args: &[&str],
        descriptors: Option<u32>,
    ) -> io::Result<Self> {
        let limit = descriptors.map_or(String::new(), |most| format!("ulimit -n {most} && "));
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$0\" serve \"$@\""), &program.to_string_lossy()])
            .args(args)
            .arg(carrier.url(SocketAddr::from(([127, 0, 0, 1], 0))))
            // Memory that is kept for use hides what leaks.
            .env("GLIBC_TUNABLES", "glibc.pthread.stack_cache_size=0:glibc.malloc.arena_max=1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut first = String::new();
        output.read_line(&mut first)?;
        let address = first.trim().trim_start_matches("ws://").trim_end_matches(PATH);
        let address = address.parse().map_err(|_| {
            let _ = child.kill();
            io::Error::other(format!(
                "no address from {} serve {args:?}: {first:?}",
                program.display()
            ))
        })?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Ok(Self { child, address, carrier, lines })
    }

    /// Waits for a line that `is_wanted`, and takes all lines up to it.
    pub fn line(&self, patience: Duration, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        let until = Instant::now() + patience;
        loop {
            let mut lines = self.lines.lock().unwrap();
            if let Some(at) = lines.iter().position(|line| is_wanted(line)) {
                return lines.drain(..=at).next_back();
            }
            drop(lines);
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn proc(&self, what: &str) -> PathBuf {
        format!("/proc/{}/{what}", self.child.id()).into()
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> io::Result<usize> {
        Ok(fs::read_dir(self.proc("fd"))?.count())
    }

    /// Its memory, in KiB.
    pub fn memory(&self) -> io::Result<usize> {
        let status = fs::read_to_string(self.proc("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| io::Error::other("the server is gone"))
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
