//! The suite that every runtime passes, on this machine: each role on a thread of its own, over loopback and files.

mod common;

use common::free_addresses;
use seedfast_core::id::{ClusterId, NodeId};
use seedfast_core::runtime::Runtime;
use seedfast_core::runtime::conformance::host::LEAST_CAPACITY;
use seedfast_core::runtime::conformance::{Case, Host, Place, Role, Site, Verdict, run_all};
use seedfast_core::time::Duration;
use seedfast_runtime_real::device::create;
use seedfast_runtime_real::{Options, RealRuntime, run};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};

/// This machine, with these options. Devices are made under a directory of the case.
struct Loopback {
    options: Options,
    /// Before the path of each device.
    prefix: &'static str,
    cases: u32,
    name: &'static str,
}

/// A case that takes longer does not come to an end.
const LONG: std::time::Duration = std::time::Duration::from_secs(60);

impl Loopback {
    fn site(&self, directory: &std::path::Path, case: &Case<RealRuntime>) -> Vec<Site> {
        let machines = case.roles.iter().filter(|role| role.place == Place::Machine).count();
        let numbers = (0..machines).map(|number| NodeId(number as u8));
        let members: Vec<_> = numbers.zip(free_addresses(machines)).collect();
        let services = free_addresses(machines);
        let devices = |me: usize, role: &Role<RealRuntime>| {
            let paths = (0..2).map(|which| directory.join(format!("{me}-{which}")));
            let paths = paths.filter(|_| role.place == Place::Machine);
            paths
                .map(|path| {
                    create(&path, LEAST_CAPACITY).expect("room for devices");
                    format!("{}{}", self.prefix, path.display())
                })
                .collect()
        };
        let site = |(me, role)| Site {
            me: NodeId(me as u8),
            life: 1,
            cluster: ClusterId(0x5eed),
            members: members.clone(),
            services: services.clone(),
            devices: devices(me, role),
        };
        case.roles.iter().enumerate().map(site).collect()
    }
}

fn live(role: &Role<RealRuntime>, site: &Site, options: &Options, running: &Arc<AtomicUsize>) -> Verdict {
    for (index, part) in role.lives.iter().enumerate() {
        let (part, last) = (*part, index + 1 == role.lives.len());
        let site = Site { life: index as u32 + 1, ..site.clone() };
        let running = running.clone();
        let lived = run(options.clone(), move |runtime| async move {
            let verdict = part(runtime.clone(), site).await;
            if last {
                running.fetch_sub(1, Ordering::SeqCst);
                while running.load(Ordering::SeqCst) > 0 {
                    runtime.sleep(runtime.now().monotonic + Duration::from_millis(1)).await;
                }
            }
            verdict
        });
        lived.map_err(|why| why.to_string())??;
    }
    Ok(())
}

/// One less is running, also if the thread panics; nobody then waits for it.
struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Host for Loopback {
    type Runtime = RealRuntime;

    fn run(&mut self, case: &Case<RealRuntime>) -> Verdict {
        self.cases += 1;
        let name = format!("seedfast-{}-{}-{}", self.name, std::process::id(), self.cases);
        let directory: PathBuf = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        let sites = self.site(&directory, case);
        let running = Arc::new(AtomicUsize::new(case.roles.len()));
        let (sender, receiver) = channel();
        for (role, site) in case.roles.iter().cloned().zip(sites) {
            let (options, running, sender) = (self.options.clone(), running.clone(), sender.clone());
            std::thread::spawn(move || {
                let leaving = Leaving(running.clone());
                let verdict = live(&role, &site, &options, &running);
                if verdict.is_err() {
                    // Its last part may never have begun.
                    running.store(0, Ordering::SeqCst);
                }
                drop(leaving);
                let _ = sender.send(verdict.map_err(|why| format!("role {}: {why}", site.me)));
            });
        }
        drop(sender);
        let mut verdict = Ok(());
        for _ in &case.roles {
            match receiver.recv_timeout(LONG) {
                Ok(one) => verdict = verdict.and(one),
                Err(RecvTimeoutError::Disconnected) => verdict = verdict.and(Err("a role panicked".into())),
                Err(RecvTimeoutError::Timeout) => return Err("it did not come to an end".into()),
            }
        }
        let _ = std::fs::remove_dir_all(directory);
        verdict
    }
}

fn conform(name: &'static str, options: Options, prefix: &'static str) {
    let mut host = Loopback { options, prefix, cases: 0, name };
    let verdicts = run_all(&mut host);
    assert!(verdicts.len() > 10, "a suite without cases proves nothing");
    let failed: Vec<_> = verdicts.iter().filter(|(_, verdict)| verdict.is_err()).collect();
    assert!(failed.is_empty(), "{} of {} cases do not hold: {failed:#?}", failed.len(), verdicts.len());
}

#[test]
fn this_machine_keeps_every_promise() {
    conform("usual", Options::new(), "");
}

#[test]
fn so_it_does_with_what_an_older_kernel_has_and_a_small_ring() {
    let options = Options::new()
        .deferred(false)
        .multishot(false)
        .direct(false)
        .entries(8)
        .blocks(0)
        .files(0)
        .write_through(false);
    conform("older", options, "");
}

#[test]
fn so_it_does_when_it_spins_and_writes_through() {
    conform("spinning", Options::new().busy_poll(true).write_through(true).files(8), "");
}

#[test]
fn so_it_does_on_mapped_memory() {
    conform("mapped", Options::new(), "nvm:");
}
