//! Wakers that are used on other threads, while the runtime's own sleeps or spins.

mod common;

use common::free_addresses;
use seedfast_core::runtime::{Runtime, accept, read, write_all};
use seedfast_runtime_real::{Options, run};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

#[test]
fn a_task_is_woken_from_another_thread() {
    for options in [Options::new(), Options::new().busy_poll(true)] {
        let rounds = run(options, |_| async {
            let mut rounds = 0;
            for _ in 0..200 {
                let (done, waker) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None::<Waker>)));
                let (set, wake) = (done.clone(), waker.clone());
                let thread = std::thread::spawn(move || {
                    set.store(true, Ordering::SeqCst);
                    if let Some(waker) = wake.lock().expect("no panic").take() {
                        waker.wake();
                    }
                });
                poll_fn(|cx| {
                    *waker.lock().expect("no panic") = Some(cx.waker().clone());
                    if done.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                thread.join().expect("no panic");
                rounds += 1;
            }
            rounds
        });
        assert_eq!(rounds, Ok(200));
    }
}

#[test]
fn a_name_is_looked_up_beside_the_runtime_and_what_is_none_is_refused() {
    let address = free_addresses(1).remove(0);
    let port = address.rsplit_once(':').expect("host:port").1.to_owned();
    let said = run(Options::new(), move |runtime| async move {
        let mut listener = runtime.listen(&address).await.expect("a free address");
        let client = runtime.clone();
        runtime.spawn(async move {
            let mut stream = client.connect(&format!("localhost:{port}")).await.expect("it is this machine");
            write_all(&mut stream, b"by name").await.expect("loopback");
        });
        let mut stream = accept(&mut listener).await.expect("a client");
        let mut bytes = Vec::new();
        while read(&mut stream, &mut bytes, 64).await.expect("loopback") > 0 {}
        for nonsense in ["nowhere", "host:port", ":1", "localhost:70000"] {
            assert!(matches!(
                runtime.connect(nonsense).await,
                Err(seedfast_core::runtime::Error::Invalid(_))
            ));
        }
        bytes
    });
    assert_eq!(said, Ok(b"by name".to_vec()));
}
