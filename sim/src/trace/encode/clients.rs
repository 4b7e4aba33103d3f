//! The records about clients.

use super::{Fields, Trace, tag};

impl Trace {
    /// A client starts.
    pub(crate) fn client_start(&mut self, at: u64, client: u8, entropy: &[u8; 32]) {
        let mut fields = Fields::<48>::new(tag::CLIENT_START);
        fields.u64(at);
        fields.u8(client);
        fields.put(*entropy);
        self.append(&fields);
    }

    /// A client hears an answer.
    pub(crate) fn client_response(&mut self, at: u64, client: u8, connection: u64, id: u64) {
        let mut fields = Fields::<32>::new(tag::CLIENT_RESPONSE);
        fields.u64(at);
        fields.u8(client);
        fields.u64(connection);
        fields.u64(id);
        self.append(&fields);
    }

    /// A client hears that a connection broke.
    pub(crate) fn client_closed(&mut self, at: u64, client: u8, connection: u64) {
        let mut fields = Fields::<24>::new(tag::CLIENT_CLOSED);
        fields.u64(at);
        fields.u8(client);
        fields.u64(connection);
        self.append(&fields);
    }

    /// A client's timer is due.
    pub(crate) fn client_timer(&mut self, at: u64, client: u8, id: u16) {
        let mut fields = Fields::<16>::new(tag::CLIENT_TIMER);
        fields.u64(at);
        fields.u8(client);
        fields.u16(id);
        self.append(&fields);
    }

    /// A client sends a request; one fate follows.
    #[expect(clippy::too_many_arguments, reason = "one per field of the record")]
    pub(crate) fn client_request(
        &mut self,
        at: u64,
        client: u8,
        to: u8,
        connection: u64,
        session: u64,
        sequence: u64,
        id: u64,
        bytes: &[u8],
    ) {
        let mut fields = Fields::<48>::new(tag::CLIENT_REQUEST);
        fields.u64(at);
        fields.u8(client);
        fields.u8(to);
        fields.u64(connection);
        fields.u64(session);
        fields.u64(sequence);
        fields.u64(id);
        self.append(&fields);
        self.block(bytes);
    }

    /// A client drops its connection; one fate follows.
    pub(crate) fn client_close(&mut self, at: u64, client: u8, to: u8, connection: u64, id: u64) {
        let mut fields = Fields::<32>::new(tag::CLIENT_CLOSE);
        fields.u64(at);
        fields.u8(client);
        fields.u8(to);
        fields.u64(connection);
        fields.u64(id);
        self.append(&fields);
    }

    /// A client sets or cancels (`due` = `u64::MAX`) a timer.
    pub(crate) fn client_set_timer(&mut self, at: u64, client: u8, id: u16, due: u64) {
        let mut fields = Fields::<24>::new(tag::CLIENT_SET_TIMER);
        fields.u64(at);
        fields.u8(client);
        fields.u16(id);
        fields.u64(due);
        self.append(&fields);
    }
}
