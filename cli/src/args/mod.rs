//! How the tool is called, in the words of its `--help`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

/// What stands in the help of every command that takes an address.
macro_rules! addresses {
    () => {
        "\
Addresses:
  HOST:PORT, tcp://HOST:PORT
                TCP. Without HOST, as in `:7000` and `ws://:7000/`, who listens does so on all
                interfaces, and who connects means localhost
  ws://HOST:PORT/PATH
                WebSocket, without TLS; who listens answers at this path alone. A message of
                the WebSocket that is longer than 1 MiB, or than 64 MiB if it comes from a
                server, is not read, and closes the connection with code 1009. A payload above
                1 MiB goes out in more messages than one, and gotalk.js takes the first of them
                for all of it
  unix:PATH     a socket in the file system; who listens removes a stale one, and its own
                at the end
  -             the standard input and output, for socat or ssh; what would go to the
                standard output goes to the standard error
  serial:PATH?baud=N
                a serial line, 115,200 without `?baud=N`. It never hangs up: who connects is
                the host, which says `f00000000`, three times if there is no answer, waits
                for 250 ms of silence, and speaks first; who listens is the device, which
                waits for 100 ms of silence and then for the host. Both say `f00000000` at the
                end, send heartbeats, and give up after 5 s without a message. A first call may
                fail: try again
"
    };
}

mod call;
mod inspect;
mod relay;
mod serve;

pub(crate) use call::Call;
pub(crate) use inspect::Inspect;
pub(crate) use relay::Relay;
pub(crate) use serve::Serve;

/// Look into Gotalk conversations, serve commands or an echo, make calls, pass conversations on
#[derive(Debug, Parser)]
#[command(
    name = "gotalk",
    version,
    after_help = "\
`gotalk COMMAND --help` shows examples and exit codes, and so do the pages of `gotalk man`."
)]
pub(crate) struct Gotalk {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(Inspect),
    Serve(Serve),
    Call(Call),
    Relay(Relay),
    /// Print a script that completes commands and options in a shell
    #[command(after_help = "\
Examples:
  gotalk completions bash > ~/.local/share/bash-completion/completions/gotalk
  gotalk completions fish > ~/.config/fish/completions/gotalk.fish

Exit codes:
   0  the script has been printed
  64  wrong use
  74  it could not be written")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages, one for each command
    #[command(after_help = "\
Examples:
  gotalk man ~/.local/share/man/man1
  man gotalk-call

Exit codes:
   0  the pages have been written
  64  wrong use
  74  they could not be written")]
    Man {
        /// Where they go; it is made if there is none
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match (time, seconds) {
        (Some(time), _) if time >= Duration::from_millis(1) => Ok(time),
        (None, Some(seconds)) if seconds > 1.0 => Err("that is too long".to_owned()),
        _ => Err("give a number of seconds, 0.001 at least".to_owned()),
    }
}
