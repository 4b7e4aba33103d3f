// Where lanes and fault bars lie, from top to bottom: axis, faults, clients, nodes.

const AXIS = 24, FAULT_ROW = 17, MOST_FAULT_ROWS = 4;

/** Packs faults that last, and those that strike at once, into rows. */
function packFaults(run, scale, height) {
  const rows = [];
  for (const fault of run.faults) {
    const from = scale.placeOfTime(fault.at), to = scale.placeOfTime(fault.end ?? fault.at);
    // A label needs room even where the fault has none.
    const end = Math.max(to, from + Math.min(260, 24 + 5.8 * faultLabel(fault).length) / scale.zoom);
    let row = rows.findIndex((free) => free <= from);
    if (row < 0 && rows.length < MOST_FAULT_ROWS) { row = rows.length; rows.push(0); }
    if (row < 0) row = rows.indexOf(Math.min(...rows));
    rows[row] = end;
    fault.row = row;
  }
  return Math.min(rows.length, height);
}

function faultLabel(fault) {
  const named = fault.target === null || fault.text.includes(`n${fault.target}`);
  return fault.text + (named ? '' : ` (n${fault.target})`);
}

function layLanes(run, filter, scale, room) {
  const rows = packFaults(run, scale, MOST_FAULT_ROWS);
  const top = AXIS + (rows ? rows * FAULT_ROW + 6 : 0);
  const lanes = [];
  // Where only a causal past is shown, lanes that have no part in it shrink too.
  const hidden = (lane) => filter.lanes.has(lane) || (filter.past !== null && !filter.busy.has(lane));
  let weight = 0, shrunk = 0;
  for (let lane = 0; lane < run.lanes; lane++) {
    if (hidden(lane)) shrunk++; else weight += lane < run.nodes ? 1 : 0.42;
  }
  const unit = Math.max(58, Math.min(200, (room - top - 8 - 14 * shrunk) / Math.max(weight, 1)));
  let y = top;
  const order = [];
  for (let lane = run.nodes; lane < run.lanes; lane++) order.push(lane);
  for (let lane = 0; lane < run.nodes; lane++) order.push(lane);
  for (const lane of order) {
    const height = hidden(lane) ? 14 : Math.round(unit * (lane < run.nodes ? 1 : 0.42));
    const isNode = lane < run.nodes;
    lanes[lane] = { y, height, middle: y + Math.round(height * (isNode ? 0.52 : 0.5)), hidden: hidden(lane), isNode };
    y += height;
  }
  return { lanes, order, top, rows, bottom: y, height: y + 8 };
}

/** The lanes' names, as buttons that hide and show them. */
function fillGutter(gutter, run, layout, filter, states, onToggle) {
  const wanted = layout.order.length;
  while (gutter.children.length > wanted) gutter.lastChild.remove();
  layout.order.forEach((lane, place) => {
    let button = gutter.children[place];
    if (!button) {
      button = element('button', { type: 'button', class: 'lane' }, element('b'), element('span'));
      gutter.append(button);
    }
    const { y, height, hidden, isNode } = layout.lanes[lane];
    button.style.top = `${y}px`;
    button.style.height = `${height - 2}px`;
    button.dataset.lane = lane;
    button.classList.toggle('node', isNode);
    button.setAttribute('aria-pressed', String(!filter.lanes.has(lane)));
    button.classList.toggle('small', hidden);
    button.title = `${isNode ? 'Node' : 'Client'} ${laneName(run, lane)}: hide or show`;
    button.firstChild.textContent = laneName(run, lane);
    const state = states?.[lane];
    button.lastChild.textContent = !hidden && state ? roleLine(state) : '';
    button.onclick = () => onToggle(lane);
  });
}

function roleLine(state) {
  const ballot = state.ballot === undefined || state.ballot < 0 ? '' : ` ${ballotName(state.ballot)}`;
  return state.role + ballot;
}
