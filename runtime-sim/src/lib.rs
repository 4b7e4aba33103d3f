//! The `Runtime` trait over the simulated world. **Nothing of it is built yet.**
//!
//! It will hold a deterministic executor on top of `seedfast-sim`, for code that is async: the key-value server's
//! connections, client libraries, tools. Clock, sleep, spawn, randomness, message endpoints, byte streams and devices
//! will all be the world's; which task runs next, which branch of a `select` wins and when a timer fires will follow
//! from the seed. It will run the same conformance suite, generic over `Runtime`, as `seedfast-runtime-real`.
//!
//! Until then campaigns need nothing from here: `seedfast-sim` drives a [`Process`](seedfast_core::Process) directly,
//! and will go on doing so afterwards, because it is faster.
#![forbid(unsafe_code)]
