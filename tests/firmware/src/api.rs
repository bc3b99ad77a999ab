//! The public functions of the codec as tables of pointers. A pointer is opaque to
//! the compiler once it has been read as volatile, so what is called through one is
//! compiled as it stands in the crate, and nothing of it melts into its caller.
//!
//! Lifetimes that a bound makes concrete are `'static` here.

use gotalk::{
    Assembler, Backoff, Due, Error, ErrorCode, Event, Events, Frame, Incoming, Item, Items,
    Message, Name, Outgoing, Parser, PayloadWriter, Received, RequestId, Session, SessionError,
    Settings, Step, WriteError, Writer,
};

/// The longest payload that the assembler here takes.
pub const PAYLOAD: usize = 256;

type Whole = Assembler<PAYLOAD>;
type Input = &'static [u8];
type Pieces = Events<'static, 'static, 64>;
type Wholes = Items<'static, 'static, PAYLOAD, 64>;
type EventsNext = for<'e> fn(&'e mut Pieces) -> Option<Result<Event<'e>, Error>>;
type ItemsNext = for<'e> fn(&'e mut Wholes) -> Option<Result<Item<'e>, Error>>;
type NextItem = fn(&'static mut Whole, &mut Input) -> Result<Option<Item<'static>>, Error>;
type Stepped = (usize, Result<Option<Step>, Error>);
type NextEvent = fn(&'static mut Parser, &mut Input) -> Result<Option<Event<'static>>, Error>;
type Id = RequestId;
type Written = Result<(), WriteError>;

pub struct Reading {
    pub new: fn() -> Parser,
    pub without_handshake: fn(Parser) -> Parser,
    pub feed: for<'p, 'b> fn(&'p mut Parser, &'b [u8]) -> Events<'p, 'b, 64>,
    pub next_event: NextEvent,
    pub step: fn(&mut Parser, &[u8]) -> Stepped,
    pub event: for<'a> fn(&'a Parser, &'a [u8], Step) -> Event<'a>,
    pub skip_payload: fn(&mut Parser),
    pub finish: fn(&Parser) -> Result<(), Error>,
    pub offset: fn(&Parser) -> u64,
    pub reset: fn(&mut Parser),
    pub events_next: EventsNext,
    pub events_remaining: fn(&Pieces) -> Input,
    pub events_skip_payload: fn(&mut Pieces),
    pub events_offset: fn(&Pieces) -> u64,
    pub protocol_code: fn(&Error) -> Option<ErrorCode>,
}

pub const READING: Reading = Reading {
    new: Parser::new,
    without_handshake: Parser::without_handshake,
    feed: Parser::feed,
    next_event: Parser::next_event,
    step: Parser::step,
    event: Parser::event,
    skip_payload: Parser::skip_payload,
    finish: Parser::finish,
    offset: Parser::offset,
    reset: Parser::reset,
    events_next: Events::next,
    events_remaining: Events::remaining,
    events_skip_payload: Events::skip_payload,
    events_offset: Events::offset,
    protocol_code: Error::protocol_code,
};

type ByIdAndPayload = fn(&mut Writer<'static>, Id, &[u8]) -> Written;
type ByIdAndName = fn(&mut Writer<'static>, Id, Name<'static>, &[u8]) -> Written;
type InPlace = PayloadWriter<'static, 'static>;
type Begin = fn(&'static mut Writer<'static>, &Frame<'_>) -> Result<InPlace, WriteError>;
type ById = fn(&mut Writer<'static>, Id) -> Written;

pub struct Writing {
    pub new: fn(&'static mut [u8]) -> Writer<'static>,
    pub len: fn(&Writer<'static>) -> usize,
    pub is_empty: fn(&Writer<'static>) -> bool,
    pub capacity: fn(&Writer<'static>) -> usize,
    pub available: fn(&Writer<'static>) -> usize,
    pub is_closed: fn(&Writer<'static>) -> bool,
    pub as_bytes: for<'w> fn(&'w Writer<'static>) -> &'w [u8],
    pub into_bytes: fn(Writer<'static>) -> &'static [u8],
    pub clear: fn(&mut Writer<'static>),
    pub version: fn(&mut Writer<'static>) -> Written,
    pub single_request: ByIdAndName,
    pub stream_request: ByIdAndName,
    pub stream_request_part: ByIdAndPayload,
    pub stream_request_end: ById,
    pub single_result: ByIdAndPayload,
    pub stream_result: ByIdAndPayload,
    pub stream_result_end: ById,
    pub error_result: ByIdAndPayload,
    pub retry_result: fn(&mut Writer<'static>, Id, u32, &[u8]) -> Written,
    pub notification: fn(&mut Writer<'static>, Name<'static>, &[u8]) -> Written,
    pub heartbeat: fn(&mut Writer<'static>, u16, u32) -> Written,
    pub protocol_error: fn(&mut Writer<'static>, ErrorCode) -> Written,
    pub frame: fn(&mut Writer<'static>, &Frame<'_>) -> Written,
    pub message: fn(&mut Writer<'static>, Message<'_>) -> Written,
    pub begin: Begin,
    pub payload_write: fn(&mut InPlace, &[u8]),
    pub payload_room: for<'p> fn(&'p mut InPlace) -> &'p mut [u8],
    pub payload_advance: fn(&mut InPlace, usize),
    pub payload_len: fn(&InPlace) -> usize,
    pub payload_is_empty: fn(&InPlace) -> bool,
    pub payload_commit: fn(InPlace) -> Written,
}

pub const WRITING: Writing = Writing {
    new: Writer::new,
    len: Writer::len,
    is_empty: Writer::is_empty,
    capacity: Writer::capacity,
    available: Writer::available,
    is_closed: Writer::is_closed,
    as_bytes: Writer::as_bytes,
    into_bytes: Writer::into_bytes,
    clear: Writer::clear,
    version: Writer::version,
    single_request: Writer::single_request,
    stream_request: Writer::stream_request,
    stream_request_part: Writer::stream_request_part,
    stream_request_end: Writer::stream_request_end,
    single_result: Writer::single_result,
    stream_result: Writer::stream_result,
    stream_result_end: Writer::stream_result_end,
    error_result: Writer::error_result,
    retry_result: Writer::retry_result,
    notification: Writer::notification,
    heartbeat: Writer::heartbeat,
    protocol_error: Writer::protocol_error,
    frame: Writer::frame,
    message: Writer::message,
    begin: Writer::begin,
    payload_write: PayloadWriter::write,
    payload_room: PayloadWriter::room,
    payload_advance: PayloadWriter::advance,
    payload_len: PayloadWriter::len,
    payload_is_empty: PayloadWriter::is_empty,
    payload_commit: PayloadWriter::commit,
};

pub struct Assembling {
    pub new: fn() -> Whole,
    pub without_handshake: fn(Whole) -> Whole,
    pub feed: for<'p, 'b> fn(&'p mut Whole, &'b [u8]) -> Items<'p, 'b, PAYLOAD, 64>,
    pub next_item: NextItem,
    pub step: fn(&mut Whole, &[u8]) -> Stepped,
    pub item: for<'a> fn(&'a Whole, &'a [u8], Step) -> Item<'a>,
    pub finish: fn(&Whole) -> Result<(), Error>,
    pub offset: fn(&Whole) -> u64,
    pub reset: fn(&mut Whole),
    pub items_next: ItemsNext,
    pub items_remaining: fn(&Wholes) -> Input,
    pub items_offset: fn(&Wholes) -> u64,
}

pub const ASSEMBLING: Assembling = Assembling {
    new: Assembler::new,
    without_handshake: Assembler::without_handshake,
    feed: Assembler::feed,
    next_item: Assembler::next_item,
    step: Assembler::step,
    item: Assembler::item,
    finish: Assembler::finish,
    offset: Assembler::offset,
    reset: Assembler::reset,
    items_next: Items::next,
    items_remaining: Items::remaining,
    items_offset: Items::offset,
};

type Out = Writer<'static>;
type Bytes = &'static [u8];
type Asked = Result<Outgoing, SessionError>;
type Done = Result<(), SessionError>;
type Found<T> = Result<T, Error>;
type Meant<P> = Result<Received<'static, P>, WriteError>;
type ReceiveEvent = fn(&mut Session, u32, Found<Event<'static>>, &mut Out) -> Meant<u32>;
type ReceiveItem = fn(&mut Session, u32, Found<Item<'static>>, &mut Out) -> Meant<Bytes>;
type Ask = fn(&mut Session, u32, &mut Out, Name<'static>, Bytes) -> Asked;
type Respond = fn(&mut Session, &mut Out, Incoming, Bytes) -> Done;

/// With payloads that are bytes. Those that are announced take the same functions; text that
/// is made on the spot would bring all of `core::fmt`.
pub struct Conversing {
    pub new: fn(Settings) -> Session,
    pub reset: fn(&mut Session),
    pub drain: fn(&mut Session),
    pub close: fn(&mut Session, ErrorCode),
    pub fail: fn(&mut Session, &Error),
    pub disconnected: fn(&mut Session),
    pub is_open: fn(&Session) -> bool,
    pub is_idle: fn(&Session) -> bool,
    pub receive_event: ReceiveEvent,
    pub receive_item: ReceiveItem,
    pub poll: fn(&mut Session, u32, &mut Out) -> Result<Option<Due>, WriteError>,
    pub wait_ms: fn(&Session, u32) -> Option<u32>,
    pub set_load: fn(&mut Session, u16),
    pub set_clock: fn(&mut Session, u32, u32),
    pub request: Ask,
    pub stream_request: Ask,
    pub request_part: fn(&mut Session, u32, &mut Out, Outgoing, Bytes) -> Done,
    pub request_end: fn(&mut Session, u32, &mut Out, Outgoing) -> Done,
    pub forget: fn(&mut Session, Outgoing),
    pub notify: fn(&mut Session, u32, &mut Out, Name<'static>, Bytes) -> Done,
    pub respond: Respond,
    pub respond_part: Respond,
    pub respond_end: fn(&mut Session, &mut Out, Incoming) -> Done,
    pub respond_error: Respond,
    pub respond_retry: fn(&mut Session, &mut Out, Incoming, u32, Bytes) -> Done,
    pub outgoing_id: fn(Outgoing) -> Id,
    pub outgoing_index: fn(Outgoing) -> usize,
    pub incoming_id: fn(Incoming) -> Id,
    pub incoming_index: fn(Incoming) -> usize,
    pub backoff_new: fn() -> Backoff,
    pub backoff_with_limits: fn(u32, u32) -> Backoff,
    pub backoff_next_ms: fn(&mut Backoff, u32) -> u32,
    pub backoff_reset: fn(&mut Backoff),
}

pub const CONVERSING: Conversing = Conversing {
    new: Session::new,
    reset: Session::reset,
    drain: Session::drain,
    close: Session::close,
    fail: Session::fail,
    disconnected: Session::disconnected,
    is_open: Session::is_open,
    is_idle: Session::is_idle,
    receive_event: Session::receive,
    receive_item: Session::receive,
    poll: Session::poll,
    wait_ms: Session::wait_ms,
    set_load: Session::set_load,
    set_clock: Session::set_clock,
    request: Session::request,
    stream_request: Session::stream_request,
    request_part: Session::request_part,
    request_end: Session::request_end,
    forget: Session::forget,
    notify: Session::notify,
    respond: Session::respond,
    respond_part: Session::respond_part,
    respond_end: Session::respond_end,
    respond_error: Session::respond_error,
    respond_retry: Session::respond_retry,
    outgoing_id: Outgoing::id,
    outgoing_index: Outgoing::index,
    incoming_id: Incoming::id,
    incoming_index: Incoming::index,
    backoff_new: Backoff::new,
    backoff_with_limits: Backoff::with_limits,
    backoff_next_ms: Backoff::next_ms,
    backoff_reset: Backoff::reset,
};
