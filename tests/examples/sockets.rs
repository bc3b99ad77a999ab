//! The examples `peer` and `greet` over TCP.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use crate::{greet, peer};

/// The two ends of a connection.
fn connect() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn the_front_page_serves_a_socket_and_says_why_it_closes() {
    let answer = "01r0000005clock00000004nullR000100000007\"hello\"";
    for (end, last) in [("", ""), ("Q and much more of it", "f00000002")] {
        let (mut near, far) = connect();
        let server = thread::spawn(move || peer::converse(&far));
        write!(near, "01r0001004echo00000007\"hello\"{end}").unwrap();
        near.shutdown(Shutdown::Write).unwrap();
        let mut output = String::new();
        near.read_to_string(&mut output).unwrap();
        assert_eq!(output, [answer, last].concat());
        server.join().unwrap();
    }
}

#[test]
fn greet_greets_over_a_socket() {
    for name in ["Rasmus", "a \"b\" \\ c", "Zoë 🙂", ""] {
        let (near, far) = connect();
        let server = thread::spawn(move || greet::converse(&far, None).unwrap());
        let greeting = greet::converse(&near, Some(name)).unwrap();
        drop(near);
        assert_eq!(greeting, Some(format!("Hello {name}")));
        assert_eq!(server.join().unwrap(), None);
    }
}
