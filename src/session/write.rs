//! How a session writes: by the bodies of the writer.

use crate::wire::frame::Header;
use crate::wire::message_type::MessageType;
use crate::wire::value::Name;
use crate::write::writer::Writer;
use crate::{LARGE, WriteError};

impl Writer<'_> {
    /// Writes a message of a session's: any message. A large target takes the body with the
    /// shape of the message, where there is one.
    #[inline(always)]
    pub(crate) fn send(
        &mut self,
        header: &Header,
        name: Name<'_>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let Header { message_type, id, last, with_version, .. } = *header;
        if LARGE && !with_version && last as usize == payload.len() {
            match message_type {
                MessageType::SingleRequest
                | MessageType::StreamRequest
                | MessageType::Notification => {
                    return self.named(message_type, id, name, payload);
                }
                MessageType::StreamRequestPart
                | MessageType::SingleResult
                | MessageType::StreamResult
                | MessageType::ErrorResult => {
                    return self.id_and_payload(message_type, id, payload);
                }
                _ => {}
            }
        }
        self.write_apart(header, name, payload)
    }
}
