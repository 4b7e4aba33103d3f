//! The picture of a run, opened from disk in a real browser: what is drawn, what keys and filters do, how long it takes.
//!
//! A script is added to the page that presses keys and looks at what came of it; it sends what it saw to a port of this
//! test. Without a browser these tests say so and check nothing. `SEEDFAST_BROWSER` names one.

mod fakes;

use fakes::{Scratch, read};
use seedfast::cli;
use seedfast::text::Console;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A seed of the scenario that breaks, and the page that `show` writes of it.
fn picture(scratch: &Scratch, scenario: &str, seed: u64) -> String {
    let path = scratch.file(&format!("{scenario}-{seed}.html"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut scenarios = seedfast_scenarios::all();
    scenarios.extend(fakes::all());
    let mut console = Console { colour: false, live: false, out: &mut out, err: &mut err };
    let seed = seed.to_string();
    let arguments = ["seedfast", "show", scenario, &seed, "--out", &path];
    let code = cli::run_with(&scenarios, arguments, &mut console);
    assert_eq!(code, 0, "{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    path
}

fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("SEEDFAST_BROWSER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file());
    named.or(found)
}

/// Problems are heard from the page's very beginning.
const LISTEN: &str = "<script>window.problems = [];
addEventListener('error', (event) => problems.push(String(event.message)));
addEventListener('unhandledrejection', (event) => problems.push(String(event.reason)));
for (const name of ['error', 'warn']) console[name] = (...words) => problems.push(words.join(' '));
</script>";

/// Waits for the page, runs `look`, and reports what it gives.
const REPORT: &str = "<script>
const press = (key, more = {}) => document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }));
const rest = () => new Promise((done) => setTimeout(done, 60));
(async () => {
  const ready = () => document.documentElement.dataset.ready || document.getElementById('trouble').textContent;
  while (!ready()) await rest();
  let seen = {};
  try { seen = await (async () => { LOOK })(); } catch (error) { problems.push(String(error.stack)); }
  seen.problems = problems;
  await fetch('http://127.0.0.1:PORT/', { method: 'POST', mode: 'no-cors', body: JSON.stringify(seen) });
})();
</script>";

/// Opens a page from disk and gives what `look`, the body of a function, returns; none without a browser.
fn opened(scratch: &Scratch, page: &str, look: &str) -> Option<Value> {
    let Some(browser) = browser() else {
        println!(
            "skipped: no browser in PATH (install Debian's `chromium`, or name one with SEEDFAST_BROWSER)"
        );
        return None;
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a plain socket");
    let port = listener.local_addr().expect("it is bound").port();
    let text = String::from_utf8(read(page)).expect("a page is text");
    let text = text.replacen("<head>", &format!("<head>{LISTEN}"), 1);
    let report = REPORT.replace("LOOK", look).replace("PORT", &port.to_string());
    let text = text.replacen("</body>", &format!("{report}</body>"), 1);
    let watched = format!("{page}.watched.html");
    std::fs::write(&watched, text).expect("there is room");

    let profile = scratch.file("profile");
    let mut child = Command::new(&browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1500,900"])
        .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
        .arg(format!("--user-data-dir={profile}"))
        .arg(format!("file://{}", Path::new(&watched).canonicalize().expect("it was written").display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the browser starts");
    let seen = heard(&listener);
    let _ = child.kill();
    let _ = child.wait();
    Some(seen.expect("the page reports within two minutes"))
}

/// The body of the first POST that arrives.
fn heard(listener: &TcpListener) -> Option<Value> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(120) {
        let Ok((mut stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
                });
                if body.len() >= length.unwrap_or(0) {
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
                    if let Ok(seen) = serde_json::from_str(body) {
                        return Some(seen);
                    }
                    break;
                }
            }
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(count) => bytes.extend_from_slice(&piece[..count]),
            }
        }
    }
    None
}

fn no_problems(seen: &Value) {
    assert_eq!(seen["problems"], serde_json::json!([]), "{seen:#}");
}

#[test]
fn a_broken_run_opens_where_it_broke_and_keys_lead_through_it() {
    let scratch = Scratch::new("show-broken");
    let page = picture(&scratch, "broken", 3);
    let look = "
      const page = window.seedfast, { run, view } = page;
      const at = () => view.selected, live = () => document.getElementById('live').textContent;
      const seen = { lanes: document.querySelectorAll('.lane').length, drawn: page.painter.drawn };
      seen.broke = run.momentOf[run.broke]; seen.begun = at(); seen.past = view.past !== null;
      seen.verdict = document.getElementById('verdict').textContent;
      press('ArrowLeft'); seen.left = at(); seen.said = live();
      press('ArrowRight'); seen.right = at();
      press('ArrowUp'); seen.cause = at();
      seen.isCause = Array.from(run.members.of(seen.broke)).some((record) =>
        Array.from(run.causesOf.of(record)).some((edge) => run.momentOf[run.edges.from[edge]] === seen.cause));
      press('ArrowDown'); seen.effect = at();
      press('Home'); seen.first = at();
      press('ArrowRight', { shiftKey: true }); seen.sameLane = run.lane[run.moments[at()]] === run.lane[run.moments[seen.first]];
      press('End'); seen.last = at(); seen.visible = page.filter.visible.at(-1);
      press('v'); seen.again = at();
      const zoom = page.scale.zoom; press('+'); seen.zoomed = page.scale.zoom > zoom;
      press('0'); const left = page.scale.left; press('+'); press('d'); seen.panned = page.scale.left > left;
      const theme = document.documentElement.dataset.theme; press('t'); seen.theme = document.documentElement.dataset.theme !== theme;
      press('?'); seen.help = document.getElementById('help').open; document.getElementById('help').close();
      press('Home'); press(' '); seen.playing = Boolean(page.playing);
      // However slow the machine is, play gets on some time.
      for (let i = 0; i < 500 && at() === seen.first; i++) await rest();
      seen.played = at(); press(' '); seen.paused = !page.playing;
      for (const mode of ['time', 'even', 'folded']) { page.mode(mode); page.paintNow(); }
      seen.options = document.querySelectorAll('[role=option]').length;
      return seen;";
    let Some(seen) = opened(&scratch, &page, look) else { return };
    no_problems(&seen);
    assert_eq!(seen["lanes"], 3, "{seen:#}");
    assert!(
        seen["drawn"]["arrows"].as_u64() > Some(5) && seen["drawn"]["moments"].as_u64() > Some(5),
        "{seen:#}"
    );
    assert!(seen["verdict"].as_str().is_some_and(|text| text.contains("the tenth ping arrived")), "{seen:#}");
    assert_eq!(seen["begun"], seen["broke"]);
    assert!(seen["left"].as_u64() < seen["broke"].as_u64(), "{seen:#}");
    assert_eq!(seen["right"], seen["broke"]);
    assert!(seen["said"].as_str().is_some_and(|text| !text.is_empty()), "{seen:#}");
    assert!(seen["cause"].as_u64() < seen["broke"].as_u64(), "{seen:#}");
    assert!(seen["effect"].as_u64() > seen["cause"].as_u64(), "{seen:#}");
    assert!(seen["first"].as_u64() < seen["last"].as_u64());
    assert!(seen["played"].as_u64() > seen["first"].as_u64(), "{seen:#}");
    assert_eq!((&seen["last"], &seen["again"]), (&seen["visible"], &seen["broke"]));
    assert!(seen["options"].as_u64() > Some(0));
    for name in ["past", "isCause", "sameLane", "zoomed", "panned", "theme", "help", "playing", "paused"] {
        assert_eq!(seen[name], true, "{name}: {seen:#}");
    }
}

#[test]
fn filters_search_and_slots_leave_what_they_name() {
    let scratch = Scratch::new("show-filters");
    let page = picture(&scratch, "everything", 5);
    let look = "
      const page = window.seedfast, { run, filter } = page, { messages } = run;
      page.scale.fit(); page.paintNow();
      const arrows = () => filter.arrows.reduce((sum, one) => sum + one, 0), seen = { all: filter.visible.length, arrows: arrows() };
      document.querySelector('.lane.node').click(); await rest();
      seen.lane = filter.visible.some((k) => run.lane[run.moments[k]] === 0); seen.withoutLane = filter.visible.length;
      document.querySelector('.lane.node').click(); await rest(); seen.laneBack = filter.visible.length;
      const boxes = Array.from(document.querySelectorAll('#filter-body input'));
      boxes[0].click(); await rest(); seen.withoutKind = arrows();
      seen.kind = messages.kind.some((kind, i) => kind === 0 && filter.arrows[i]); boxes[0].click(); await rest();
      const slot = document.getElementById('slot'); slot.value = '3'; slot.oninput(); seen.slot = filter.visible.length;
      seen.slotFits = Array.from(filter.arrows).every((on, i) => !on || (messages.slot[i] <= 3 && messages.slotEnd[i] >= 3));
      slot.value = ''; slot.oninput(); seen.slotBack = filter.visible.length;
      const search = document.getElementById('search'); search.value = 'leader'; search.oninput(); seen.found = filter.found.length;
      press('n'); seen.selected = filter.found.includes(page.view.selected);
      search.value = '#12'; search.oninput(); seen.named = filter.found.length; search.value = ''; search.oninput();
      page.select(filter.visible[Math.floor(filter.visible.length / 2)]); press('c'); press('o'); seen.only = filter.visible.length; press('o');
      seen.onlyBack = filter.visible.length;
      seen.offices = page.painter.offices.length;
      seen.states = document.querySelectorAll('.state tbody tr').length; seen.nodes = run.nodes;
      return seen;";
    let Some(seen) = opened(&scratch, &page, look) else { return };
    no_problems(&seen);
    let number = |name: &str| seen[name].as_u64().unwrap_or_else(|| panic!("{name}: {seen:#}"));
    assert_eq!(seen["lane"], false, "{seen:#}");
    assert!(0 < number("withoutLane") && number("withoutLane") < number("all"), "{seen:#}");
    assert!(number("withoutKind") < number("arrows"), "{seen:#}");
    assert_eq!(seen["kind"], false, "{seen:#}");
    assert!(0 < number("slot") && number("slot") < number("all") / 4, "{seen:#}");
    assert_eq!(seen["slotFits"], true);
    assert!(number("found") > 0 && number("named") > 0 && number("offices") > 0, "{seen:#}");
    assert_eq!(seen["selected"], true);
    assert!(0 < number("only") && number("only") < number("all"), "{seen:#}");
    for back in ["laneBack", "slotBack", "onlyBack"] {
        assert_eq!(number(back), number("all"), "{back}: {seen:#}");
    }
    assert_eq!(number("states"), number("nodes"));
}

#[test]
fn fifty_thousand_events_open_and_move() {
    let scratch = Scratch::new("show-large");
    let page = picture(&scratch, "standard", 1);
    let bytes = read(&page).len();
    let look = "
      const page = window.seedfast, seen = { events: page.run.n, loaded: page.loaded, unpacked: page.unpacked };
      const timed = (work) => { const begun = performance.now(); work(); return performance.now() - begun; };
      page.scale.fit(); seen.far = timed(() => page.paintNow()); seen.farDrawn = page.painter.drawn;
      page.select(page.filter.visible[9000]); page.scale.zoom = page.scale.minimum * 200; page.scale.centre(page.scale.places[page.view.selected]);
      seen.close = timed(() => page.paintNow()); seen.closeDrawn = page.painter.drawn;
      seen.step = timed(() => press('ArrowRight')); seen.past = timed(() => press('c')); seen.only = timed(() => press('o'));
      return seen;";
    let Some(seen) = opened(&scratch, &page, look) else { return };
    no_problems(&seen);
    println!(
        "{} events in {bytes} bytes: open after {:.0} ms; drawn from afar in {:.0} ms, close by in {:.0} ms; a step {:.0} ms, \
         a causal past {:.0} ms, it alone {:.0} ms",
        seen["events"],
        seen["loaded"].as_f64().unwrap_or_default(),
        seen["far"].as_f64().unwrap_or_default(),
        seen["close"].as_f64().unwrap_or_default(),
        seen["step"].as_f64().unwrap_or_default(),
        seen["past"].as_f64().unwrap_or_default(),
        seen["only"].as_f64().unwrap_or_default(),
    );
    assert!(seen["events"].as_u64() > Some(50_000), "{seen:#}");
    assert!(bytes < 2 << 20, "{bytes} bytes");
    assert!(seen["farDrawn"]["arrows"].as_u64() > Some(100), "{seen:#}");
    assert!(seen["closeDrawn"]["moments"].as_u64() > Some(20), "{seen:#}");
}
