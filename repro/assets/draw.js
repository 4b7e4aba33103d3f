// The diagram itself, on one canvas. Far out, what falls onto the same pixels is drawn once; close by, everything has
// its glyph and, where there is room, its words.

const DENSE = 2400; // So many arrows in view lose their heads.

class Painter extends Ground {
  constructor(run, canvas) {
    super();
    this.run = run;
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.offices = officesOf(run);
    this.lives = livesOf(run);
    this.writes = writesOf(run);
    this.skews = skewsOf(run);
    this.drawn = { arrows: 0, moments: 0, lanes: 0 };
  }

  draw(view) {
    const { context: c, canvas } = this, { scale, layout } = view;
    const ratio = window.devicePixelRatio || 1, width = scale.width, height = layout.height;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.view = view;
    this.colours = view.dark ? DARK : LIGHT;
    this.kinds = kindStyles(this.run, this.colours);
    this.drawn = { arrows: 0, moments: 0, lanes: 0 };
    const first = scale.momentAtPlace(scale.left), last = scale.momentAtPlace(scale.left + width / scale.zoom);
    this.range = [Math.max(0, first - 1), Math.min(this.run.moments.length - 1, last)];
    let dense = 0;
    for (let k = this.range[0]; k <= this.range[1]; k++) dense += view.filter.shown[k];
    this.room = width / Math.max(1, dense); // Pixels for each moment, on average.
    c.fillStyle = this.colours.paper;
    c.fillRect(0, 0, width, height);
    this.backgrounds();
    this.axis();
    this.faults();
    this.storage();
    this.violation(false);
    this.arrows();
    this.leaders();
    this.images();
    this.moments();
    this.violation(true);
    this.cursor();
  }

  /** A message's line on the screen: from, to, and how it ends. */
  path(i, copy) {
    const { run, view } = this, { scale, layout } = view, { messages } = run;
    const from = layout.lanes[messages.from[i]], to = layout.lanes[messages.to[i]];
    if (!from || !to) return null;
    const received = copy ? messages.copyReceived[i] : messages.received[i];
    const due = copy ? messages.copyDue[i] : messages.due[i];
    const sent = messages.sent[i], x1 = scale.xOfRecord(sent);
    let x2, part = 1, end = 'arrow';
    if (received >= 0) x2 = scale.xOfRecord(received);
    else if (!copy && messages.stopped[i] >= 0) { x2 = scale.xOfRecord(messages.stopped[i]); end = 'stopped'; }
    else if (due >= 0) { x2 = scale.xOfTime(Math.min(due, run.end)); end = 'open'; }
    else {
      x2 = scale.xOfTime(run.at[sent] + (run.head.latencyMax || 1e6));
      x2 = Math.max(x1 + 8, Math.min(x2, x1 + 90));
      part = 0.45; end = messages.fate(i);
    }
    const y1 = from.middle, y2 = to.middle;
    return { x1, y1, x2: x1 + (x2 - x1) * part, y2: y1 + (y2 - y1) * part, end };
  }

  arrows() {
    const { run, context: c, colours, view } = this, { messages } = run, { scale, filter, past } = view;
    const seen = new Set(), batches = new Map(), marked = [], labelled = [];
    const heads = [];
    const add = (i, copy) => {
      const path = this.path(i, copy);
      if (!path || Math.max(path.x1, path.x2) < -10 || Math.min(path.x1, path.x2) > scale.width + 10) return;
      const inPast = past && past[copy ? messages.copyReceived[i] : messages.received[i]] <= view.hops;
      const faded = past && !inPast;
      const troubled = path.end !== 'arrow' || messages.damaged[i] || copy;
      if (!troubled && this.room < 4) {
        // What falls onto the same pixels is drawn once.
        const key = ((Math.round(path.x1) * 4096 + Math.round(path.x2)) * 64 + messages.from[i]) * 64 + messages.to[i]
          + (faded ? 0.25 : 0) + messages.kind[i] / 1024;
        if (seen.has(key)) return;
        seen.add(key);
      }
      this.drawn.arrows++;
      const style = `${messages.kind[i]}|${faded ? 1 : 0}|${copy || path.end !== 'arrow' ? 1 : 0}`;
      if (!batches.has(style)) batches.set(style, []);
      batches.get(style).push(path);
      if (path.end === 'arrow') heads.push([path, messages.kind[i], faded]);
      if (troubled || messages.fate(i).includes('held')) marked.push([path, i, copy, faded]);
      if (!faded && !this.kinds[messages.kind[i]].back && Math.hypot(path.x2 - path.x1, path.y2 - path.y1) > 70 && Math.abs(path.x2 - path.x1) > 22) labelled.push([path, i]);
    };
    const far = this.room < 1.2;
    for (let i = 0; i < messages.count; i++) {
      // From afar, what only says "I live" would hide everything else.
      if (!filter.arrows[i] || (far && this.kinds[messages.kind[i]].quiet && messages.received[i] >= 0)) continue;
      add(i, false);
      if (messages.copyDue[i] >= 0) add(i, true);
    }
    for (const [style, paths] of batches) {
      const [kind, faded, dashed] = style.split('|').map(Number);
      c.strokeStyle = this.kinds[kind].colour;
      const density = paths.length / scale.width;
      c.globalAlpha = faded ? 0.22 : Math.max(0.16, 0.92 / (1 + density * (this.kinds[kind].back ? 3 : 1)));
      c.lineWidth = this.kinds[kind].wide * (past && !faded ? 1.4 : 1);
      c.setLineDash(dashed ? [5, 3] : []);
      c.beginPath();
      for (const path of paths) { c.moveTo(path.x1, path.y1); c.lineTo(path.x2, path.y2); }
      c.stroke();
    }
    c.setLineDash([]);
    if (heads.length < DENSE && this.room > 2) for (const [path, kind, faded] of heads) this.head(path, this.kinds[kind].colour, faded ? 0.15 : 1);
    c.globalAlpha = 1;
    if (this.room > 0.8 || marked.length < 400) for (const [path, i, copy, faded] of marked) this.mark(path, i, copy, faded);
    if (labelled.length < 90 && this.room > 5) for (const [path, i] of labelled) this.label(path, i);
    c.globalAlpha = 1;
  }

  head(path, colour, alpha) {
    const c = this.context, angle = Math.atan2(path.y2 - path.y1, path.x2 - path.x1);
    c.globalAlpha = alpha;
    c.fillStyle = colour;
    // The tip stops before the moment's own glyph.
    const x = path.x2 - 4 * Math.cos(angle), y = path.y2 - 4 * Math.sin(angle), size = 7;
    c.beginPath();
    c.moveTo(x, y);
    c.lineTo(x - size * Math.cos(angle - 0.4), y - size * Math.sin(angle - 0.4));
    c.lineTo(x - size * Math.cos(angle + 0.4), y - size * Math.sin(angle + 0.4));
    c.fill();
  }

  /** What went wrong with a message. */
  mark(path, i, copy, faded) {
    const c = this.context, { colours, run } = this, fate = run.messages.fate(i);
    c.globalAlpha = faded ? 0.25 : 1;
    const size = this.room > 6 ? 4 : 2.5;
    const { x2, y2 } = path;
    if (path.end === 'lost' || path.end === 'starved' || path.end === 'nobody there') this.cross(x2, y2, size, colours.alarm);
    else if (path.end === 'cut') {
      c.strokeStyle = colours.alarm; c.lineWidth = 2.5;
      this.line(x2 - size, y2, x2 + size, y2);
    } else if (path.end === 'stopped') {
      const cut = brief(run.text(run.messages.stopped[i])).endsWith('cut');
      if (cut) { c.strokeStyle = colours.alarm; c.lineWidth = 2.5; this.line(x2, y2 - size - 1, x2, y2 + size + 1); }
      else this.cross(x2, y2, size, colours.alarm);
    }
    const damaged = copy ? run.messages.damaged[i] & 2 : run.messages.damaged[i] & 1;
    if (damaged) {
      const x = (path.x1 + path.x2) / 2, y = (path.y1 + path.y2) / 2, z = size * 1.5;
      c.strokeStyle = colours.alarm; c.lineWidth = 2;
      c.beginPath(); c.moveTo(x - z, y + z * 0.5); c.lineTo(x - z / 3, y - z); c.lineTo(x + z / 3, y + z); c.lineTo(x + z, y - z * 0.5); c.stroke();
    }
    if (this.room > 12 && (copy || fate.includes('held'))) {
      this.text(copy ? '×2' : 'held back', (path.x1 + 2 * path.x2) / 3 + 4, (path.y1 + 2 * path.y2) / 3 - 3, colours.soft, '10px system-ui, sans-serif');
    }
  }

  label(path, i) {
    const c = this.context, { messages, kinds } = this.run, kind = kinds[messages.kind[i]], said = messages.words(i);
    const first = messages.slot[i], last = messages.slotEnd[i];
    const slots = first < 0 ? '' : first === last ? ` s${first}` : ` s${first}–${last}`;
    const short = said.length <= 18 && !said.startsWith('"') ? said : kind + slots;
    const length = Math.hypot(path.x2 - path.x1, path.y2 - path.y1);
    const words = this.fitted(short, length - 30);
    if (!words) return;
    c.save();
    c.translate((path.x1 + path.x2) / 2, (path.y1 + path.y2) / 2);
    c.rotate(Math.atan2(path.y2 - path.y1, path.x2 - path.x1));
    c.font = '10.5px system-ui, sans-serif';
    c.textAlign = 'center';
    c.lineWidth = 3; c.strokeStyle = this.colours.paper; c.globalAlpha = 0.85;
    c.strokeText(words, 0, -3);
    c.globalAlpha = 1;
    c.fillStyle = this.kinds[this.run.messages.kind[i]].colour;
    c.fillText(words, 0, -3);
    c.restore();
  }

  moments() {
    const { run, colours, view } = this, { scale, layout, filter, past } = view, c = this.context;
    const used = new Set(), ends = new Array(run.lanes).fill(-1e9);
    for (let k = this.range[0]; k <= this.range[1]; k++) {
      if (!filter.shown[k]) continue;
      const record = run.moments[k], lane = layout.lanes[run.lane[record]];
      if (!lane || lane.hidden) continue;
      const x = scale.xOfMoment(k), code = run.code(record);
      const important = code === 'start' || code === 'down' || (this.room > 0.5 && this.isDecision(k));
      const key = Math.round(x) * 256 + run.lane[record];
      if (this.room < 2 && !important) { if (used.has(key)) continue; used.add(key); }
      c.globalAlpha = past && past[this.lastOf(k)] > view.hops && past[record] > view.hops ? 0.3 : 1;
      this.drawn.moments++;
      this.glyph(code, x, lane, code === 'completed' && run.text(record).includes(' failed'));
      this.observations(k, x, lane, ends);
    }
    c.globalAlpha = 1;
    for (const k of view.filter.found) {
      const lane = layout.lanes[run.lane[run.moments[k]]], x = scale.xOfMoment(k);
      if (!lane || x < -5 || x > scale.width + 5) continue;
      c.strokeStyle = colours.found; c.lineWidth = 2.5;
      c.beginPath(); c.arc(x, lane.middle, 7, 0, 7); c.stroke();
    }
  }

  lastOf(k) { const members = this.run.members.of(k); return members[members.length - 1]; }

  isDecision(k) {
    const { run } = this;
    return run.members.of(k).some((member) => run.stepOf.has(member) && ['leader', 'decide'].includes(run.steps.name(run.stepOf.get(member))));
  }

  glyph(code, x, lane, failed) {
    const c = this.context, { colours } = this, y = lane.middle, r = this.room > 7 ? 3.4 : this.room > 2.5 ? 2.4 : 1.4;
    c.fillStyle = c.strokeStyle = colours.ink;
    c.lineWidth = 1.2;
    switch (code) {
      case 'start': case 'client-start':
        c.fillStyle = colours.kept;
        c.beginPath(); c.moveTo(x - r, y - r * 1.5); c.lineTo(x + r * 1.6, y); c.lineTo(x - r, y + r * 1.5); c.fill();
        break;
      case 'down': this.cross(x, y, Math.max(4.5, r + 1.5), colours.alarm); break;
      case 'timer': case 'client-timer':
        if (this.room < 1.2) { c.fillRect(x - 0.5, y - 2, 1, 4); break; }
        c.fillStyle = colours.paper; c.beginPath(); c.arc(x, y, r, 0, 7); c.fill(); c.stroke(); break;
      case 'completed':
        if (failed) { this.cross(x, y, r + 1, colours.alarm); break; }
        c.fillStyle = colours.kept; c.fillRect(x - r * 0.8, y - r * 0.8, r * 1.6, r * 1.6); break;
      case 'durable': case 'landed': case 'vanished': case 'image': case 'stopped': {
        if (code === 'stopped' || this.room < 5) break;
        c.fillStyle = code === 'vanished' ? colours.alarm : colours.kept;
        c.beginPath(); c.arc(x, y + Math.min(15, lane.height * 0.2) + 2, 1.8, 0, 7); c.fill();
        break;
      }
      case 'end-of-burst': c.fillRect(x - 0.8, y - r * 1.3, 1.6, r * 2.6); break;
      default:
        if (this.room < 1.2) { c.fillRect(x - 0.5, y - 2, 1, 4); break; }
        c.beginPath(); c.arc(x, y, r, 0, 7); c.fill();
    }
  }

  /** Leaders, decided slots and, close by, every observation. */
  observations(k, x, lane, ends) {
    const { run, colours, view } = this, c = this.context, number = run.lane[run.moments[k]];
    const words = [];
    let decided = null;
    for (const member of run.members.of(k)) {
      const code = run.code(member);
      if (code === 'halt') words.push('halts');
      if (code !== 'observe') continue;
      const step = run.stepOf.get(member);
      if (step === undefined) { words.push(brief(run.text(member)).replace(/^observe kind (\d+), \d+ bytes ?/, 'obs $1: ')); continue; }
      const name = run.steps.name(step), slot = run.steps.slot[step], ballot = run.steps.ballot[step];
      if (name === 'decide') { decided = decided ? [Math.min(decided[0], slot), Math.max(decided[1], slot)] : [slot, slot]; continue; }
      if (name === 'apply') continue;
      words.push(name + (slot >= 0 ? ` s${slot}` : '') + (ballot >= 0 ? ` ${ballotName(ballot)}` : ''));
      if (name === 'leader') {
        const y = lane.middle - 11;
        c.fillStyle = ballotColour(run, colours, ballot);
        c.beginPath(); c.moveTo(x - 7, y); c.lineTo(x - 7, y - 8); c.lineTo(x - 3.2, y - 4); c.lineTo(x, y - 9); c.lineTo(x + 3.2, y - 4); c.lineTo(x + 7, y - 8); c.lineTo(x + 7, y); c.fill();
      }
    }
    if (decided && this.room > 1.2) {
      const size = this.room > 6 ? 4.2 : 2.6, y = lane.middle - 9;
      c.fillStyle = colours.select;
      c.beginPath(); c.moveTo(x, y - size); c.lineTo(x + size, y); c.lineTo(x, y + size); c.lineTo(x - size, y); c.fill();
      if (this.room > 9) words.unshift(decided[0] === decided[1] ? `decides ${decided[0]}` : `decides ${decided[0]}–${decided[1]}`);
    }
    if (!words.length || this.room < 9 || c.globalAlpha < 1) return;
    const text = this.fitted([...new Set(words)].join(', '), 190);
    c.font = '10.5px system-ui, sans-serif';
    const width = c.measureText(text).width, y = lane.middle - 12;
    const start = x + 6 + width > view.scale.width ? x - width - 12 : x + 6;
    if (start < ends[number] || !text) return;
    c.globalAlpha = 0.8; c.fillStyle = colours.paper; c.fillRect(start - 1, y - 9, width + 2, 12); c.globalAlpha = 1;
    this.text(text, start, y, colours.ink, c.font);
    ends[number] = start + width + 8;
  }

  /** Where it broke: behind everything a band, in front of it a flag. */
  violation(front) {
    const { run, context: c, colours, view } = this, { scale, layout } = view, broken = run.head.broken;
    if (!broken) return;
    const record = run.broke >= 0 ? run.broke : run.n - 1;
    const x = scale.xOfRecord(record);
    if (x < -120 || x > scale.width + 120) return;
    if (!front) {
      c.fillStyle = colours.alarmSoft; c.fillRect(x - 8, AXIS - 6, 16, layout.bottom - AXIS + 6);
      c.strokeStyle = colours.alarm; c.lineWidth = 1.5; c.setLineDash([6, 3]);
      this.line(x, AXIS - 6, x, layout.bottom); c.setLineDash([]);
      return;
    }
    const lane = layout.lanes[run.lane[record]];
    if (run.broke >= 0 && lane && !lane.hidden) {
      c.fillStyle = colours.alarm; c.strokeStyle = colours.paper; c.lineWidth = 1.5; c.beginPath();
      for (let i = 0; i < 16; i++) {
        const r = i % 2 ? 6 : 13, angle = i * Math.PI / 8;
        c.lineTo(x + r * Math.cos(angle), lane.middle + r * Math.sin(angle));
      }
      c.closePath(); c.fill(); c.stroke();
      this.text('!', x, lane.middle + 4, colours.paper, 'bold 12px system-ui, sans-serif', 'center');
    }
    const words = `${broken.invariant} ${run.broke >= 0 ? 'broke' : 'judged at the end'}`;
    c.font = 'bold 11px system-ui, sans-serif';
    const width = c.measureText(words).width + 14, left = Math.min(x, scale.width - width);
    c.fillStyle = colours.alarm; c.fillRect(left, 1, width, 17);
    this.text(words, left + 7, 13, colours.paper, c.font);
  }

  cursor() {
    const { run, context: c, colours, view } = this, { scale, layout } = view;
    if (view.selected < 0) return;
    const x = scale.xOfMoment(view.selected), lane = layout.lanes[run.lane[run.moments[view.selected]]];
    c.strokeStyle = colours.select; c.lineWidth = 1; c.globalAlpha = 0.7;
    this.line(x, AXIS - 4, x, layout.bottom);
    c.globalAlpha = 1;
    if (!lane) return;
    c.lineWidth = 2.5;
    c.beginPath(); c.arc(x, lane.middle, 8.5, 0, 7); c.stroke();
    if (view.selectedMessage >= 0) {
      const path = this.path(view.selectedMessage, false);
      if (path) { c.lineWidth = 3.5; c.globalAlpha = 0.6; this.line(path.x1, path.y1, path.x2, path.y2); c.globalAlpha = 1; }
    }
  }
}
