//! What an operator asks of a running replica: `SEEDFAST SNAPSHOT`. (`SEEDFAST STATUS` is the service's own.)

use crate::overlook::Overlook;
use seedfast_core::client::{Response, Status};
use seedfast_core::paxos::control;
use seedfast_core::runtime::Runtime;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::{Buffer, Duration};
use seedfast_kv::server::Service;
use seedfast_runtime_real::RealRuntime;
use std::future::poll_fn;

/// How often a snapshot that is being taken is asked after.
const GLANCE: Duration = Duration::from_millis(5);
/// How long it may take before the operator is told to look again later.
const PATIENCE: Duration = Duration::from_secs(60);

/// Adds the operator's commands.
pub(crate) fn register(service: &Service, runtime: &RealRuntime, clients: &Clients, overlook: &Overlook) {
    let (runtime, clients, overlook) = (runtime.clone(), clients.clone(), overlook.clone());
    service.add_operation(
        "SNAPSHOT",
        "Takes a snapshot now, and answers when it is durable.",
        move |words| {
            let (runtime, clients, overlook) = (runtime.clone(), clients.clone(), overlook.clone());
            Box::pin(async move {
                if !words.is_empty() {
                    return Err("wrong number of arguments for 'seedfast|snapshot' command".into());
                }
                snapshot(&runtime, &clients, &overlook).await
            })
        },
    );
}

async fn snapshot(runtime: &RealRuntime, clients: &Clients, overlook: &Overlook) -> Result<String, String> {
    let connection = clients.connect();
    connection.control(Buffer::copy_from(control::SNAPSHOT));
    let mut answers = Vec::new();
    poll_fn(|cx| connection.poll_answers(cx, &mut answers)).await;
    let slot = match answers.first().map(|answer| Response::decode(answer)) {
        Some(Ok(Response { status: Status::Done, payload, .. })) => {
            payload.try_into().map(u64::from_le_bytes).map_err(|_| "the replica's answer makes no sense")?
        }
        _ => return Err("the replica still reads its journal: ask again when it is ready".into()),
    };
    let until = runtime.now().monotonic + PATIENCE;
    loop {
        match overlook.snapshot() {
            Some(durable) if durable.0 >= slot => {
                return Ok(format!("a snapshot of everything below slot {} is durable", durable.0));
            }
            None => return Err("the replica ended".into()),
            _ if runtime.now().monotonic >= until => {
                return Err(format!(
                    "the snapshot of everything below slot {slot} is not durable yet: ask for STATUS"
                ));
            }
            _ => runtime.sleep(runtime.now().monotonic + GLANCE).await,
        }
    }
}
