//! Devices that a node was given by mistake, or that hold what no crash leaves behind: each meets one row of the table in
//! `docs/journal.md`. Whether a node refuses such a device or recovers from it, it must not serve anything wrong.

use crate::paxos_scene::GROUP;
use seedfast_core::journal::frame::{self, Header, Kind, LAST};
use seedfast_core::journal::metadata::METADATA_SEED;
use seedfast_core::journal::{Head, Identity, Layout, Metadata, Options, Standing, format};
use seedfast_core::{Geometry, GroupId, NodeId};
use seedfast_sim::{CLUSTER, Formatted};

/// How many kinds there are; they are numbered from 1.
pub const KINDS: u64 = 16;

/// A record as it is to stand in a log.
struct Place {
    /// Where it says that it stands.
    says: u64,
    /// Where it stands.
    stands: u64,
    header: Header,
}

/// The device of that kind for a node, in the place of an honest `identity`'s.
pub fn device(kind: u64, identity: &Identity, geometry: Geometry, options: &Options) -> Formatted {
    let honest = format(identity, &geometry, options).expect("the journal fits its device");
    let layout = Layout::new(&geometry, options).expect("the journal fits its device");
    let other = |change: fn(&mut Identity)| {
        let mut identity = *identity;
        change(&mut identity);
        format(&identity, &geometry, options).expect("the journal fits its device")
    };
    let record = |number: u64, position: u64, previous: u64| Place {
        says: position,
        stands: position,
        header: Header {
            version: frame::VERSION,
            kind: Kind::Promise as u8,
            flags: LAST,
            length: 0,
            group: GROUP,
            cluster: CLUSTER,
            slot: 0,
            ballot: 256 * number,
            epoch: 0,
            incarnation: 1,
            number,
            position,
            previous,
            mark: number - 1,
            decided: 0,
        },
    };
    // Where a record can begin behind one without a payload.
    let behind = layout.padded(frame::HEADER as u64).next_multiple_of(128);
    let mut contents = honest.clone();
    // Appends a record to the log and returns its checksum.
    let mut put = |place: Place, change: fn(&mut Header)| {
        let mut header = Header { position: place.says, ..place.header };
        change(&mut header);
        let mut bytes = Vec::new();
        let checksum = frame::encode(identity.serial, &header, &[], &mut bytes);
        bytes.resize(behind as usize, 0);
        contents.push((layout.offset(place.stands), bytes));
        checksum
    };
    let same: fn(&mut Header) = |_| ();
    match kind {
        // D1: nothing.
        1 => contents.clear(),
        // D2: a copy of the beginning only.
        2 => {
            let short = Geometry { capacity: layout.log(), ..geometry };
            return vec![(short, honest)];
        }
        // D3: something else.
        3 => contents = vec![(0, vec![0xc3; 2 * layout.copy as usize])],
        // D4: a later format.
        4 => both(&mut contents, |copy| {
            copy[12] += 1;
            let length = u32::from_le_bytes(copy[16..20].try_into().expect("four bytes"));
            let checksum = frame::checksum(METADATA_SEED, copy, length);
            copy[..8].copy_from_slice(&checksum.to_le_bytes());
        }),
        // D5: another node's; another group's.
        5 => contents = other(|identity| identity.node = NodeId(identity.node.0 ^ 1)),
        6 => contents = other(|identity| identity.group = GroupId(77)),
        // D7: copies of two formattings.
        7 => contents[1] = other(|identity| identity.serial ^= 1)[1].clone(),
        // D8: both copies damaged.
        8 => both(&mut contents, |copy| copy[57] ^= 4),
        // L5: more was durable than there is.
        9 => {
            let metadata = Metadata {
                identity: *identity,
                layout,
                capacity: geometry.capacity,
                generation: 2,
                incarnation: 1,
                promised: 0,
                decided: 0,
                mark: 3,
                head: Head { number: 1, position: 0, previous: 0 },
                snapshot: None,
                epoch: 0,
                configuration: Vec::new(),
            };
            both(&mut contents, |copy| {
                let mut bytes = Vec::new();
                metadata.encode(&mut bytes);
                copy[..bytes.len()].copy_from_slice(&bytes);
            });
        }
        // L7: another group's record.
        10 => _ = put(record(1, 0, 0), |header| header.group = GroupId(77)),
        // L8: a record that belongs further on.
        11 => _ = put(Place { says: behind, ..record(1, 0, 0) }, same),
        // L9: a number that was taken.
        12 => {
            put(record(1, 0, 0), same);
            put(record(1, layout.segment, 0), |header| header.mark = 0);
        }
        // L10: a record of a later format.
        13 => _ = put(record(1, 0, 0), |header| header.version += 1),
        // L11: another predecessor.
        14 => {
            put(record(1, 0, 0), same);
            put(record(2, behind, 99), same);
        }
        // L12: a lower incarnation than its predecessor's.
        15 => {
            let first = put(record(1, 0, 0), |header| header.incarnation = 9);
            put(record(2, behind, first), same);
        }
        // L13: a kind that nobody knows.
        _ => _ = put(record(1, 0, 0), |header| header.kind = 99),
    }
    vec![(geometry, contents)]
}

fn both(contents: &mut [(u64, Vec<u8>)], change: impl Fn(&mut [u8])) {
    contents.iter_mut().take(2).for_each(|(_, copy)| change(copy));
}

/// The identity of a device that replaces a lost one for the `time`-th time.
pub fn replacement(founding: Identity, time: u32) -> Identity {
    let serial = !founding.serial ^ u64::from(time) << 32;
    Identity { serial, standing: Standing::Replacement, ..founding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::journal::{Expected, Recovery, Row, Rows, Setting, Step};
    use seedfast_core::paxos::founding;
    use seedfast_core::{Buffer, Completion, DeviceId, Incarnation, Outbox, Output};

    /// What a recovery from the device meets.
    fn recover(device: Formatted) -> (Rows, bool) {
        let [(geometry, contents)] = &device[..] else { panic!("a replica has one device") };
        let mut bytes = vec![0; geometry.capacity as usize];
        for (at, piece) in contents {
            let end = geometry.capacity.min(*at + piece.len() as u64) as usize;
            bytes[*at as usize..end].copy_from_slice(&piece[..end - *at as usize]);
        }
        let expected = Expected { cluster: CLUSTER, group: GROUP, node: NodeId(1) };
        let setting = Setting {
            expected,
            incarnation: Incarnation(3),
            device: DeviceId(0),
            geometry: *geometry,
            queue_depth: 8,
        };
        let mut out = Outbox::new(false);
        let mut recovery = Recovery::begin(setting, &mut out);
        loop {
            let mut outputs = Vec::new();
            out.swap(&mut outputs);
            let (op, result) = match outputs.pop() {
                Some(Output::Submit { op, .. }) => (op, Completion::Done),
                Some(Output::Read { op, range, .. }) => {
                    let range = range.at as usize..(range.at + range.length) as usize;
                    (op, Completion::Data(Buffer::copy_from(&bytes[range])))
                }
                other => panic!("{other:?}"),
            };
            match recovery.step(op, &result, &mut |_| {}, &mut out) {
                Step::More => {}
                Step::Recovered => return (recovery.rows(), true),
                Step::Refused(_) => return (recovery.rows(), false),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn each_kind_meets_its_row() {
        let options = Options { copy: 512, area: 4096, segment: 8192, segments: 4 };
        let rows = [
            (Row::D1, false),
            (Row::D2, false),
            (Row::D3, false),
            (Row::D4, false),
            (Row::D5, false),
            (Row::D5, false),
            (Row::D7, false),
            (Row::D8, false),
            (Row::L5, false),
            (Row::L7, true),
            (Row::L8, true),
            (Row::L9, true),
            (Row::L10, false),
            (Row::L11, true),
            (Row::L12, true),
            (Row::L13, false),
        ];
        assert_eq!(rows.len() as u64, KINDS);
        let identity = replacement(founding(CLUSTER, GROUP, NodeId(1)), 1);
        for geometry in [Geometry::disk(48 << 10), Geometry::nvm(48 << 10)] {
            assert!(recover(vec![(geometry, format(&identity, &geometry, &options).expect("it fits"))]).1);
            for (kind, (row, recovers)) in (1..).zip(rows) {
                let (met, recovered) = recover(device(kind, &identity, geometry, &options));
                assert!(met.contains(row), "kind {kind} is to meet {row}, and met {met:?}");
                assert_eq!(recovered, recovers, "kind {kind}");
            }
        }
    }
}
