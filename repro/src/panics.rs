//! A panic of a process is a verdict, and the world catches it. What comes out of here is a panic outside a run: of a
//! scenario that cannot draw its plan or cast its scene, which is said in one sentence, or a bug of ours, which is
//! printed as always and reported with its seed.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

/// Runs `work`; a panic that leaves it is printed as always, and comes back as its message.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic without a message".to_owned())
    })
}

#[derive(Default)]
struct Quiet {
    depth: u32,
    message: String,
}

thread_local! {
    static QUIET: RefCell<Quiet> = RefCell::default();
}

/// Lets [`quietly`] work. To be called before any world runs: the world hears of its processes' panics through a hook
/// of its own, which must come first.
pub(crate) fn prepare() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_quiet = QUIET.with_borrow_mut(|quiet| {
                if quiet.depth > 0 {
                    quiet.message = message_of(info);
                }
                quiet.depth > 0
            });
            if !is_quiet {
                previous(info);
            }
        }));
    });
}

fn message_of(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "a panic without a message",
    };
    match info.location() {
        Some(place) => format!("{text} ({}:{})", place.file(), place.line()),
        None => text.to_owned(),
    }
}

/// Runs `work`; a panic that leaves it is not printed, and comes back as its message and place.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    prepare();
    QUIET.with_borrow_mut(|quiet| quiet.depth += 1);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.with_borrow_mut(|quiet| {
        quiet.depth -= 1;
        result.map_err(|_| std::mem::take(&mut quiet.message))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_quiet_panic_comes_back_with_its_place() {
        let caught = super::quietly(|| panic!("seed {} is odd", 7));
        assert!(
            caught.as_ref().is_err_and(
                |message| message.starts_with("seed 7 is odd (") && message.contains("panics.rs:")
            ),
            "{caught:?}"
        );
        assert_eq!(super::quietly(|| 3), Ok(3));
    }
}
