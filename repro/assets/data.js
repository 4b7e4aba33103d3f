'use strict';
// The data as Rust wrote it (repro/src/show/columns.rs), unpacked into typed arrays and indexes.

/** Base64 of a raw deflate stream, as text. */
async function inflate(base64) {
  if (typeof DecompressionStream === 'undefined') {
    throw new Error('this browser has no DecompressionStream; any of 2023 or later has');
  }
  const letters = atob(base64);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Response(stream).text();
}

/** Numbers from their differences. */
function sums(differences) {
  const numbers = new Float64Array(differences.length);
  let sum = 0;
  for (let i = 0; i < differences.length; i++) numbers[i] = sum += differences[i];
  return numbers;
}

/** A typed array of what `make` gives for each element: `from` of typed arrays walks an iterator, which is slow. */
function mapped(Type, list, make) {
  const made = new Type(list.length);
  for (let i = 0; i < made.length; i++) made[i] = make(list[i], i);
  return made;
}

/** A map from records to numbers, given the records. */
function placed(records, size) {
  const places = new Int32Array(size).fill(-1);
  for (let i = 0; i < records.length; i++) places[records[i]] = i;
  return { has: (record) => places[record] >= 0, get: (record) => (places[record] >= 0 ? places[record] : undefined) };
}

/** Lists by key: `of(key)` gives the places whose key it is. */
function grouped(keys, size) {
  const start = new Int32Array(size + 1);
  for (const key of keys) if (key >= 0) start[key + 1]++;
  for (let i = 0; i < size; i++) start[i + 1] += start[i];
  const places = new Int32Array(start[size]), fill = start.slice();
  for (let i = 0; i < keys.length; i++) if (keys[i] >= 0) places[fill[keys[i]]++] = i;
  return { of: (key) => places.subarray(start[key], start[key + 1]) };
}

const MESSAGE = 1; // The kind of edge along which a message went: Why::Message in causes.rs.

function unpack(raw) {
  const n = raw.records.at.length;
  const run = {
    head: raw.head, nodes: raw.nodes, clients: raw.clients, lanes: raw.nodes + raw.clients,
    broke: raw.broke ?? -1, leftOut: raw.leftOut, kinds: raw.kinds, faults: raw.faults, n,
    at: sums(raw.records.at), lane: Int16Array.from(raw.records.lane), life: Int32Array.from(raw.records.life),
    headOf: mapped(Int32Array, raw.records.head, (back, i) => i - back),
    code: (i) => raw.codes[raw.records.code[i]],
    codes: raw.codes, codeOf: raw.records.code,
    text: (i) => raw.texts[raw.records.text[i]],
    end: raw.end,
  };

  // Moments: the steps of a process, a client, a device or the world, each with the records that belong to it.
  const moments = [];
  run.momentOf = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    if (run.headOf[i] === i) { run.momentOf[i] = moments.length; moments.push(i); }
    else run.momentOf[i] = run.momentOf[run.headOf[i]];
  }
  run.moments = Int32Array.from(moments);
  run.members = grouped(run.momentOf, moments.length);

  const m = raw.messages, count = m.id.length;
  const sent = Int32Array.from(sums(m.sent));
  const record = (distances) => mapped(Int32Array, distances, (d, i) => (d ? sent[i] + d : -1));
  const due = (after) => mapped(Float64Array, after, (d, i) => (d < 0 ? -1 : run.at[sent[i]] + d));
  run.messages = {
    count, id: sums(m.id), from: Int16Array.from(m.from), to: Int16Array.from(m.to), kind: Uint8Array.from(m.kind),
    sent, due: due(m.due), copyDue: due(m.copyDue), received: record(m.received),
    copyReceived: record(m.copyReceived), stopped: record(m.stopped), damaged: m.damaged, size: m.size,
    fate: (i) => raw.codes[m.fate[i]], words: (i) => raw.texts[m.words[i]],
    slot: sums(m.slot), slotEnd: null,
  };
  run.messages.slotEnd = run.messages.slot.map((slot, i) => slot + m.slots[i]);
  run.sentIn = grouped(sent, n);
  run.arrival = new Int32Array(n).fill(-1);
  run.byName = new Map();
  for (let i = 0; i < count; i++) {
    run.byName.set(run.messages.id[i], i);
    for (const at of [run.messages.received[i], run.messages.copyReceived[i], run.messages.stopped[i]]) {
      if (at >= 0) run.arrival[at] = i;
    }
  }

  const to = sums(raw.edges.to), from = mapped(Int32Array, raw.edges.back, (back, i) => to[i] - back);
  run.edges = { from, to: Int32Array.from(to), why: Uint8Array.from(raw.edges.why) };
  run.causesOf = grouped(run.edges.to, n);
  run.effectsOf = grouped(from, n);

  run.steps = {
    record: Int32Array.from(sums(raw.steps.record)), ballot: sums(raw.steps.ballot), slot: sums(raw.steps.slot),
    name: (i) => raw.codes[raw.steps.name[i]],
  };
  run.stepOf = placed(run.steps.record, n);
  const clockAt = sums(raw.clocks.record), wall = sums(raw.clocks.wall);
  const clock = placed(clockAt, n);
  run.clockAt = clockAt;
  run.clocks = {
    has: clock.has,
    get(record) {
      const i = clock.get(record);
      return i === undefined ? undefined : { monotonic: raw.clocks.monotonic[i], wall: wall[i] };
    },
  };
  run.images = new Map(raw.images.map((image) => [image.record, image]));
  return run;
}

/**
 * The causal past of a record: for every record the fewest messages between it and the target, 127 if it is not in the
 * past. Every edge leads forward, so one pass from the back is enough.
 */
function pastOf(run, target) {
  const hops = new Uint8Array(run.n).fill(127);
  hops[target] = 0;
  for (let i = target; i >= 0; i--) {
    if (hops[i] === 127) continue;
    for (const edge of run.causesOf.of(i)) {
      const step = hops[i] + (run.edges.why[edge] === MESSAGE ? 1 : 0);
      const from = run.edges.from[edge];
      if (step < hops[from]) hops[from] = Math.min(step, 126);
    }
  }
  return hops;
}
