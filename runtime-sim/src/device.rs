//! Devices: those that [`Start`](seedfast_core::Start) hands over, called `disk0`, `disk1` and so on.
//!
//! A device is opened by one handle at a time. Operations cross into the world under names of this life, so that
//! several users need not know of each other's; a completion carries the name that its user gave.

use crate::alarms::wake;
use crate::runtime::{SimRuntime, wait};
use seedfast_core::runtime::{Device, Error};
use seedfast_core::storage::Chain;
use seedfast_core::{
    Completion, DeviceId, Durability, Geometry, Incarnation, Input, OperationId, Outbox, Range, Start,
};
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

#[derive(Default)]
struct Port {
    open: bool,
    /// Operations in flight, those of a handle that is gone included.
    in_flight: usize,
    completed: VecDeque<Input>,
    waker: Option<Waker>,
    /// Those who wait until it is idle.
    openers: Vec<Waker>,
}

struct Operation {
    device: usize,
    name: OperationId,
    /// Its handle is gone.
    forgotten: bool,
}

/// The devices of one life.
#[derive(Default)]
pub(crate) struct Devices {
    life: Incarnation,
    geometries: Vec<Geometry>,
    queue_depth: u32,
    ports: Vec<Port>,
    next: u32,
    operations: BTreeMap<u32, Operation>,
}

impl Devices {
    pub(crate) fn start(&mut self, start: &Start) {
        self.life = start.incarnation;
        self.geometries.clone_from(&start.devices);
        self.queue_depth = start.queue_depth;
        self.ports.resize_with(start.devices.len(), Port::default);
    }

    pub(crate) fn find(&self, name: &str) -> Result<usize, Error> {
        let number = name.strip_prefix("disk").and_then(|number| number.parse::<usize>().ok());
        number.filter(|number| *number < self.ports.len()).ok_or_else(|| Error::NotFound(name.into()))
    }

    /// Ready once nothing is in flight that nobody waits for any more, or somebody has it open.
    pub(crate) fn poll_idle(&mut self, device: usize, cx: &mut Context<'_>) -> Poll<()> {
        let port = &mut self.ports[device];
        if port.open || port.in_flight == 0 {
            return Poll::Ready(());
        }
        port.openers.push(cx.waker().clone());
        Poll::Pending
    }

    fn admit(&mut self, device: usize, name: OperationId) -> OperationId {
        self.next = self.next.wrapping_add(1);
        self.ports[device].in_flight += 1;
        self.operations.insert(self.next, Operation { device, name, forgotten: false });
        OperationId { incarnation: self.life, number: self.next }
    }

    /// The world reports; what a former life had submitted is nobody's any more.
    pub(crate) fn completed(&mut self, op: OperationId, result: Completion) {
        if op.incarnation != self.life {
            return;
        }
        let Some(operation) = self.operations.remove(&op.number) else { return };
        let port = &mut self.ports[operation.device];
        port.in_flight -= 1;
        if !operation.forgotten {
            port.completed.push_back(Input::Completed { op: operation.name, result });
            wake(&mut port.waker);
        } else if port.in_flight == 0 {
            port.openers.drain(..).for_each(Waker::wake);
        }
    }
}

/// An open device.
pub struct SimDevice {
    runtime: SimRuntime,
    device: usize,
}

impl SimDevice {
    pub(crate) fn open(runtime: SimRuntime, device: usize, name: &str) -> Result<Self, Error> {
        let mut devices = runtime.0.devices.borrow_mut();
        if core::mem::replace(&mut devices.ports[device].open, true) {
            return Err(Error::InUse(name.into()));
        }
        drop(devices);
        Ok(SimDevice { runtime, device })
    }

    fn name(&self, op: OperationId) -> (OperationId, DeviceId) {
        (self.runtime.0.devices.borrow_mut().admit(self.device, op), DeviceId(self.device as u8))
    }
}

impl Device for SimDevice {
    fn geometry(&self) -> Geometry {
        self.runtime.0.devices.borrow().geometries[self.device]
    }

    fn queue_depth(&self) -> u32 {
        let devices = self.runtime.0.devices.borrow();
        // The world counts over all devices of a node.
        (devices.queue_depth / devices.ports.len() as u32).max(1)
    }

    fn submit(&mut self, op: OperationId, chain: Chain, durability: Durability) {
        let (op, device) = self.name(op);
        self.runtime.0.out.borrow_mut().submit(op, device, chain, durability);
    }

    fn read(&mut self, op: OperationId, range: Range) {
        let (op, device) = self.name(op);
        self.runtime.0.out.borrow_mut().read(op, device, range);
    }

    fn poll_completed(&mut self, cx: &mut Context<'_>, into: &mut Vec<Input>, most: usize) -> Poll<()> {
        let port = &mut self.runtime.0.devices.borrow_mut().ports[self.device];
        let count = port.completed.len().min(most);
        into.extend(port.completed.drain(..count));
        wait(count > 0, &mut port.waker, cx)
    }

    fn reclaim(&mut self, _: &mut Outbox) {}
}

impl Drop for SimDevice {
    fn drop(&mut self) {
        let devices = &mut *self.runtime.0.devices.borrow_mut();
        let mine = devices.operations.values_mut().filter(|operation| operation.device == self.device);
        mine.for_each(|operation| operation.forgotten = true);
        let port = &mut devices.ports[self.device];
        port.open = false;
        port.completed.clear();
        port.waker = None;
    }
}
