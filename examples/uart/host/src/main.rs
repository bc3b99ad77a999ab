//! A host for the firmware in `../src`. It asks for everything that the device offers, breaks
//! the conversation in several ways, and fails if the device does not do as it should:
//!
//! ```sh
//! stty -F /dev/ttyUSB0 115200 raw -echo
//! cargo run -p gotalk-uart-host -- /dev/ttyUSB0 21.500
//! ```
//!
//! The second argument is the temperature that is expected. With `monitor` as the third, lines
//! for the emulator's monitor go to standard output: it can send a break.

mod line;

use gotalk::ErrorCode;
use line::{Heard, Line};
use std::error::Error;

type Checked = Result<(), Box<dyn Error>>;

fn main() -> Checked {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let (path, celsius, monitor) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [path, celsius] => (path, celsius, false),
        [path, celsius, "monitor"] => (path, celsius, true),
        _ => return Err("usage: gotalk-uart-host PATH TEMPERATURE [monitor]".into()),
    };
    let mut line = Line::open(path)?;

    step("a first conversation");
    line.find()?;
    serves(&mut line, celsius)?;
    step("the device was told the time, and its heartbeats carry it");
    let time = line.until("heartbeat with the time", |heard| match heard {
        Heard::Heartbeat { time } if time != 0 => Some(time),
        _ => None,
    })?;
    if !(line::TIME..line::TIME + 60).contains(&time) {
        return Err(format!("the device's clock says {time}").into());
    }

    step("a byte to the device is lost");
    // The first byte of the second message belongs to the payload of the first, and `0` is no
    // message. What is still on its way then must not begin a conversation.
    let rest = "01r0003003led00000004true".repeat(4);
    line.write(format!("r0001003led00000004trur0002003led00000004true{rest}").as_bytes())?;
    line.until_closed(ErrorCode::INVALID_MESSAGE)?;
    line.begin()?;
    serves(&mut line, celsius)?;

    step("a byte of the device's is lost");
    line.lose_a_byte();
    line.ask("temperature", "null")?;
    line.until("error of our reader", |heard| (heard == Heard::Broken).then_some(()))?;
    line.begin()?;
    serves(&mut line, celsius)?;

    step("a length is wrong, so that everything is a payload");
    line.write(b"n003led7f000004true")?;
    line.ask("temperature", "null")?; // and heartbeats, which the device takes for payload too
    line.until_closed(ErrorCode::TIMEOUT)?;
    line.begin()?;
    serves(&mut line, celsius)?;

    step("a long watch, and other requests meanwhile");
    let watch = line.ask("watch", "1000")?;
    line.until_is(Heard::Part(watch, celsius.into()))?;
    let second = line.ask("watch", "1")?;
    line.until("refusal", |heard| (heard == Heard::Retry(second)).then_some(()))?;
    let result = Heard::Result(line.ask("temperature", "null")?, celsius.into());
    line.until("result", |heard| (heard == result).then_some(()))?;
    step("a program leaves in the middle of it, and another one comes");
    line.begin()?;
    serves(&mut line, celsius)?;

    if monitor {
        step("a break");
        println!("chardev-send-break serial0");
        line.until_closed(ErrorCode::ABNORMAL)?;
        line.begin()?;
        serves(&mut line, celsius)?;
    }
    line.goodbye()?;
    step("all is well");
    Ok(())
}

fn step(what: &str) {
    eprintln!("{what}");
}

/// The device answers.
fn serves(line: &mut Line, celsius: &str) -> Checked {
    let temperature = line.ask("temperature", "null")?;
    line.until_is(Heard::Result(temperature, celsius.into()))?;
    for json in ["true", "false"] {
        let led = line.ask("led", json)?;
        line.until_is(Heard::Result(led, json.into()))?;
    }
    for (op, json) in [("fly", "null"), ("led", "1"), ("watch", "-1")] {
        let wrong = line.ask(op, json)?;
        line.until_is(Heard::Failed(wrong))?;
    }
    let watch = line.ask("watch", "3")?;
    for _ in 0..3 {
        line.until_is(Heard::Part(watch, celsius.into()))?;
    }
    line.until_is(Heard::End(watch))
}
