//! Catches panics quietly: a process that panics fails its seed, it does not fill the terminal.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

#[derive(Default)]
struct Catching {
    depth: u32,
    message: String,
}

thread_local! {
    static CATCHING: RefCell<Catching> = RefCell::default();
}

fn message_of(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "(a panic without a message)",
    };
    match info.location() {
        // Only the file's name: a path names this machine, and the message is part of the trace.
        Some(place) => {
            let file = place.file().rsplit(['/', '\\']).next().unwrap_or_default();
            format!("{text} ({file}:{})", place.line())
        }
        None => text.to_string(),
    }
}

/// Runs `body`; a panic's message and place come back as the error, and nothing is printed.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            let caught = CATCHING.with_borrow_mut(|catching| {
                if catching.depth > 0 {
                    catching.message = message_of(info);
                }
                catching.depth > 0
            });
            if !caught {
                previous(info);
            }
        }));
    });
    CATCHING.with_borrow_mut(|catching| catching.depth += 1);
    let result = catch_unwind(AssertUnwindSafe(body));
    CATCHING.with_borrow_mut(|catching| {
        catching.depth -= 1;
        result.map_err(|_| std::mem::take(&mut catching.message))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_message_and_the_place_come_back() {
        let caught = super::catch(|| panic!("slot {} is taken", 7));
        assert!(caught.is_err_and(|message| message.starts_with("slot 7 is taken (panics.rs:")));
        assert_eq!(super::catch(|| 3), Ok(3));
    }
}
