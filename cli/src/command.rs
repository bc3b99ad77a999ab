//! Commands that answer requests: those of `serve --exec` and of `call --handle`.
//!
//! For whoever changes this:
//!
//! - A command is polled by the task of its connection, and dropped with it. To drop it is to
//!   kill it, with every process of its group.
//! - The group is killed only before `wait` has told how the command ended: until then the
//!   system gives its number to nobody else. So both outputs are read to their end first.
//! - What a peer sends waits here until the command takes it. While something waits,
//!   [`Running::takes_more`] stops the reading of the connection, so that is one read at most.
//!   The same goes for parts of a result: the one that waits is the last that was read.
//! - The payload of a single result needs its length in front, so it is kept, up to
//!   [`MOST_OUTPUT`]. Its command counts as running until a peer has read most of it, so that
//!   peers who do not read cannot collect such results.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use gotalk::{Incoming, Name, RequestId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::exec::Exec;
use crate::wire::{Link, NAME, NEVER, poll_piece};

/// The longest single result.
const MOST_OUTPUT: usize = 1 << 20;
/// How much is kept of what a command says on its standard error.
const MOST_ERRORS: usize = 4096;
/// The name that stands for every operation without a command of its own.
const ANY: &str = "*";

/// The commands there are, for all connections.
pub(crate) struct Commands {
    execs: Vec<Exec>,
    /// How many more may run.
    room: Arc<Semaphore>,
    /// The longest wait for the next sign of an answer, in milliseconds.
    patience: u64,
}

impl Commands {
    pub(crate) fn new(execs: Vec<Exec>, most: usize, patience: u64) -> Self {
        Self { execs, room: Arc::new(Semaphore::new(most)), patience }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.execs.is_empty()
    }

    /// What is wrong with them, although each can be understood.
    pub(crate) fn mistake(execs: &[Exec]) -> Option<String> {
        let mut names = HashSet::new();
        execs.iter().find_map(|Exec { op, .. }| {
            if op.len() > NAME {
                return Some(format!("no operation has a name above {NAME} bytes"));
            }
            (!names.insert(op)).then(|| format!("the operation \"{op}\" has two commands"))
        })
    }

    fn find(&self, op: Name<'_>) -> Option<&Exec> {
        // No variable of the environment can hold that.
        if op.as_bytes().contains(&0) {
            return None;
        }
        let named = |name: &str| self.execs.iter().find(|exec| exec.op == name);
        self.execs.iter().find(|exec| op == *exec.op).or_else(|| named(ANY))
    }
}

/// The commands that answer requests of one connection.
pub(crate) struct Running {
    commands: Arc<Commands>,
    peer: String,
    runs: Vec<Run>,
    /// What is to be written next.
    said: Option<(Incoming, Said)>,
    /// Of those whose result is written, and mostly unread.
    unread: Vec<OwnedSemaphorePermit>,
}

impl Running {
    pub(crate) fn new(commands: Arc<Commands>, peer: String) -> Self {
        Self { commands, peer, runs: Vec::new(), said: None, unread: Vec::new() }
    }

    /// Whether no operation has a command.
    pub(crate) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Whether no command runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether a command runs for this request.
    pub(crate) fn has(&self, request: Incoming) -> bool {
        self.runs.iter().any(|run| run.request == request)
    }

    /// How many single requests wait for their answer.
    pub(crate) fn singles(&self) -> usize {
        self.runs.iter().filter(|run| !run.is_stream).count()
    }

    /// Starts the command for an operation, or refuses the request. `false`: it has none.
    pub(crate) fn start(
        &mut self,
        request: Incoming,
        op: Name<'_>,
        is_stream: bool,
        link: &mut Link,
    ) -> bool {
        let Some(exec) = self.commands.find(op) else { return false };
        let Ok(permit) = Arc::clone(&self.commands.room).try_acquire_owned() else {
            link.refuse_for_now(request, "too many commands");
            return true;
        };
        match start(&exec.command, op, &self.peer) {
            Ok(child) => {
                let mut run = Run::new(request, op.as_bytes().to_vec(), is_stream, child, permit);
                run.due = link.now + self.commands.patience;
                self.runs.push(run);
            }
            Err(error) => {
                let why = format!("the command cannot be started: {error}");
                match error.kind() {
                    ErrorKind::NotFound | ErrorKind::PermissionDenied => link.refuse(request, &why),
                    // The system has no more processes or descriptors.
                    _ => link.refuse_for_now(request, &why),
                }
            }
        }
        true
    }

    /// Takes a piece of a payload. Nobody may be there for it any more.
    pub(crate) fn input(&mut self, request: Incoming, data: &[u8], remaining: u32) {
        let Some(run) = self.run(request) else { return };
        run.is_complete |= remaining == 0 && !run.is_stream;
        if run.stdin.is_some() {
            run.input.extend_from_slice(data);
            run.has_moved = true;
        }
    }

    /// No more parts will come.
    pub(crate) fn end(&mut self, request: Incoming) {
        if let Some(run) = self.run(request) {
            run.is_complete = true;
        }
    }

    /// Kills the command for a streamed request.
    pub(crate) fn stop_stream(&mut self, id: RequestId) -> Option<Incoming> {
        let at = self.runs.iter().position(|run| run.is_stream && run.request.id() == id)?;
        Some(self.remove(at).request)
    }

    /// Whether more may come from the peer: all of what came has been taken.
    pub(crate) fn takes_more(&self) -> bool {
        self.runs.iter().all(|run| run.input.is_empty())
    }

    /// Gives the commands what came, and is ready when there is something to be written, or
    /// when more may come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.said.is_some() {
            return Poll::Pending; // until `tick` has written it
        }
        let took_more = self.takes_more();
        for at in 0..self.runs.len() {
            if let Poll::Ready(said) = self.runs[at].poll(cx) {
                self.said = Some((self.runs[at].request, said));
                self.runs[at..].rotate_left(1); // the others are next
                return Poll::Ready(());
            }
        }
        match !took_more && self.takes_more() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Writes what there is, and says when it is to be called at the latest. `failed` hears of
    /// commands that did not do well.
    pub(crate) fn tick(&mut self, link: &mut Link, mut failed: impl FnMut(&[u8], &str)) -> u64 {
        if link.is_full() {
            // Until there is room again nobody hears the commands, which cannot help that.
            self.runs.iter_mut().for_each(|run| run.has_moved = true);
            return NEVER;
        }
        self.unread.clear();
        match self.said.take() {
            None => {}
            Some((request, Said::Part(part))) => {
                link.send(|session, _, writer| session.respond_part(writer, request, &part));
            }
            Some((request, Said::Over(ending))) => {
                if let Some(at) = self.runs.iter().position(|run| run.request == request) {
                    let run = self.remove(at);
                    match &ending {
                        Ok(()) if run.is_stream => {
                            link.send(|session, _, writer| session.respond_end(writer, request));
                        }
                        Ok(()) => link.respond(request, &run.output),
                        Err(why) => {
                            failed(&run.op, why);
                            link.refuse(request, why);
                        }
                    }
                    // Otherwise there would be no call when it has been read.
                    self.unread.extend(link.is_full().then_some(run.permit));
                }
            }
        }
        let mut next = NEVER;
        let mut at = 0;
        while at < self.runs.len() {
            let run = &mut self.runs[at];
            if std::mem::take(&mut run.has_moved) {
                run.due = link.now + self.commands.patience;
                run.is_late = false;
            }
            // It is looked at once more: all of this may have been stopped for a while.
            if !run.is_late && run.due <= link.now {
                run.is_late = true;
                run.due = link.now + 1;
            }
            if run.due > link.now {
                next = next.min(run.due);
                at += 1;
                continue;
            }
            let run = self.remove(at);
            let why = "the command took too long";
            failed(&run.op, why);
            link.refuse(run.request, why);
        }
        next
    }

    fn run(&mut self, request: Incoming) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.request == request)
    }

    fn remove(&mut self, at: usize) -> Run {
        let run = self.runs.swap_remove(at);
        if self.said.as_ref().is_some_and(|(request, _)| *request == run.request) {
            self.said = None;
        }
        run
    }
}

/// Nothing that a peer sends is a part of the command.
fn start(command: &str, op: Name<'_>, peer: &str) -> io::Result<Child> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    shell.env("GOTALK_OP", os_string(op)).env("GOTALK_PEER", peer);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.kill_on_drop(true);
    #[cfg(unix)]
    shell.process_group(0);
    shell.spawn()
}

fn os_string(name: Name<'_>) -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(name.as_bytes().to_vec());
    #[cfg(not(unix))]
    return String::from_utf8_lossy(name.as_bytes()).into_owned().into();
}

/// The processes that a command has started, which are killed with this.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(id) = self.0.and_then(|id| id.try_into().ok()) {
            use nix::{sys::signal, unistd::Pid};
            let _ = signal::killpg(Pid::from_raw(id), signal::SIGKILL);
        }
    }
}

/// What comes from a command.
enum Said {
    /// A part of a streamed result.
    Part(Vec<u8>),
    /// It is over, well or for a reason.
    Over(Result<(), String>),
}

struct Run {
    request: Incoming,
    /// The name of the operation.
    op: Vec<u8>,
    is_stream: bool,
    /// When it is killed, if nothing moves until then.
    due: u64,
    /// Whether that has passed.
    is_late: bool,
    has_moved: bool,
    stdin: Option<ChildStdin>,
    /// What has come for it that it has not taken yet.
    input: Vec<u8>,
    /// No more input will come.
    is_complete: bool,
    stdout: Option<ChildStdout>,
    output: Vec<u8>,
    stderr: Option<ChildStderr>,
    errors: Vec<u8>,
    // Before the child: whoever drops that may learn how it ended.
    group: Group,
    child: Child,
    permit: OwnedSemaphorePermit,
}

impl Run {
    fn new(
        request: Incoming,
        op: Vec<u8>,
        is_stream: bool,
        mut child: Child,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            request,
            op,
            is_stream,
            due: 0,
            is_late: false,
            has_moved: false,
            stdin: child.stdin.take(),
            input: Vec::new(),
            is_complete: false,
            stdout: child.stdout.take(),
            output: Vec::new(),
            stderr: child.stderr.take(),
            errors: Vec::new(),
            group: Group(child.id()),
            child,
            permit,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        self.poll_input(cx);
        while let Poll::Ready(Some(piece)) = read(&mut self.stderr, cx) {
            let room = MOST_ERRORS - self.errors.len();
            self.errors.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        while let Some(piece) = ready!(read(&mut self.stdout, cx)) {
            if self.is_stream {
                self.has_moved = true;
                return Poll::Ready(Said::Part(piece));
            }
            if self.output.len() + piece.len() > MOST_OUTPUT {
                let why = format!("the result is longer than {MOST_OUTPUT} bytes");
                return Poll::Ready(Said::Over(Err(why)));
            }
            self.output.extend_from_slice(&piece);
        }
        if self.stderr.is_some() {
            return Poll::Pending;
        }
        let status = ready!(pin!(self.child.wait()).poll(cx));
        self.group.0 = None; // what it has left running is not killed
        let errors = String::from_utf8_lossy(&self.errors);
        Poll::Ready(Said::Over(match (status, errors.trim_end()) {
            (Ok(status), _) if status.success() => Ok(()),
            (Ok(status), "") => Err(describe(status)),
            (Ok(_), errors) => Err(errors.to_owned()),
            (Err(error), _) => Err(error.to_string()),
        }))
    }

    /// Gives the command what has come for it. One that has closed its input wants no more.
    fn poll_input(&mut self, cx: &mut Context<'_>) {
        while let Some(stdin) = &mut self.stdin
            && (self.is_complete || !self.input.is_empty())
        {
            let taken = match self.input.is_empty() {
                true => Poll::Ready(Ok(0)),
                false => Pin::new(stdin).poll_write(cx, &self.input),
            };
            match taken {
                Poll::Pending => return,
                Poll::Ready(Ok(len)) if len > 0 => {
                    self.input.drain(..len);
                    self.has_moved = true;
                }
                Poll::Ready(_) => {
                    self.stdin = None;
                    self.input = Vec::new();
                }
            }
        }
    }
}

/// The next piece, and `None` behind the last.
fn read(
    output: &mut Option<impl AsyncRead + Unpin>,
    cx: &mut Context<'_>,
) -> Poll<Option<Vec<u8>>> {
    let Some(open) = output else { return Poll::Ready(None) };
    match ready!(poll_piece(Pin::new(open), cx)) {
        Ok(piece) if !piece.is_empty() => Poll::Ready(Some(piece)),
        _ => {
            *output = None;
            Poll::Ready(None)
        }
    }
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("killed by signal {signal}");
    }
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}
