// Puts the parts together: what is selected, what is in view, keys, pointer and play.

const KEYS = [
  ['← →', 'event before, event after'], ['Shift ← →', 'the same on this lane'], ['↑ ↓', 'to its cause, to its effect (a message first)'],
  ['Home End', 'first, last'], ['Space', 'play, pause'], ['v', 'where the invariant broke'], ['c', 'causal past of the selected event'], ['o', 'only the causal past'],
  ['[ ]', 'fewer, more hops of the causal past'], ['+ −', 'zoom in, zoom out'], ['a d', 'pan left, right'], ['0', 'whole run'],
  ['m', 'axis: folded time, true time, even steps'], ['/', 'find'], ['n N', 'next, previous found'], ['s', 'slot'], ['f', 'filter'],
  ['k', 'clocks on, off'], ['t', 'light, dark'], ['?', 'these keys'], ['pointer', 'wheel zooms, drag pans, click selects'],
];

const LONG = 240; // So many events are too many to be looked at all.

const id = (name) => document.getElementById(name);

class Page {
  constructor(run) {
    this.run = run;
    this.scale = new Scale(run);
    this.filter = newFilter(run);
    const painter = this.painter = new Painter(run, id('canvas'));
    this.minimap = new Minimap(run, id('minimap'));
    this.view = {
      scale: this.scale, filter: this.filter, layout: null, selected: -1, selectedMessage: -1, past: null, hops: 126,
      dark: matchMedia('(prefers-color-scheme: dark)').matches, showClocks: painter.skews.some((skew) => skew.most > skew.least),
    };
    this.list = new List(run, id('list'), id('rows'), (k) => this.select(k));
    this.anchor = -1;
    this.heading();
    this.filters();
    this.buttons();
    this.pointer();
    document.addEventListener('keydown', (event) => this.key(event));
    new ResizeObserver(() => this.resized()).observe(id('plot'));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) => this.theme(event.matches));
    this.theme(this.view.dark);
    this.refilter(true);
    this.begin();
    this.asked();
  }

  /** The first look: the end of a run that broke, the whole of one that held. */
  begin() {
    const { run, scale, filter } = this;
    this.resized();
    scale.fit();
    if (run.head.broken) {
      this.violation();
      if (run.broke >= 0) this.togglePast();
      // A long run is cut down to what led to it; a short one is shown whole.
      if (run.broke >= 0 && filter.visible.length > LONG) { this.hops(3); this.only(true); }
      // So many moments that each has some room.
      const count = Math.max(20, Math.floor(scale.width / 13));
      const at = filter.visible.indexOf(this.view.selected), first = filter.visible[Math.max(0, at - count)];
      if (at > count) scale.frame(scale.places[first], scale.places[this.view.selected] + (scale.places[this.view.selected] - scale.places[first]) * 0.08);
    } else {
      this.select(filter.visible[0] ?? -1);
    }
    this.paint();
  }

  /** What the address asks for behind its `#`: `event=124&axis=time&theme=dark&moments=80&find=accept&slot=7`. */
  asked() {
    const asked = new URLSearchParams(location.hash.slice(1)), { run, scale, filter } = this;
    if (asked.has('theme')) this.theme(asked.get('theme') === 'dark');
    if (asked.has('axis')) this.mode(asked.get('axis'));
    for (const [name, field] of [['find', 'search'], ['slot', 'slot']]) {
      if (asked.has(name)) { id(field).value = asked.get(name); id(field).oninput(); }
    }
    const record = Number(asked.get('event')) - run.leftOut - 1;
    if (record >= 0 && record < run.n) this.select(run.momentOf[record]);
    if (asked.has('past')) this.hops(Number(asked.get('past')) || 126);
    if (asked.has('only')) this.only(true);
    if (asked.has('moments') && this.view.selected >= 0) {
      const at = Math.max(0, filter.visible.findIndex((k) => k >= this.view.selected)), half = Number(asked.get('moments')) / 2;
      const place = (n) => scale.places[filter.visible[Math.round(Math.max(0, Math.min(filter.visible.length - 1, n)))]];
      scale.frame(place(at - half), place(at + half));
    }
    if (asked.has('fit')) scale.fit();
    this.paint();
  }

  heading() {
    const { head } = this.run;
    document.title = `${head.scenario} ${head.seed} · ${head.program} show`;
    id('title').textContent = `${head.scenario}, seed ${head.seed}`;
    id('title').title = `${head.about}. ${head.events} events, trace ${head.hash}, ${head.program} ${head.version}, commit ${head.commit}`;
    const verdict = id('verdict'), broken = head.broken;
    verdict.className = broken ? 'broken' : 'held';
    verdict.replaceChildren(element('b', {}, broken ? `BROKEN ${broken.invariant}` : 'HELD'),
      ` ${broken ? broken.what : `${head.events.toLocaleString('en')} events, ${clock(this.run.end, 1e6)} simulated`}`);
    if (this.run.leftOut) verdict.append(` (the first ${this.run.leftOut} events are left out)`);
    id('broke').hidden = !broken;
    id('help').append(element('h2', {}, 'Keys'), element('dl', {}, ...KEYS.flatMap(([key, what]) => [element('dt', {}, key), element('dd', {}, what)])),
      element('button', { type: 'button', onclick: () => this.help(false) }, 'Close'));
  }

  filters() {
    const { run, filter } = this, body = id('filter-body');
    const box = (label, set, value, colour) => {
      const input = element('input', { type: 'checkbox', checked: !set.has(value) });
      input.onchange = () => { if (input.checked) set.delete(value); else set.add(value); this.refilter(); };
      const swatch = colour === undefined ? null : element('i', { class: 'swatch', 'data-kind': colour });
      return element('label', {}, input, swatch, ` ${label}`);
    };
    const group = (title, ...boxes) => element('fieldset', {}, element('legend', {}, title), ...boxes);
    const counts = new Uint32Array(run.kinds.length);
    for (const kind of run.messages.kind) counts[kind]++;
    const lanes = Array.from({ length: run.lanes }, (_, lane) => box(laneName(run, lane), filter.lanes, lane));
    body.append(
      group('Messages', ...run.kinds.map((name, kind) => box(`${name} (${counts[kind]})`, filter.kinds, kind, kind))),
      group('Events', ...CLASSES.map(([name, label]) => box(label, filter.classes, name))),
      group('Lanes', ...lanes),
    );
    this.syncFilters = () => lanes.forEach((label, lane) => { label.firstChild.checked = !filter.lanes.has(lane); });
  }

  legend() {
    const { run } = this, colours = this.view.dark ? DARK : LIGHT, styles = kindStyles(run, colours);
    const sample = (inner) => {
      const holder = element('span', { class: 'sample' });
      holder.innerHTML = `<svg viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">${inner}</svg>`;
      return holder;
    };
    const line = (colour, extra = '', x = 28) => `<line x1="2" y1="6" x2="${x}" y2="6" stroke="${colour}" ${extra}/>`;
    const cross = `<path d="M15 2l8 8M23 2l-8 8" stroke="${colours.alarm}" stroke-width="2"/>`;
    const items = run.kinds.map((name, kind) => [line(styles[kind].colour, `stroke-width="${styles[kind].wide + 0.5}"`), name]);
    const grey = colours.soft;
    items.push([line(grey, 'stroke-dasharray="5 3"', 18) + cross, 'lost or starved, node down'],
      [line(grey, 'stroke-dasharray="5 3"', 18) + `<line x1="19" y1="1" x2="19" y2="11" stroke="${colours.alarm}" stroke-width="2.5"/>`, 'cut'],
      [line(grey, 'stroke-dasharray="5 3"') , 'second copy'],
      [line(grey) + `<path d="M8 9L13 2L17 10L22 3" fill="none" stroke="${colours.alarm}" stroke-width="2"/>`, 'damaged'],
      [`<rect x="2" y="4" width="12" height="4" fill="${colours.kept}"/><rect x="17.5" y="4.5" width="11" height="3" fill="none" stroke="${colours.kept}"/>`, 'write: durable, only visible'],
      [`<path d="M10 10L10 4L13 7L15 2L17 7L20 4L20 10Z" fill="${colours.hues[0]}"/>`, 'becomes leader'],
      [`<path d="M15 2L19 6L15 10L11 6Z" fill="${colours.select}"/>`, 'decides'],
      [`<circle cx="15" cy="6" r="3.4" fill="none" stroke="${colours.ink}"/>`, 'timer'],
      [`<path d="M12 1L19 6L12 11Z" fill="${colours.kept}"/>`, 'start'],
      [cross, 'crash'],
      [`<rect x="3" y="1" width="24" height="10" fill="${colours.down}" opacity=".35"/>`, 'down'],
      [`<rect x="3" y="1" width="24" height="10" fill="${colours.pause}" opacity=".35"/>`, 'paused, other faults'],
      [line(colours.skew, 'stroke-dasharray="3 2"'), 'wall clock against true time']);
    id('legend').replaceChildren(...items.map(([drawing, words]) => element('span', { class: 'entry' }, sample(drawing), words)));
    for (const swatch of document.querySelectorAll('.swatch')) swatch.style.background = styles[Number(swatch.getAttribute('data-kind'))].colour;
  }

  buttons() {
    const on = (name, action) => { id(name).onclick = action; };
    on('first', () => this.step('first')); on('back', () => this.step(-1)); on('next', () => this.step(1)); on('last', () => this.step('last'));
    on('play', () => this.play()); on('zoom-in', () => this.zoom(1.5)); on('zoom-out', () => this.zoom(1 / 1.5));
    on('fit', () => { this.scale.fit(); this.paint(); });
    on('broke', () => this.violation()); on('past', () => this.togglePast()); on('only', () => this.only()); on('theme', () => this.theme(!this.view.dark));
    on('help-button', () => this.help());
    id('mode').onchange = () => this.mode(id('mode').value);
    id('hops').value = '126';
    id('hops').onchange = () => this.hops(Number(id('hops').value));
    id('search').oninput = () => { this.filter.text = id('search').value; search(this.run, this.filter); this.told(); this.paint(); };
    id('slot').oninput = () => {
      const wanted = id('slot').value, slots = parseSlots(wanted);
      id('slot').setAttribute('aria-invalid', String(Boolean(wanted.trim()) && !slots));
      this.filter.slot = slots;
      this.refilter();
    };
    for (const name of ['search', 'slot']) {
      id(name).onkeydown = (event) => {
        if (event.key === 'Enter') { event.preventDefault(); if (name === 'search') this.find(event.shiftKey ? -1 : 1); id('stage').focus(); }
        if (event.key === 'Escape') { id(name).value = ''; id(name).oninput(); id('stage').focus(); }
        event.stopPropagation();
      };
    }
  }

  pointer() {
    const stage = id('stage'), canvas = id('canvas'), tip = id('tip'), map = id('minimap');
    let drag = null;
    const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    stage.addEventListener('wheel', (event) => {
      event.preventDefault();
      const [x] = place(event);
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan((event.deltaX || event.deltaY));
      else { this.scale.zoomAt(x, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018))); this.paint(); }
    }, { passive: false });
    stage.addEventListener('pointerdown', (event) => {
      drag = { x: event.clientX, left: this.scale.left, moved: false };
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener('pointermove', (event) => {
      if (drag) {
        const by = event.clientX - drag.x;
        drag.moved ||= Math.abs(by) > 3;
        if (drag.moved) { tip.hidden = true; this.scale.left = drag.left - by / this.scale.zoom; this.scale.clamp(); this.paint(); }
        return;
      }
      this.hover(pick(this.run, this.painter, this.view, ...place(event)), event.clientX, event.clientY);
    });
    stage.addEventListener('pointerup', (event) => {
      if (drag && !drag.moved) {
        const hit = pick(this.run, this.painter, this.view, ...place(event));
        if (hit?.moment !== undefined) this.select(hit.moment);
        else if (hit) this.selectMessage(hit.message);
      }
      drag = null;
    });
    stage.addEventListener('pointerleave', () => { tip.hidden = true; });
    const jump = (event) => {
      const box = map.getBoundingClientRect();
      this.scale.centre(this.minimap.placeAt(event.clientX - box.left));
      this.paint();
    };
    map.addEventListener('pointerdown', (event) => { map.setPointerCapture(event.pointerId); jump(event); });
    map.addEventListener('pointermove', (event) => { if (event.buttons) jump(event); });
  }

  hover(hit, x, y) {
    const tip = id('tip'), { run } = this;
    tip.hidden = !hit;
    id('stage').style.cursor = hit ? 'pointer' : '';
    if (!hit) return;
    tip.replaceChildren();
    if (hit.message !== undefined) {
      for (const [name, value] of messageLines(run, hit.message)) tip.append(element('div', {}, element('b', {}, name), ` ${value}`));
    } else {
      const record = run.moments[hit.moment], members = run.members.of(hit.moment);
      tip.append(element('div', {}, element('b', {}, laneName(run, run.lane[record])), ` ${clock(run.at[record])}`));
      for (const member of Array.from(members).slice(0, 9)) tip.append(element('div', {}, brief(run.text(member)).slice(0, 160)));
      const state = run.lane[record] < run.nodes && stateAt(run, members[members.length - 1])[run.lane[record]];
      if (state) {
        const kept = Object.entries(state.kept).filter(([, value]) => value >= 0)
          .map(([key, value]) => `${key} ${key === 'promised' ? ballotName(value) : value}`);
        const raw = Object.entries(state.raw).slice(0, 4).map(([key, value]) => `${key} ${value}`);
        tip.append(element('div', { class: 'soft' }, `then: ${[roleLine(state), ...kept, ...raw].join(', ')}`));
      }
    }
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18}px`;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target, typing = target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type !== 'checkbox');
    if (typing || id('help').open) { if (event.key === 'Escape') this.help(false); return; }
    const onButton = target instanceof HTMLButtonElement || target instanceof HTMLInputElement || target.tagName === 'SUMMARY';
    const act = {
      ArrowRight: () => this.step(1, event.shiftKey), ArrowLeft: () => this.step(-1, event.shiftKey),
      ArrowUp: () => this.along(-1), ArrowDown: () => this.along(1), Home: () => this.step('first'), End: () => this.step('last'),
      '+': () => this.zoom(1.5), '=': () => this.zoom(1.5), '-': () => this.zoom(1 / 1.5), 0: () => { this.scale.fit(); this.paint(); },
      a: () => this.pan(-120), d: () => this.pan(120), v: () => this.violation(), c: () => this.togglePast(), o: () => this.only(),
      '[': () => this.hops(this.nextHops(-1)), ']': () => this.hops(this.nextHops(1)), m: () => this.mode(),
      '/': () => id('search').focus(), s: () => id('slot').focus(), f: () => { id('filters').open = !id('filters').open; if (id('filters').open) id('filters').querySelector('input').focus(); },
      n: () => this.find(1), N: () => this.find(-1), t: () => this.theme(!this.view.dark), '?': () => this.help(),
      k: () => { this.view.showClocks = !this.view.showClocks; this.paint(); },
      Escape: () => { id('filters').open = false; id('stage').focus(); },
    }[event.key] ?? (event.key === ' ' && !onButton ? () => this.play() : null);
    if (!act) return;
    event.preventDefault();
    act();
  }

  help(open = !id('help').open) {
    if (open) id('help').showModal(); else id('help').close();
    id('help-button').setAttribute('aria-expanded', String(open));
  }

  theme(dark) {
    this.view.dark = dark;
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    this.legend();
    this.paint();
  }

  mode(name) {
    const all = ['folded', 'time', 'even'];
    this.scale.mode = name ?? all[(all.indexOf(this.scale.mode) + 1) % all.length];
    id('mode').value = this.scale.mode;
    this.refilter();
    this.scale.fit();
    if (this.view.selected >= 0) {
      const room = this.filter.visible.length / Math.max(20, this.scale.width / 13);
      if (room > 1) { this.scale.zoom *= room; this.scale.clamp(); this.scale.centre(this.scale.places[this.view.selected]); }
    }
    this.paint();
  }

  /** Filters anew and keeps what is selected where it was on the screen. */
  refilter(first = false) {
    const { scale, view } = this, k = view.selected;
    const before = k >= 0 ? scale.xOfMoment(k) : 0;
    applyFilter(this.run, this.filter);
    scale.lay(this.filter.shown);
    if (!first) {
      if (k >= 0) scale.left = scale.places[k] - before / scale.zoom;
      scale.clamp();
      this.syncFilters();
    }
    const hidden = this.filter.lanes.size + this.filter.kinds.size + this.filter.classes.size + (this.filter.slot ? 1 : 0) - (this.filter.classes.has('burst') ? 1 : 0);
    id('filtered').textContent = hidden ? ` (${hidden})` : '';
    const bursts = this.filter.classes.has('burst') ? this.filter.empty : 0;
    const all = this.run.moments.length - bursts, shown = this.filter.visible.length;
    id('shown').textContent = shown < all ? `${shown.toLocaleString('en')} of ${all.toLocaleString('en')} shown` : '';
    this.told();
    this.resized();
  }

  told() {
    const { found, text } = this.filter;
    id('found').textContent = text.trim() ? `${found.length.toLocaleString('en')} found` : '';
  }

  resized() {
    const stage = id('stage'), plot = id('plot');
    if (!this.view.layout && !stage.clientWidth) return;
    const whole = Math.abs(this.scale.zoom - this.scale.minimum) < 1e-12;
    this.scale.width = Math.max(100, stage.clientWidth);
    this.room = plot.clientHeight;
    if (whole) this.scale.fit(); else this.scale.clamp();
    this.paint();
  }

  paint() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.paintNow(); });
  }

  paintNow() {
    const { run, view, scale, filter } = this;
    view.layout = layLanes(run, filter, scale, this.room || 400);
    id('gutter').style.height = `${view.layout.height}px`;
    this.painter.draw(view);
    fillGutter(id('gutter'), run, view.layout, filter, view.states, (lane) => {
      if (filter.lanes.has(lane)) filter.lanes.delete(lane); else filter.lanes.add(lane);
      this.refilter();
    });
    this.minimap.draw(view, this.painter);
    this.list.view = view;
    this.list.fill();
  }

  select(k, quiet = false) {
    const { run, view, scale } = this;
    if (k < 0 || k >= run.moments.length) return;
    view.selected = k;
    if (!quiet) view.selectedMessage = -1;
    fillPanel(run, id('panel'), view, (other) => this.select(other));
    const x = scale.xOfMoment(k), edge = Math.min(120, scale.width / 5);
    if (x < edge || x > scale.width - edge) scale.centre(scale.places[k]);
    this.list.follow(view);
    const record = run.moments[k];
    id('live').textContent = `${laneName(run, run.lane[record])}, ${clock(run.at[record], 1e3)}: ${momentLine(run, k)}`;
    this.paint();
  }

  selectMessage(i) {
    const { messages } = this.run, at = messages.received[i] >= 0 ? messages.received[i] : messages.sent[i];
    this.view.selectedMessage = i;
    this.select(this.run.momentOf[at], true);
  }

  /** To the next moment that is shown, on the same lane if asked; returns whether there was one. */
  step(by, onLane = false) {
    const { visible } = this.filter, { run, view } = this;
    if (!visible.length) return false;
    if (by === 'first') { this.select(visible[0]); return true; }
    if (by === 'last') { this.select(visible[visible.length - 1]); return true; }
    const lane = view.selected < 0 ? -1 : run.lane[run.moments[view.selected]];
    for (let k = view.selected + by; k >= 0 && k < run.moments.length; k += by) {
      if (this.filter.shown[k] && (!onLane || run.lane[run.moments[k]] === lane)) { this.select(k); return true; }
    }
    return false;
  }

  /** Along a cause or an effect: a message if there is one. */
  along(by) {
    const { run, view } = this;
    if (view.selected < 0) return;
    const members = Array.from(run.members.of(view.selected));
    const found = (by < 0 ? causes : effects)(run, members);
    if (found.length) this.select(found[0][0]);
  }

  find(by) {
    const { found } = this.filter, { selected } = this.view;
    if (!found.length) return;
    const next = by > 0 ? found.find((k) => k > selected) ?? found[0] : found.findLast((k) => k < selected) ?? found[found.length - 1];
    this.select(next);
  }

  violation() {
    const { run } = this;
    if (run.head.broken) this.select(run.momentOf[run.broke >= 0 ? run.broke : run.n - 1]);
  }

  /** Pins the causal past of what is selected; a second time lets it go. */
  togglePast() {
    const { run, view } = this, k = view.selected;
    const members = k < 0 ? [] : run.members.of(k), breaks = run.broke >= 0 && run.momentOf[run.broke] === k;
    const anchor = breaks ? run.broke : members[members.length - 1] ?? -1;
    this.pin(anchor === this.anchor ? -1 : anchor);
  }

  pin(anchor) {
    const { run, view } = this;
    this.anchor = anchor;
    view.past = anchor >= 0 ? pastOf(run, anchor) : null;
    id('past').setAttribute('aria-pressed', String(anchor >= 0));
    id('past').textContent = anchor >= 0 ? `Causal past of ${run.leftOut + run.headOf[anchor] + 1}` : 'Causal past';
    if (anchor < 0) this.only(false); else if (this.filter.past) this.only(true); else this.paint();
  }

  /** Hides whatever is not in the causal past, which folds the axis to what matters. */
  only(on = !this.filter.past) {
    if (on && this.anchor < 0) this.togglePast();
    const past = on ? this.view.past : null;
    id('only').setAttribute('aria-pressed', String(Boolean(past)));
    if (!past && !this.filter.past) { this.paint(); return; }
    this.filter.past = past;
    this.filter.hops = this.view.hops;
    this.refilter();
    this.list.follow(this.view);
  }

  nextHops(by) {
    const all = Array.from(id('hops').options, (option) => Number(option.value));
    return all[Math.max(0, Math.min(all.length - 1, all.indexOf(this.view.hops) + by))];
  }

  hops(hops) {
    this.view.hops = hops;
    id('hops').value = String(hops);
    if (this.anchor < 0) this.togglePast();
    if (this.filter.past) this.only(true); else this.paint();
  }

  zoom(factor) {
    const { scale, view } = this;
    const x = view.selected >= 0 ? scale.xOfMoment(view.selected) : scale.width / 2;
    scale.zoomAt(x >= 0 && x <= scale.width ? x : scale.width / 2, factor);
    this.paint();
  }

  pan(pixels) {
    this.scale.left += pixels / this.scale.zoom;
    this.scale.clamp();
    this.paint();
  }

  play() {
    const on = !this.playing, button = id('play');
    button.setAttribute('aria-pressed', String(on));
    button.textContent = on ? '⏸ Pause' : '▶ Play';
    clearTimeout(this.playing);
    this.playing = 0;
    if (!on) return;
    const tick = () => {
      if (!this.step(1)) { this.play(); return; }
      this.playing = setTimeout(tick, 1000 / Number(id('speed').value));
    };
    this.playing = setTimeout(tick, 0);
  }
}

async function open() {
  const begun = performance.now();
  const run = unpack(JSON.parse(await inflate(id('data').textContent)));
  const page = new Page(run);
  page.resized();
  page.paintNow();
  page.loaded = performance.now();
  page.unpacked = performance.now() - begun;
  window.seedfast = page;
  document.documentElement.dataset.ready = 'yes';
}

open().catch((error) => {
  const trouble = id('trouble');
  trouble.hidden = false;
  trouble.textContent = `This picture cannot be shown: ${error.message}`;
  console.error(error);
});
