// What observations tell of the nodes' state: who leads, what is promised, decided and applied. The words are those of
// the protocol trace in docs/trace.md; the observations of a protocol that has none are kept as they are.

/** The records that tell something of a node's state. */
function tellingOf(run) {
  const telling = [], tells = run.codes.map((code) => ['start', 'down', 'halt', 'observe'].includes(code));
  for (let i = 0; i < run.n; i++) {
    if (run.lane[i] >= 0 && run.lane[i] < run.nodes && (tells[run.codeOf[i]] || run.clocks.has(i))) telling.push(i);
  }
  return Int32Array.from(telling);
}

/** Each node's state after everything up to and including `record`. */
function stateAt(run, record) {
  const nodes = Array.from({ length: run.nodes }, () => ({ role: 'not started', life: 0, kept: {}, raw: {} }));
  for (const i of run.telling ??= tellingOf(run)) {
    if (i > record) break;
    const node = nodes[run.lane[i]], code = run.code(i);
    if (code === 'start') {
      Object.assign(node, { role: 'up', life: run.life[i], raw: {} });
      delete node.ballot;
    } else if (code === 'down') {
      node.role = run.text(i).startsWith('power') ? 'power lost' : 'crashed';
    } else if (code === 'halt') {
      node.role = 'halted';
    } else if (code === 'observe') {
      const step = run.stepOf.get(i);
      if (step === undefined) observeRaw(node, run.text(i));
      else observe(node, run.steps, step);
    }
    const clocks = run.clocks.get(i);
    if (clocks) node.wall = clocks.wall;
  }
  return nodes;
}

function observe(node, steps, step) {
  const name = steps.name(step), ballot = steps.ballot[step], slot = steps.slot[step], kept = node.kept;
  const atLeast = (key, value) => { kept[key] = Math.max(kept[key] ?? -1, value); };
  switch (name) {
    case 'prepare': node.role = 'candidate'; node.ballot = ballot; break;
    case 'leader': node.role = 'leader'; node.ballot = ballot; break;
    case 'step-down': node.role = 'follower'; delete node.ballot; break;
    // What it had voted for may be lost: it counts again from its next vote on.
    case 'restart': node.role = 'follower'; kept.promised = ballot; delete kept.accepted; break;
    case 'amnesiac': node.role = 'only learns'; break;
    case 'promise': if (node.role === 'up') node.role = 'follower'; atLeast('promised', ballot); break;
    case 'accept': atLeast('promised', ballot); atLeast('accepted', slot); break;
    case 'decide': atLeast('decided', slot); break;
    case 'apply': atLeast('applied', slot); break;
    default: node.raw[name] = slot >= 0 ? `slot ${slot}` : ballot >= 0 ? ballotName(ballot) : 'yes';
  }
}

function observeRaw(node, text) {
  const found = /kind (\d+), \d+ bytes ?(.*)$/.exec(text);
  if (found) node.raw[`kind ${found[1]}`] = found[2] || 'seen';
}

/** Spans in which a node led: `{ node, ballot, from, to }` in records. */
function officesOf(run) {
  const offices = [], open = new Map();
  const close = (node, at) => {
    const office = open.get(node);
    if (office) { office.to = at; open.delete(node); }
  };
  for (let i = 0; i < run.n; i++) {
    const node = run.lane[i];
    if (node < 0 || node >= run.nodes) continue;
    const step = run.stepOf.get(i), code = run.code(i);
    if (code === 'down' || code === 'halt') close(node, i);
    if (step === undefined) continue;
    const name = run.steps.name(step);
    if (name === 'leader') {
      close(node, i);
      const office = { node, ballot: run.steps.ballot[step], from: i, to: run.n - 1 };
      open.set(node, office);
      offices.push(office);
    } else if (name === 'step-down') close(node, i);
  }
  return offices;
}

/** Spans in which a node lives or is down, in records: `{ node, from, to, up, power }`. */
function livesOf(run) {
  const spans = [], last = new Array(run.lanes).fill(null);
  for (let i = 0; i < run.n; i++) {
    const node = run.lane[i], code = run.code(i);
    if (code !== 'start' && code !== 'down') continue;
    if (last[node]) last[node].to = i;
    last[node] = { node, from: i, to: -1, up: code === 'start', power: run.text(i).startsWith('power') };
    spans.push(last[node]);
  }
  return spans;
}

/** Storage operations: `{ node, from, to, kind }`, from the submission to what the device did last. */
function writesOf(run) {
  const writes = new Map();
  for (let e = 0; e < run.edges.to.length; e++) {
    const from = run.edges.from[e], to = run.edges.to[e];
    if (run.code(from) !== 'submit') continue;
    const kind = run.code(to);
    if (kind !== 'durable' && kind !== 'landed' && kind !== 'vanished' && kind !== 'completed') continue;
    const write = writes.get(from) ?? { node: run.lane[from], from, to, kind };
    if (to >= write.to) Object.assign(write, { to, kind: write.kind === 'durable' && kind === 'completed' ? 'durable' : kind });
    writes.set(from, write);
  }
  return [...writes.values()];
}
