//! gRPC over HTTP/2 (RFC 9113), as much of it as `etcdserverpb.KV/Put` and `Range` need: one request is a HEADERS and a
//! DATA frame, and its answer ends with the frame that ends the stream. Headers of answers are not decompressed: an answer
//! without a message is an error.

use super::{Heard, Language};
use std::io::Write;

/// A client of etcd.
pub(crate) struct Etcd {
    authority: String,
    /// The stream of the next request.
    next: u32,
    /// Streams whose message has come.
    told: Vec<u32>,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// So much may be sent to us without a word from us: all that HTTP/2 can say.
const WINDOW: u32 = (1 << 31) - 1;

impl Etcd {
    pub(crate) fn new(authority: &str) -> Self {
        Etcd { authority: authority.into(), next: 1, told: Vec::new() }
    }
}

/// Appends a frame whose payload `fill` writes.
fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    fill(out);
    let length = (out.len() - start - 9) as u32;
    out[start..start + 3].copy_from_slice(&length.to_be_bytes()[1..]);
}

/// A string of HPACK, not compressed (RFC 7541, section 5.2), shorter than 127 bytes.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// A field of bytes in protocol buffers.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 128 {
        out.push(length as u8 | 128);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}

impl Language for Etcd {
    fn greet(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frame(out, SETTINGS, 0, 0, |_| {});
        frame(out, WINDOW_UPDATE, 0, 0, |out| out.extend_from_slice(&(WINDOW - 65_535).to_be_bytes()));
    }

    fn ask(&mut self, key: u64, value: Option<&[u8]>, out: &mut Vec<u8>) {
        let stream = self.next;
        self.next += 2;
        frame(out, HEADERS, END_HEADERS, stream, |out| {
            // Of the static table: POST, http; then fields that are not to be remembered, by the numbers of their names.
            out.extend_from_slice(&[0x83, 0x86, 0x04]);
            string(out, if value.is_some() { "/etcdserverpb.KV/Put" } else { "/etcdserverpb.KV/Range" });
            out.push(0x01);
            string(out, &self.authority);
            out.extend_from_slice(&[0x0f, 0x10]);
            string(out, "application/grpc");
            out.push(0x00);
            string(out, "te");
            string(out, "trailers");
        });
        frame(out, DATA, END_STREAM, stream, |out| {
            let start = out.len();
            out.extend_from_slice(&[0; 5]);
            let mut name = [0; 12];
            let _ = write!(&mut name[..], "key:{key:08}");
            field(out, 1, &name);
            if let Some(value) = value {
                field(out, 2, value);
            }
            let length = (out.len() - start - 5) as u32;
            out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
        });
    }

    fn hear(&mut self, bytes: &[u8], heard: &mut Heard, out: &mut Vec<u8>) -> usize {
        let mut used = 0;
        while let Some((head, rest)) = bytes[used..].split_first_chunk::<9>() {
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let Some(payload) = rest.get(..length) else { break };
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match kind {
                SETTINGS if flags & ACK == 0 => frame(out, SETTINGS, ACK, 0, |_| {}),
                PING if flags & ACK == 0 => frame(out, PING, ACK, 0, |out| out.extend_from_slice(payload)),
                GOAWAY => super::fail("etcd said goodbye"),
                DATA if length > 0 => self.told.push(stream),
                _ => {}
            }
            if (matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0) || kind == RST_STREAM {
                let told = self.told.iter().position(|told| *told == stream);
                heard.answers += 1;
                heard.errors += u64::from(told.is_none());
                told.map(|place| self.told.swap_remove(place));
            }
            used += 9 + length;
        }
        used
    }
}
