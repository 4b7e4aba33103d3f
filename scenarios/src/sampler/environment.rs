//! The world before anything goes wrong: how long messages and devices take, how bursts end, what clocks show.

use super::{Draw, MICRO, MILLI, SECOND};
use seedfast_sim::{Clock, Disk, Network, Turns};

/// A data centre on a good day.
pub fn calm_network() -> Network {
    Network { latency_min: 200 * MICRO, latency_max: 2 * MILLI, ..Network::default() }
}

/// A solid-state disk on a good day.
pub fn calm_disk() -> Disk {
    Disk {
        write_min: 50 * MICRO,
        write_max: 300 * MICRO,
        sync_min: 300 * MICRO,
        sync_max: 2 * MILLI,
        ..Disk::default()
    }
}

/// A network of a speed between one rack and one continent; messages are late now and then.
pub fn network(draw: &mut Draw) -> Network {
    let latency_min = draw.one_of(&[20 * MICRO, 200 * MICRO, MILLI, 5 * MILLI]);
    let mut network =
        Network { latency_min, latency_max: latency_min * draw.between(2, 10), ..Network::default() };
    network.latency_max = network.latency_max.min(25 * MILLI);
    if draw.percent(50) {
        network.tail = draw.between(100, 20_000) as u32;
        network.tail_max = draw.between(10, 300) * MILLI;
    }
    network
}

/// The same network, unreliable: each kind of trouble is there in half of the cases, at most this heavy.
pub fn unreliable(network: Network, draw: &mut Draw, heaviest: u64) -> Network {
    let mut sometimes = |most: u64| if draw.percent(50) { draw.between(1, most.max(1)) as u32 } else { 0 };
    Network {
        loss: sometimes(heaviest),
        duplication: sometimes(heaviest),
        reordering: sometimes(2 * heaviest),
        corruption: sometimes(heaviest / 4),
        ..network
    }
}

/// A device between fast and tired; one in three stalls now and then.
pub fn disk(draw: &mut Draw) -> Disk {
    let write_min = draw.one_of(&[10 * MICRO, 50 * MICRO, 500 * MICRO, 2 * MILLI]);
    let sync_min = draw.one_of(&[20 * MICRO, 300 * MICRO, 2 * MILLI, 8 * MILLI]);
    let mut disk = Disk {
        write_min,
        write_max: write_min * draw.between(2, 8),
        sync_min,
        sync_max: sync_min * draw.between(2, 6),
        ..Disk::default()
    };
    if draw.percent(33) {
        disk.stall = draw.between(100, 5_000) as u32;
        disk.stall_max = draw.between(20, 400) * MILLI;
    }
    disk
}

/// Bursts that close at once, or stay open for a while.
pub fn turns(draw: &mut Draw) -> Turns {
    if draw.percent(50) {
        return Turns::default();
    }
    Turns { burst: draw.between(50_000, 700_000) as u32, burst_max: draw.between(10, 500) * MICRO }
}

/// Clocks that read differently and run at most so many parts per billion too fast or too slow.
pub fn clocks(draw: &mut Draw, nodes: u8, drift: u64) -> Vec<Clock> {
    (0..nodes)
        .map(|_| Clock {
            monotonic_offset: draw.between(0, 1_000) * SECOND,
            wall_offset: draw.around_zero(60 * SECOND),
            drift: draw.around_zero(drift),
        })
        .collect()
}
