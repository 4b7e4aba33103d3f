// Names and numbers as people read them.

function laneName(run, lane) {
  if (lane < 0) return 'world';
  return lane < run.nodes ? `n${lane}` : `c${lane - run.nodes}`;
}

/** A length of time in nanoseconds with a fitting unit. */
function span(nanos) {
  const size = Math.abs(nanos);
  const of = (unit, name) => `${+(nanos / unit).toPrecision(4)} ${name}`;
  if (size >= 1e9) return of(1e9, 's');
  if (size >= 1e6) return of(1e6, 'ms');
  if (size >= 1e3) return of(1e3, 'µs');
  return `${nanos} ns`;
}

function signed(nanos) {
  return (nanos > 0 ? '+' : nanos < 0 ? '−' : '±') + span(Math.abs(nanos));
}

/** A point in time with as many digits as tell it from its neighbours at `resolution` nanoseconds. */
function clock(nanos, resolution = 1) {
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(resolution / 1e9))));
  return `${(nanos / 1e9).toFixed(digits)} s`;
}

/** docs/trace.md: a ballot is its round times 256 plus its node. */
function ballotName(ballot) {
  return `${Math.floor(ballot / 256)}.${ballot % 256}`;
}

const WHY = ['before it, same process', 'message', 'storage', 'former life', 'fault', 'connection broke', 'judged'];

/** What a step says, without the column that its kind stands in. */
function brief(text) {
  return text.trim().replace(/\s{2,}/g, ' ');
}

/** A moment in one line. */
function momentLine(run, moment) {
  const record = run.moments[moment];
  let line = brief(run.text(record));
  const observed = [];
  for (const member of run.members.of(moment)) {
    if (run.stepOf.has(member)) observed.push(brief(run.text(member)).replace(/^observe /, ''));
  }
  if (observed.length) line += ` → ${observed.join('; ')}`;
  return line;
}

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'class') made.className = value;
    else if (key in made && !key.startsWith('aria')) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
