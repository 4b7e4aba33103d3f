//! Contracts: preconditions, postconditions and invariants, numbered as in `docs/paxos.md`.
//!
//! They are evaluated with the feature `contracts` (on by default), and compiled out without it. A contract that does
//! not hold panics: it can only be a bug of ours, and the world reports the panic with its seed.

/// What must hold when a function is entered.
#[macro_export]
macro_rules! requires {
    ($number:literal, $condition:expr, $($why:tt)+) => {
        $crate::check_contract!("requires", $number, $condition, $($why)+)
    };
}

/// What must hold when a function returns.
#[macro_export]
macro_rules! ensures {
    ($number:literal, $condition:expr, $($why:tt)+) => {
        $crate::check_contract!("ensures", $number, $condition, $($why)+)
    };
}

/// What must always hold between turns.
#[macro_export]
macro_rules! invariant {
    ($number:literal, $condition:expr, $($why:tt)+) => {
        $crate::check_contract!("invariant", $number, $condition, $($why)+)
    };
}

/// The common part of the three above.
#[doc(hidden)]
#[macro_export]
macro_rules! check_contract {
    ($form:literal, $number:literal, $condition:expr, $($why:tt)+) => {
        if cfg!(feature = "contracts") && !$condition {
            panic!(concat!("contract ", $number, " (", $form, "): {}"), format_args!($($why)+));
        }
    };
}
