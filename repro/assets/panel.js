// What stands beside the diagram: the selected event in full, the nodes' state after it, and the list of all events.

const ROW = 21; // The height of a row of the list, in pixels.

function fillPanel(run, panel, view, select) {
  const k = view.selected;
  panel.replaceChildren();
  if (k < 0) return;
  const record = run.moments[k], lane = run.lane[record], members = Array.from(run.members.of(k));
  const last = members[members.length - 1];
  const life = run.life[record] ? `, life ${run.life[record]}` : '';
  panel.append(element('h2', {}, `${laneName(run, lane)}${life}`, element('small', {}, `event ${run.leftOut + record + 1} at ${clock(run.at[record])}`)));
  const broke = run.head.broken;
  if (broke && (run.broke >= 0 ? run.momentOf[run.broke] === k : run.code(record) === 'verdict')) {
    panel.append(element('p', { class: 'alarm' }, element('b', {}, broke.invariant), ` ${broke.what}`));
  }
  const lines = element('ul', { class: 'records' });
  for (const member of members) {
    lines.append(element('li', { class: member === record ? 'head' : '' }, brief(run.text(member))));
  }
  panel.append(lines);

  const clocks = run.clocks.get(record);
  if (clocks) {
    panel.append(element('p', { class: 'soft' }, `its clocks: monotonic ${clock(clocks.monotonic)}, wall ${signed(clocks.wall)} from true time`));
  }
  if (run.images.has(record)) panel.append(imageTable(run.images.get(record)));

  const messages = new Set();
  if (run.arrival[record] >= 0) messages.add(run.arrival[record]);
  for (const member of members) for (const i of run.sentIn.of(member)) messages.add(i);
  if (view.selectedMessage >= 0) messages.add(view.selectedMessage);
  for (const i of messages) panel.append(messageBlock(run, i, record, select, view.selectedMessage === i));

  panel.append(...[stateTable(run, view, last), links(run, 'Causes', causes(run, members), select),
    links(run, 'Effects', effects(run, members), select)].filter(Boolean));
}

/** Other moments that this one rests on, and why; messages first. */
function causes(run, members) {
  return related(run, members, run.causesOf, run.edges.from);
}

function effects(run, members) {
  return related(run, members, run.effectsOf, run.edges.to);
}

function related(run, members, edges, ends) {
  const found = new Map(), here = run.momentOf[members[0]];
  for (const member of members) {
    for (const edge of edges.of(member)) {
      const k = run.momentOf[ends[edge]];
      if (k !== here && !(found.get(k) > 0)) found.set(k, run.edges.why[edge]);
    }
  }
  return [...found].sort((a, b) => (b[1] === MESSAGE) - (a[1] === MESSAGE) || a[1] - b[1] || a[0] - b[0]);
}

function links(run, title, found, select) {
  if (!found.length) return null;
  const list = element('ul', { class: 'links' });
  for (const [k, why] of found.slice(0, 8)) {
    const record = run.moments[k];
    const button = element('button', { type: 'button' }, element('b', {}, laneName(run, run.lane[record])), ` ${momentLine(run, k)} `, element('small', {}, WHY[why]));
    button.onclick = () => select(k);
    list.append(element('li', {}, button));
  }
  if (found.length > 8) list.append(element('li', { class: 'soft' }, `and ${found.length - 8} more`));
  return element('div', {}, element('h3', {}, title), list);
}

function messageBlock(run, i, record, select, chosen) {
  const [[title, way], ...rest] = messageLines(run, i);
  const block = element('div', { class: chosen ? 'message chosen' : 'message' });
  const { sent, received } = run.messages;
  const other = sent[i] === record || run.momentOf[sent[i]] === run.momentOf[record] ? received[i] : sent[i];
  block.append(element('b', {}, title), ` ${way} `);
  if (other >= 0) {
    const button = element('button', { type: 'button', class: 'small' }, other === sent[i] ? '← its send' : 'its arrival →');
    button.onclick = () => select(run.momentOf[other]);
    block.append(button);
  }
  for (const [name, value] of rest) block.append(element('div', {}, element('i', {}, name), ` ${value}`));
  return block;
}

function imageTable(image) {
  const list = element('ul', { class: 'records' });
  for (const write of image.writes) {
    list.append(element('li', {}, `${write.op} step ${write.step} at ${write.at}: kept ${write.kept} of ${write.units} `, element('code', {}, write.map)));
  }
  return element('div', {}, element('h3', {}, `What device ${image.device} kept`), image.writes.length ? list : element('p', { class: 'soft' }, 'everything was durable'));
}

/** A row for each node: what its observations told up to here. */
function stateTable(run, view, record) {
  const states = view.states = stateAt(run, record);
  const columns = [['role', 'role', (s) => roleLine(s)]];
  for (const key of ['promised', 'accepted', 'decided', 'applied']) {
    if (states.some((state) => state.kept[key] >= 0)) {
      columns.push([key, key, (s) => (s.kept[key] >= 0 ? (key === 'promised' ? ballotName(s.kept[key]) : String(s.kept[key])) : '')]);
    }
  }
  const raw = [...new Set(states.flatMap((state) => Object.keys(state.raw)))].sort();
  for (const key of raw.slice(0, 4)) columns.push([key, key, (s) => s.raw[key] ?? '']);
  if (states.some((state) => state.wall)) columns.push(['clock', 'wall clock against true time', (s) => (s.wall === undefined ? '' : signed(s.wall))]);
  const head = element('tr', {}, element('th', { scope: 'col' }, 'node'), ...columns.map(([name, title]) => element('th', { scope: 'col', title }, name)));
  const table = element('table', {}, element('thead', {}, head));
  const body = element('tbody');
  states.forEach((state, node) => {
    const row = element('tr', { class: node === run.lane[record] ? 'here' : '' }, element('th', { scope: 'row' }, `n${node}`));
    for (const [, , tell] of columns) row.append(element('td', {}, tell(state)));
    body.append(row);
  });
  table.append(body);
  return element('div', { class: 'state' }, element('h3', {}, 'Nodes after this event, as far as observations tell'), table);
}

/** The list of what is shown, of which only the rows in view exist. */
class List {
  constructor(run, root, rows, select) {
    Object.assign(this, { run, root, rows, select });
    root.addEventListener('scroll', () => this.fill());
  }

  fill() {
    const { run, root, rows, view } = this;
    if (!view) return;
    const { visible } = view.filter;
    rows.style.height = `${visible.length * ROW}px`;
    const first = Math.max(0, Math.floor(root.scrollTop / ROW) - 4), last = Math.min(visible.length, first + Math.ceil(root.clientHeight / ROW) + 8);
    const found = new Set(view.filter.found);
    const made = [];
    for (let place = first; place < last; place++) {
      const k = visible[place], record = run.moments[k], broke = run.broke >= 0 && run.momentOf[run.broke] === k;
      const outside = view.past && view.past[record] > view.hops && view.past[run.members.of(k).at(-1)] > view.hops;
      const row = element('div', {
        id: `row-${k}`, role: 'option', 'aria-selected': String(k === view.selected), 'aria-setsize': visible.length, 'aria-posinset': place + 1,
        class: `row${k === view.selected ? ' selected' : ''}${broke ? ' broke' : ''}${found.has(k) ? ' found' : ''}${outside ? ' outside' : ''}`,
      }, element('span', { class: 'time' }, clock(run.at[record], 1e3)), element('b', {}, laneName(run, run.lane[record])), element('span', {}, momentLine(run, k)));
      row.style.top = `${place * ROW}px`;
      row.onclick = () => this.select(k);
      made.push(row);
    }
    rows.replaceChildren(...made);
    const chosen = document.getElementById(`row-${view.selected}`);
    if (chosen) root.setAttribute('aria-activedescendant', chosen.id); else root.removeAttribute('aria-activedescendant');
  }

  /** Brings the selected row into view. */
  follow(view) {
    this.view = view;
    const { visible } = view.filter;
    this.rows.style.height = `${visible.length * ROW}px`;
    let low = 0, high = visible.length;
    while (low < high) { const mid = (low + high) >> 1; if (visible[mid] < view.selected) low = mid + 1; else high = mid; }
    const top = low * ROW, { scrollTop, clientHeight } = this.root;
    if (top < scrollTop + ROW || top > scrollTop + clientHeight - 2 * ROW) this.root.scrollTop = top - clientHeight / 2;
    this.fill();
  }
}
