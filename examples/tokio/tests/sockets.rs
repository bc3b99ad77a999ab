//! The program itself, over TCP and WebSocket, and what it writes there.

use futures_util::{SinkExt, StreamExt};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{client_async, tungstenite::Message};

/// A server, which ends with the test.
struct Server {
    child: Child,
    address: String,
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gotalk-tokio"));
    command.args(arguments).stdout(Stdio::piped());
    command
}

impl Server {
    fn start(over: &str) -> Self {
        let at = match over {
            "ws" => "ws://127.0.0.1:0",
            _ => "127.0.0.1:0",
        };
        let mut child = program(&["serve", at]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().into();
        Self { child, address }
    }

    fn call(&self, over: &str, op: &str, payload: &str) -> Child {
        let at = match over {
            "ws" => format!("ws://{}/gotalk/", self.address),
            _ => self.address.clone(),
        };
        program(&["call", &at, op, payload]).spawn().unwrap()
    }

    fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn output(mut child: Child) -> (bool, String) {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    (child.wait().unwrap().success(), text)
}

#[test]
fn clients_call_and_the_server_finishes_what_is_in_flight() {
    for over in ["tcp", "ws"] {
        let mut server = Server::start(over);
        for op in ["echo", "ask-back"] {
            let calls = [1, 2, 3].map(|n| (n, server.call(over, op, &format!("\"{n}\""))));
            for (n, call) in calls {
                assert_eq!(output(call), (true, format!("\"{n}\"\n")));
            }
        }
        assert!(!output(server.call(over, "nope", "")).0);
        server.interrupt();
        assert!(server.child.wait().unwrap().success());
    }
}

/// Two requests; the second has its answer, so the first has been read.
const REQUESTS: &str = "01r0001005later00000002hir0002004echo00000000";

#[tokio::test]
async fn a_server_that_is_interrupted_answers_what_is_in_flight_over_tcp() {
    let mut server = Server::start("tcp");
    let mut idle = TcpStream::connect(&server.address).await.unwrap();
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(REQUESTS.as_bytes()).await.unwrap();
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"01R000200000000");
    server.interrupt();
    let mut rest = String::new();
    idle.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "01");
    rest.clear();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "R000100000002hi");
    drop((idle, stream));
    assert!(server.child.wait().unwrap().success());
}

#[tokio::test]
async fn a_server_that_is_interrupted_answers_what_is_in_flight_over_websocket() {
    let mut server = Server::start("ws");
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let (mut stream, _) = client_async("ws://localhost/", stream).await.unwrap();
    stream.send(Message::binary(REQUESTS)).await.unwrap();
    let mut next = async || stream.next().await.unwrap().unwrap();
    assert_eq!(next().await, Message::binary("01"));
    assert_eq!(next().await, Message::binary("R000200000000"));
    server.interrupt();
    assert_eq!(next().await, Message::binary("R000100000002"));
    assert_eq!(next().await, Message::binary("hi"));
    assert!(next().await.is_close());
    assert!(stream.next().await.is_none());
    assert!(server.child.wait().unwrap().success());
}

/// Text and binary, joined and split and empty: one stream of bytes. What is sent is cut as
/// rule 6.1 wants it.
#[tokio::test]
async fn websocket_messages_are_cut_when_written_and_joined_when_read() {
    let whole = r#"01r0001004echo00000004"hi"r0002004echo00000000r0003004nope00000000"#;
    let answers =
        ["01", "R000100000004", "\"hi\"", "R000200000000", "E000300000011", "no such operation"];
    let server = Server::start("ws");
    for size in [1, 3, 16, whole.len()] {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        let (mut stream, _) = client_async("ws://localhost/", stream).await.unwrap();
        for (n, part) in whole.as_bytes().chunks(size).enumerate() {
            let part = std::str::from_utf8(part).unwrap();
            let part = if n % 2 == 0 { Message::text(part) } else { Message::binary(part) };
            stream.send(part).await.unwrap();
            stream.send(Message::binary("")).await.unwrap();
            stream.send(Message::Ping("".into())).await.unwrap();
        }
        let mut messages = Vec::new();
        while messages.len() < answers.len() {
            match stream.next().await.unwrap().unwrap() {
                Message::Binary(message) => {
                    messages.push(String::from_utf8(message.into()).unwrap())
                }
                Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
        // The answers may come in any order, but each header is directly before its payload.
        assert_eq!(messages[0], "01");
        for (header, payload) in [(answers[1], answers[2]), (answers[4], answers[5])] {
            let at = messages.iter().position(|message| message == header).unwrap();
            assert_eq!(messages[at + 1], payload);
        }
        assert!(messages.iter().any(|message| message == answers[3]));
        // An error has its code, and then comes WebSocket's own end.
        stream.send(Message::text("Q")).await.unwrap();
        let mut code = None;
        while let Some(message) = stream.next().await {
            match message.unwrap() {
                Message::Binary(message) => assert_eq!(code.replace(message), None),
                other => assert!(other.is_close() || other.is_pong(), "{other:?}"),
            }
        }
        assert_eq!(code.unwrap(), "f00000002");
    }
}
