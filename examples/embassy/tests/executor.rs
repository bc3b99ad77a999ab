//! Devices on embassy's executor for hosts, over pipes in memory.

use embassy_executor::{Executor, Spawner};
use embassy_futures::join::{join, join_array};
use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::{pipe::Pipe, signal::Signal};
use embassy_time::{Duration, Timer, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};
use gotalk::Settings;
use gotalk_embassy::{Answer, Asker, Bytes, Error, Link, MAX_PAYLOAD, MAX_REQUESTS, Session, talk};
use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;

#[embassy_executor::task(pool_size = 64)]
async fn run(future: Pin<Box<dyn Future<Output = ()>>>) {
    future.await;
}

fn spawn(spawner: Spawner, future: impl Future<Output = ()> + 'static) {
    spawner.spawn(run(Box::pin(future)).unwrap());
}

/// Runs a test as the first task of an executor, and gives its result.
fn execute<T: 'static, F: Future<Output = T> + 'static>(test: impl FnOnce(Spawner) -> F) -> T {
    let result = Rc::new(RefCell::new(None));
    let there = result.clone();
    Box::leak(Box::new(Executor::new())).run_until(
        |spawner| {
            let test = with_timeout(Duration::from_secs(60), test(spawner)); // or it hangs
            spawn(spawner, async move { *there.borrow_mut() = Some(test.await) });
        },
        || result.borrow().is_some(),
    );
    result.take().unwrap().expect("an end within a minute")
}

/// One direction, which can end.
struct Line {
    pipe: Pipe<CriticalSectionRawMutex, 16>,
    end: Signal<CriticalSectionRawMutex, ()>,
}

fn line() -> &'static Line {
    Box::leak(Box::new(Line { pipe: Pipe::new(), end: Signal::new() }))
}

impl ErrorType for &Line {
    type Error = Infallible;
}

impl Read for &Line {
    async fn read(&mut self, to: &mut [u8]) -> Result<usize, Infallible> {
        match select(self.pipe.read(to), self.end.wait()).await {
            Either::First(len) => Ok(len),
            Either::Second(()) => Ok(0),
        }
    }
}

impl Write for &Line {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.pipe.write(bytes).await)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn bytes(text: impl AsRef<[u8]>) -> Bytes {
    text.as_ref().try_into().unwrap()
}

/// The task of a program that answers, one request after the other.
async fn serve(link: &'static Link) {
    loop {
        let asked = link.asked.receive().await;
        let answer = match asked.op.as_slice() {
            b"echo" => Ok(asked.payload),
            b"later" => {
                Timer::after_millis(5).await;
                Ok(asked.payload)
            }
            b"never" => continue,
            _ => Err(bytes("no such operation")),
        };
        link.answers.send((asked.request, answer)).await;
    }
}

type End = Rc<RefCell<Option<Result<(), Error<Infallible>>>>>;

/// A device whose other end has these lines: one to it, and one from it.
struct Device {
    to: &'static Line,
    from: &'static Line,
    link: &'static Link,
    end: End,
}

/// Starts what talks and what answers.
fn device(spawner: Spawner, to: &'static Line, from: &'static Line, settings: Settings) -> Device {
    let link: &Link = Box::leak(Box::new(Link::new()));
    let end = End::default();
    let there = end.clone();
    spawn(spawner, async move {
        let mut session = Session::new(settings);
        let result = talk(to, from, link, &mut session).await;
        *there.borrow_mut() = Some(result);
    });
    spawn(spawner, serve(link));
    Device { to, from, link, end }
}

fn asker() -> &'static Asker {
    Box::leak(Box::new(Asker::new()))
}

async fn read(line: &Line, len: usize) -> String {
    let mut bytes = vec![0; len];
    let mut line = line;
    line.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn two_devices_ask_each_other_from_many_tasks() {
    let count = execute(|spawner| async move {
        let (there, back) = (line(), line());
        let near = device(spawner, there, back, Settings::DEFAULT);
        let far = device(spawner, back, there, Settings::DEFAULT);
        // More tasks than slots, on both ends.
        let asking: [_; 12] = std::array::from_fn(|n| {
            let (asker, link) = (asker(), if n % 2 == 0 { near.link } else { far.link });
            async move {
                for round in 0..50 {
                    let payload = bytes(format!("{n:32}{round:32}")); // as long as they may be
                    let op = ["echo", "later"][round % 2];
                    assert_eq!(asker.ask(link, op, payload.clone()).await, Ok(payload));
                }
                50
            }
        });
        join_array(asking).await.iter().sum::<i32>()
    });
    assert_eq!(count, 600);
}

#[test]
fn a_request_that_is_dropped_disturbs_nothing_and_one_without_an_answer_ends() {
    execute(|spawner| async move {
        let (there, back) = (line(), line());
        let settings = Settings { answer_ms: Some(50), ..Settings::DEFAULT };
        let near = device(spawner, there, back, settings);
        let _far = device(spawner, back, there, settings);
        let asker = asker();
        for n in 0..3 * MAX_REQUESTS {
            let dropped = asker.ask(near.link, "later", bytes("old"));
            let wait = Duration::from_millis(n as u64 % 3);
            with_timeout(wait, dropped).await.unwrap_err();
            assert_eq!(asker.ask(near.link, "echo", bytes("new")).await, Ok(bytes("new")));
        }
        assert_eq!(asker.ask(near.link, "never", bytes("")).await, Err(bytes("")));
        let refused: Answer = asker.ask(near.link, "nope", bytes("")).await;
        assert_eq!(refused, Err(bytes("no such operation")));
    });
}

#[test]
fn heartbeats_come_by_the_clock() {
    execute(|spawner| async move {
        let settings = Settings { heartbeat_ms: Some(5), ..Settings::DEFAULT };
        let device = device(spawner, line(), line(), settings);
        assert_eq!(
            read(device.from, 2 + 3 * 13).await,
            "01".to_owned() + &"h000000000000".repeat(3)
        );
    });
}

/// The peer writes more than there is room for on the way, and reads only then.
#[test]
fn a_device_takes_no_more_than_it_can_answer() {
    execute(|spawner| async move {
        let device = device(spawner, line(), line(), Settings::DEFAULT);
        let payload = "x".repeat(MAX_PAYLOAD);
        let request = format!("r0001004echo{:08x}{payload}", payload.len());
        let mut to = device.to;
        to.write_all(b"01").await.unwrap();
        let mut taken = 0;
        let write = async |mut to: &Line| to.write_all(request.as_bytes()).await;
        // Nothing here waits for the clock: after so many turns nothing moves any more.
        let turns = async || {
            for _ in 0..1000 {
                yield_now().await;
            }
        };
        while let Either::First(_) = select(write(to), turns()).await {
            taken += 1;
            assert!(taken < 50);
        }
        assert!(taken > 1);
        let result = format!("R0001{:08x}{payload}", payload.len());
        assert_eq!(
            read(device.from, 2 + 2 * result.len()).await,
            "01".to_owned() + &result.repeat(2)
        );
    });
}

#[test]
fn every_end_is_an_end() {
    // What the peer sends, what it gets, and whether that is a clean end.
    let cases = [
        ("01Q", "f00000002", false),
        ("02", "f00000001", false),
        ("01f00000002", "", true),
        ("01r0001004echo00000002hi", "R000100000002hi", true),
        ("01r0001004echo00000041", "E000100000008too long", false),
        ("01r0001011nnnnnnnnnnnnnnnnn00000000", "E000100000008too long", true),
        ("01s0001004echo00000000", "E00010000000ano streams", true),
        ("01p000100000002hiS000900000000", "", true),
        ("01r0001004ec", "", false),
    ];
    for (input, output, is_clean) in cases {
        for size in [1, 5, input.len()] {
            execute(move |spawner| async move {
                let device = device(spawner, line(), line(), Settings::DEFAULT);
                let conversation = async {
                    let mut to = device.to;
                    assert_eq!(read(device.from, 22).await, "01r0000004echo00000000");
                    for part in input.as_bytes().chunks(size) {
                        to.write_all(part).await.unwrap();
                    }
                    assert_eq!(read(device.from, output.len()).await, output, "{input}");
                    to.end.signal(());
                };
                // A request that is in flight at the end hears of it.
                let asker = asker();
                let (answer, ()) =
                    join(asker.ask(device.link, "echo", bytes("")), conversation).await;
                assert_eq!(answer, Err(bytes("")), "{input}");
                while device.end.borrow().is_none() {
                    yield_now().await;
                }
                let end = device.end.take().unwrap();
                assert_eq!(end.is_ok(), is_clean, "{input}: {end:?}");
            });
        }
    }
}

/// More refusals than there is room for, for what comes in one piece.
#[test]
fn whatever_comes_at_once_is_answered() {
    execute(|_| async {
        let (from, link, mut session) = (line(), Link::new(), Session::new(Settings::DEFAULT));
        let input = "01".to_owned() + &"s0001004echo00000000".repeat(10);
        let output = "01".to_owned() + &"E00010000000ano streams".repeat(10);
        let talking = talk(input.as_bytes(), from, &link, &mut session);
        let (end, sent) = join(talking, read(from, output.len())).await;
        end.unwrap();
        assert_eq!(sent, output);
    });
}

#[test]
fn results_that_do_not_fit_end_their_requests_and_free_their_slots() {
    execute(|spawner| async move {
        let device = device(spawner, line(), line(), Settings::DEFAULT);
        let mut to = device.to;
        to.write_all(b"01").await.unwrap();
        assert_eq!(read(device.from, 2).await, "01");
        let asker = asker();
        for n in 0..3 * MAX_REQUESTS {
            let answering = async {
                let id = read(device.from, 20).await[1..5].to_owned();
                let result = match n % 3 {
                    0 => format!("S{id}00000002hi"),
                    1 => format!("R{id}00000041{}", "x".repeat(MAX_PAYLOAD + 1)),
                    _ => format!("R{id}00000002hi"),
                };
                { to }.write_all(result.as_bytes()).await.unwrap();
            };
            let asking = asker.ask(device.link, "echo", bytes(""));
            let expected =
                if n % 3 == 2 { Ok(bytes("hi")) } else { Err(bytes("too long, or in parts")) };
            assert_eq!(join(asking, answering).await.0, expected);
        }
    });
}

/// What is left of the first conversation neither waits for ever nor gets into the second.
#[test]
fn a_conversation_that_is_dropped_ends_and_another_follows() {
    execute(|spawner| async move {
        let link: &Link = Box::leak(Box::new(Link::new()));
        let mut session = Session::new(Settings::DEFAULT);
        let (to, from) = (line(), line());
        let answer = Rc::new(RefCell::new(None));
        let (there, asker) = (answer.clone(), asker());
        spawn(spawner, async move {
            *there.borrow_mut() = Some(asker.ask(link, "echo", bytes("")).await);
        });
        let first = async {
            { to }.write_all(b"01r0001004echo00000000r0001004echo00000000").await.unwrap();
            assert_eq!(read(from, 22).await, "01r0000004echo00000000");
            link.asked.receive().await
        };
        let Either::Second(old) = select(talk(to, from, link, &mut session), first).await else {
            panic!("it has ended by itself");
        };
        while answer.borrow().is_none() {
            yield_now().await;
        }
        assert_eq!(answer.take(), Some(Err(bytes(""))));
        link.answers.send((old.request, Ok(bytes("late")))).await;
        let (to, from) = (line(), line());
        let second = async {
            { to }.write_all(b"01r0009004echo00000003new").await.unwrap();
            let new = link.asked.receive().await;
            assert_eq!(new.payload, bytes("new"));
            link.answers.send((new.request, Ok(new.payload))).await;
            let asked = async {
                assert_eq!(read(from, 20).await, "01R000900000003newr0");
                assert!(read(from, 18).await.ends_with("004echo00000000"));
            };
            select(asker.ask(link, "echo", bytes("")), asked).await;
        };
        select(talk(to, from, link, &mut session), second).await;
    });
}
