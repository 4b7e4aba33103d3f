//! Finds out who leads, also while no client asks for anything.
//!
//! Every period it asks the replicas a small question. A follower refuses it and says who leads; a leader answers it
//! after a round of read-index, so one that is cut off from the others does not answer, and after a whole period
//! without an answer this node says that it knows no leader. `CLUSTER`, `INFO` and `/ready` rest on it; no command
//! does, because the replicas judge each for themselves.

use super::service::Service;
use crate::blocks::Blocks;
use crate::command::Command;
use alloc::vec::Vec;
use core::future::poll_fn;
use seedfast_core::client::{Request, Response, Verb};
use seedfast_core::runtime::Alarm;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::{Buffer, Duration, SessionId};

/// How often it asks, unless told otherwise.
pub const PERIOD: Duration = Duration::from_millis(500);

/// Asks for as long as it is polled, woken by `alarm`, which it alone sets.
pub async fn watch(mut alarm: impl Alarm, clients: Clients, service: Service, period: Duration) {
    let connection = clients.connect();
    let mut payload = Vec::new();
    Command::Exists { keys: Blocks::from(&[&b""[..]][..]) }.encode(&mut payload);
    let mut answers: Vec<Buffer> = Vec::new();
    let mut sequence = 0;
    let mut waiting = false;
    loop {
        if waiting {
            // The last question found nobody who could answer it.
            service.set_leader(None);
        } else {
            sequence += 1;
            let mut frame = service.buffer();
            Request { verb: Verb::Query, acknowledged_below: 0, payload: &payload }.encode(&mut frame);
            connection.request(service.settings().group, SessionId::NONE, sequence, frame.freeze());
            waiting = true;
        }
        alarm.set(Some(service.now().monotonic + period));
        poll_fn(|cx| {
            while connection.poll_answers(cx, &mut answers).is_ready() {
                for frame in answers.drain(..) {
                    if let Ok(response) = Response::decode(&frame) {
                        service.heard(&response);
                        waiting = false;
                    }
                    service.recycle(frame);
                }
            }
            alarm.poll_due(cx)
        })
        .await;
    }
}
