//! The `Runtime` trait on a real machine. **Nothing of it is built yet.**
//!
//! It will hold one loop that feeds a [`Process`](seedfast_core::Process) from io_uring (one ring a thread), TCP between
//! replicas with framing and checksums, direct and synced disk writes, NVM by `mmap`, and RDMA behind a feature. It
//! will be the only crate of this workspace with unsafe code, in files named `sys_*.rs`, each block with its reason;
//! `xtask/tests/tidy.rs` keeps it so. `docs/boundary.md` says what each input and output will have to mean here.
