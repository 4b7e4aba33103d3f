//! What the standard library does not do with sockets: one that is not connected yet, and how fast a dead end is noticed.
#![expect(unsafe_code, reason = "the only files of the workspace where it belongs")]

use seedfast_core::time::Duration;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// An address as the kernel reads it.
pub(crate) enum RawAddress {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
}

impl From<SocketAddr> for RawAddress {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => RawAddress::V4(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(address) => RawAddress::V6(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            }),
        }
    }
}

impl RawAddress {
    /// Where it stands in memory, and its length.
    pub(crate) fn parts(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        match self {
            RawAddress::V4(address) => ((&raw const *address).cast(), size_of_val(address) as _),
            RawAddress::V6(address) => ((&raw const *address).cast(), size_of_val(address) as _),
        }
    }
}

/// A socket for a stream to `address`, not connected yet.
pub(crate) fn unconnected(address: &SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: the call reads no memory of ours.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor has just been made, and nobody else knows it.
    Ok(TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Sends at once, and notices within `dead_after` that the other end's kernel does not answer any more, whether there is
/// something to send (`TCP_USER_TIMEOUT`) or not (keep-alives): `tcp(7)`.
pub(crate) fn prepare(socket: &TcpStream, dead_after: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let millis = (dead_after.as_nanos() / 1_000_000).clamp(1_000, i32::MAX as u64) as i32;
    let seconds = (millis / 1000).max(1);
    set(socket, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, millis)?;
    set(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    set(socket, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, (seconds / 2).max(1))?;
    set(socket, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, (seconds / 6).max(1))?;
    set(socket, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3)
}

pub(crate) fn set(socket: &impl AsRawFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the pointer leads to an integer of this length, which the call only reads.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
