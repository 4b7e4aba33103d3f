//! Load for a server, from one thread: so many clients, each with one question at a time, or with a few.
//!
//! ```text
//! load --to HOST:PORT [--speak resp|etcd] [--get] [--clients N] [--connections N] [--depth N] [--value BYTES] [--keys N]
//!      [--millis N] [--busy]
//! ```
//! Each client has a connection of its own, unless there are fewer connections: then clients share them, as the tasks of
//! one program do that keeps a few channels to a server.
//!
//! It prints one JSON object: answers a second, latencies in microseconds as a client sees them, and what the load itself
//! cost in processor time. Both languages go through the same ring, so that neither server is measured by a slower client.

mod etcd;
mod resp;

use seedfast_core::Duration;
use seedfast_core::runtime::{Runtime, Stream};
use seedfast_runtime_real::{Options, RealRuntime};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;

/// A client's side of a protocol.
trait Language {
    /// What is said once, when the stream is open.
    fn greet(&mut self, out: &mut Vec<u8>);
    /// Asks for one key, or sets it.
    fn ask(&mut self, key: u64, value: Option<&[u8]>, out: &mut Vec<u8>);
    /// Takes bytes from the front of `bytes` and counts the answers in them; what has to be said back goes to `out`.
    fn hear(&mut self, bytes: &[u8], heard: &mut Heard, out: &mut Vec<u8>) -> usize;
}

/// Answers.
#[derive(Clone, Copy, Default)]
struct Heard {
    /// All of them.
    answers: u64,
    /// Those that were errors.
    errors: u64,
}

#[derive(Clone)]
struct Settings {
    to: String,
    etcd: bool,
    get: bool,
    clients: usize,
    connections: usize,
    depth: usize,
    value: usize,
    keys: u64,
    millis: u64,
    busy: bool,
}

#[derive(Default)]
struct Tally {
    /// In nanoseconds, of answers that came while it was measured.
    latencies: Vec<u32>,
    errors: u64,
    ready: usize,
    broken: Option<String>,
    /// Monotonic nanoseconds between which answers count.
    window: (u64, u64),
}

/// Answers that come before are not counted.
const WARMING: u64 = 500;

fn main() {
    let settings = settings();
    let options = Options::new().busy_poll(settings.busy);
    let told = seedfast_runtime_real::run(options, move |runtime| measure(runtime, settings));
    match told {
        Ok(Ok(line)) => println!("{line}"),
        Ok(Err(why)) => fail(&why),
        Err(why) => fail(&why.to_string()),
    }
}

fn fail(why: &str) -> ! {
    eprintln!("load: {why}");
    std::process::exit(2)
}

fn settings() -> Settings {
    let mut settings = Settings {
        to: String::new(),
        etcd: false,
        get: false,
        clients: 64,
        connections: usize::MAX,
        depth: 1,
        value: 256,
        keys: 10_000,
        millis: 3000,
        busy: false,
    };
    let mut words = std::env::args().skip(1);
    let number = |words: &mut dyn Iterator<Item = String>| {
        words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or_else(|| fail("a number is missing"))
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--to" => settings.to = words.next().unwrap_or_default(),
            "--speak" => settings.etcd = words.next().as_deref() == Some("etcd"),
            "--get" => settings.get = true,
            "--clients" => settings.clients = number(&mut words).max(1) as usize,
            "--connections" => settings.connections = number(&mut words) as usize,
            "--depth" => settings.depth = number(&mut words) as usize,
            "--value" => settings.value = number(&mut words) as usize,
            "--keys" => settings.keys = number(&mut words),
            "--millis" => settings.millis = number(&mut words),
            "--busy" => settings.busy = true,
            other => fail(&format!("{other} is no option")),
        }
    }
    settings
}

async fn measure(runtime: RealRuntime, settings: Settings) -> Result<String, String> {
    let tally = Rc::new(RefCell::new(Tally { window: (u64::MAX, u64::MAX), ..Tally::default() }));
    let connections = settings.connections.clamp(1, settings.clients);
    for number in 0..connections {
        let (host, mut settings, tally) = (runtime.clone(), settings.clone(), tally.clone());
        let sharing = (settings.clients - number).div_ceil(connections);
        settings.depth *= sharing;
        runtime.spawn(async move {
            let ended = if settings.etcd {
                client(&host, &settings, &tally, number as u64, etcd::Etcd::new(&settings.to)).await
            } else {
                client(&host, &settings, &tally, number as u64, resp::Resp).await
            };
            tally.borrow_mut().broken = ended.err();
        });
    }
    let pause = |millis| runtime.sleep(runtime.now().monotonic + Duration::from_millis(millis));
    while tally.borrow().ready < connections {
        if let Some(why) = tally.borrow_mut().broken.take() {
            return Err(why);
        }
        pause(10).await;
    }
    pause(WARMING).await;
    let begin = runtime.now().monotonic.as_nanos();
    tally.borrow_mut().window = (begin, begin + settings.millis * 1_000_000);
    let cpu = cpu_nanos();
    pause(settings.millis).await;
    let cpu = cpu_nanos() - cpu;
    let mut tally = tally.borrow_mut();
    if let Some(why) = tally.broken.take() {
        return Err(why);
    }
    tally.latencies.sort_unstable();
    let count = tally.latencies.len();
    if count == 0 {
        return Err("nothing was answered".into());
    }
    let micros = |permille: usize| f64::from(tally.latencies[(count - 1) * permille / 1000]) / 1000.0;
    Ok(format!(
        "{{\"per_s\": {}, \"p50_us\": {:.1}, \"p99_us\": {:.1}, \"answers\": {count}, \"errors\": {}, \"load_us\": {:.2}}}",
        count as u64 * 1000 / settings.millis,
        micros(500),
        micros(990),
        tally.errors,
        cpu as f64 / 1000.0 / count as f64,
    ))
}

/// The processor time of this thread so far.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

async fn client(
    runtime: &RealRuntime,
    settings: &Settings,
    tally: &RefCell<Tally>,
    number: u64,
    mut language: impl Language,
) -> Result<(), String> {
    let mut stream = runtime.connect(&settings.to).await.map_err(|why| why.to_string())?;
    tally.borrow_mut().ready += 1;
    let value = vec![b'v'; settings.value];
    let value = (!settings.get).then_some(&value[..]);
    // Each client walks through the keys from a place of its own.
    let mut key = number.wrapping_mul(7919) % settings.keys;
    let (mut input, mut output) = (Vec::new(), Vec::new());
    let mut asked = VecDeque::with_capacity(settings.depth);
    language.greet(&mut output);
    loop {
        let now = runtime.now().monotonic.as_nanos();
        while asked.len() < settings.depth {
            language.ask(key, value, &mut output);
            key = (key + 1) % settings.keys;
            asked.push_back(now);
        }
        if !output.is_empty() {
            stream.write(&mut output);
        }
        let count = poll_fn(|cx| stream.poll_read(cx, &mut input, 64 << 10)).await;
        if count.map_err(|why| why.to_string())? == 0 {
            return Err("the server closed a stream".into());
        }
        let mut heard = Heard::default();
        let used = language.hear(&input, &mut heard, &mut output);
        input.drain(..used);
        let now = runtime.now().monotonic.as_nanos();
        let mut tally = tally.borrow_mut();
        tally.errors += heard.errors;
        let counts = tally.window.0 <= now && now < tally.window.1;
        for asked in asked.drain(..heard.answers as usize) {
            if counts {
                tally.latencies.push(u32::try_from(now - asked).unwrap_or(u32::MAX));
            }
        }
    }
}
