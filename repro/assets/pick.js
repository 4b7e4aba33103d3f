// What lies under the pointer.

/** `{ moment }` or `{ message }` near a point of the stage, or null. */
function pick(run, painter, view, x, y) {
  const { scale, layout, filter } = view;
  let best = null, least = 11;
  const [first, last] = painter.range ?? [0, -1];
  for (let k = first; k <= last; k++) {
    if (!filter.shown[k]) continue;
    const lane = layout.lanes[run.lane[run.moments[k]]];
    if (!lane || lane.hidden || Math.abs(y - lane.middle) > 16) continue;
    const distance = Math.hypot(scale.xOfMoment(k) - x, (lane.middle - y) * 0.6);
    if (distance < least) { least = distance; best = { moment: k }; }
  }
  if (best) return best;
  least = 5;
  for (let i = 0; i < run.messages.count; i++) {
    if (!filter.arrows[i]) continue;
    for (const copy of run.messages.copyDue[i] >= 0 ? [false, true] : [false]) {
      const path = painter.path(i, copy);
      if (!path || Math.min(path.x1, path.x2) > x + 6 || Math.max(path.x1, path.x2) < x - 6) continue;
      const distance = toSegment(x, y, path);
      if (distance < least) { least = distance; best = { message: i }; }
    }
  }
  return best;
}

function toSegment(x, y, { x1, y1, x2, y2 }) {
  const dx = x2 - x1, dy = y2 - y1, square = dx * dx + dy * dy;
  const part = square ? Math.max(0, Math.min(1, ((x - x1) * dx + (y - y1) * dy) / square)) : 0;
  return Math.hypot(x - x1 - part * dx, y - y1 - part * dy);
}

/** A message in words, for the tooltip and the panel. */
function messageLines(run, i) {
  const { messages } = run, kind = run.kinds[messages.kind[i]];
  const lines = [[`#${messages.id[i]} ${kind}`, `${laneName(run, messages.from[i])} → ${laneName(run, messages.to[i])}, ${messages.size[i]} bytes`]];
  if (messages.words(i)) lines.push(['says', messages.words(i)]);
  const sentAt = run.at[messages.sent[i]];
  const arrived = (record, damaged) => (record < 0 ? null : `after ${span(run.at[record] - sentAt)}${damaged ? ', damaged' : ''}`);
  const first = arrived(messages.received[i], messages.damaged[i] & 1), second = arrived(messages.copyReceived[i], messages.damaged[i] & 2);
  const late = messages.due[i] - sentAt > run.head.latencyMax && run.head.latencyMax > 0 ? ' (late)' : '';
  if (first) lines.push(['arrived', first + (messages.fate(i).includes('held') ? ', held back' : late)]);
  if (second) lines.push(['again', second]);
  if (messages.stopped[i] >= 0) lines.push(['stopped', brief(run.text(messages.stopped[i])).replace(/^stopped #\d+: /, '')]);
  else if (messages.due[i] < 0) lines.push(['fate', messages.fate(i)]);
  else if (!first) lines.push(['fate', 'still on its way when the run ended, or waiting for its receiver']);
  return lines;
}
