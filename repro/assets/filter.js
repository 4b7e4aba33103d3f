// What is shown: by lane, by kind of message, by class of event, by slot; and what a search finds.

const CLASSES = [
  ['message', 'messages and batches'], ['timer', 'timers'], ['storage', 'storage'], ['life', 'starts and crashes'],
  ['fault', 'faults'], ['burst', 'empty ends of bursts'],
];

function classOf(run, moment) {
  const record = run.moments[moment], code = run.code(record);
  switch (code) {
    case 'timer': case 'client-timer': return 'timer';
    case 'end-of-burst': return run.members.of(moment).length > 1 ? 'message' : 'burst';
    case 'completed': case 'landed': case 'durable': case 'vanished': return 'storage';
    case 'start': case 'client-start': case 'down': case 'image': case 'halt': case 'verdict': return 'life';
    case 'fault': case 'fault-ended': return 'fault';
    case 'receive': case 'request': case 'closed': case 'stopped': case 'client-response': case 'client-closed':
      return 'message';
    default: return run.lane[record] >= 0 ? 'storage' : 'fault';
  }
}

function newFilter(run) {
  const numbers = new Map(CLASSES.map(([name], number) => [name, number]));
  const classes = mapped(Uint8Array, run.moments, (_, k) => numbers.get(classOf(run, k)));
  return {
    empty: classes.reduce((sum, number) => sum + (number === numbers.get('burst') ? 1 : 0), 0),
    lanes: new Set(), kinds: new Set(), classes: new Set(['burst']), slot: null, text: '', past: null, hops: 126,
    classOf: classes, shown: new Uint8Array(run.moments.length), arrows: new Uint8Array(run.messages.count),
    visible: [], found: [], busy: new Set(),
  };
}

/** `7`, `7-9`, or nothing. */
function parseSlots(text) {
  const found = /^\s*(\d+)\s*(?:(?:-|\.\.=?)\s*(\d+))?\s*$/.exec(text);
  return found ? [Number(found[1]), Number(found[2] ?? found[1])] : null;
}

/** Whether a record may be shown where only a causal past is. */
function inPast(filter, record) {
  return !filter.past || filter.past[record] <= filter.hops;
}

function applyFilter(run, filter) {
  const { messages } = run;
  const inSlots = (first, last) => first >= 0 && first <= filter.slot[1] && last >= filter.slot[0];
  const slots = filter.slot && new Uint8Array(run.moments.length);
  if (slots) {
    for (let i = 0; i < run.steps.record.length; i++) {
      const slot = run.steps.slot[i];
      if (inSlots(slot, slot)) slots[run.momentOf[run.steps.record[i]]] = 1;
    }
  }
  for (let i = 0; i < messages.count; i++) {
    const lanes = filter.lanes.has(messages.from[i]) || filter.lanes.has(messages.to[i]);
    const slot = !slots || inSlots(messages.slot[i], messages.slotEnd[i]);
    const arrived = [messages.received[i], messages.copyReceived[i]].some((at) => at >= 0 && inPast(filter, at));
    filter.arrows[i] = !lanes && slot && !filter.kinds.has(messages.kind[i]) && (!filter.past || arrived) ? 1 : 0;
    if (slots && filter.arrows[i]) {
      for (const at of [messages.sent[i], messages.received[i], messages.copyReceived[i]]) {
        if (at >= 0) slots[run.momentOf[at]] = 1;
      }
    }
  }
  const hiddenClass = CLASSES.map(([name]) => filter.classes.has(name));
  filter.visible = [];
  filter.busy.clear();
  for (let k = 0; k < run.moments.length; k++) {
    const record = run.moments[k], arrival = run.arrival[record];
    const hidden = hiddenClass[filter.classOf[k]] || filter.lanes.has(run.lane[record])
      || (arrival >= 0 && filter.kinds.has(messages.kind[arrival])) || (slots && !slots[k])
      || (filter.past && !run.members.of(k).some((member) => inPast(filter, member)));
    // The verdict and where it broke are never hidden.
    const kept = run.momentOf[run.broke] === k || run.code(record) === 'verdict';
    filter.shown[k] = !hidden || kept ? 1 : 0;
    if (filter.shown[k]) { filter.visible.push(k); filter.busy.add(run.lane[record]); }
  }
  search(run, filter);
}

/** Finds the moments whose records, or the messages they send or hear, hold the text. `#12` is message 12. */
function search(run, filter) {
  filter.found = [];
  const wanted = filter.text.trim().toLowerCase();
  if (!wanted) return;
  const named = /^#(\d+)$/.exec(wanted);
  const message = named ? run.byName.get(Number(named[1])) : undefined;
  const holds = (record) => {
    if (named) {
      const { sent, received, copyReceived, stopped } = run.messages;
      return message !== undefined
        && [sent[message], received[message], copyReceived[message], stopped[message]].includes(record);
    }
    const arrival = run.arrival[record];
    return run.text(record).toLowerCase().includes(wanted)
      || (arrival >= 0 && run.messages.words(arrival).toLowerCase().includes(wanted));
  };
  for (const k of filter.visible) {
    for (const record of run.members.of(k)) {
      if (holds(record)) { filter.found.push(k); break; }
    }
  }
}
