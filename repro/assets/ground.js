// What lasts, behind and along the lanes of the diagram: lives, offices, faults, clocks, writes and what a crash kept of
// them; and the strokes that all of it is made of.

/** Draws onto `this.context` what `this.run` holds, as `this.view` wants it, in `this.colours`, with `this.room` pixels a moment. */
class Ground {
  text(words, x, y, colour, font = '11px system-ui, sans-serif', align = 'left') {
    const c = this.context;
    c.fillStyle = colour;
    c.font = font;
    c.textAlign = align;
    c.fillText(words, x, y);
  }

  line(x1, y1, x2, y2) {
    const c = this.context;
    c.beginPath();
    c.moveTo(x1, y1);
    c.lineTo(x2, y2);
    c.stroke();
  }

  hatch(x1, y, x2, height, colour, gap = 7) {
    const c = this.context, { width } = this.view.scale;
    x1 = Math.max(x1, -20); x2 = Math.min(x2, width + 20);
    if (x2 <= x1) return;
    c.save();
    c.beginPath(); c.rect(x1, y, x2 - x1, height); c.clip();
    c.strokeStyle = colour; c.lineWidth = 1; c.beginPath();
    for (let x = Math.floor((x1 - height) / gap) * gap; x < x2; x += gap) { c.moveTo(x, y + height); c.lineTo(x + height, y); }
    c.stroke();
    c.restore();
  }

  /** Lanes, lives, leaders, pauses, partitions and clocks: what lasts. */
  backgrounds() {
    const { run, context: c, colours, view } = this, { scale, layout } = view;
    layout.order.forEach((lane, place) => {
      const { y, height, hidden } = layout.lanes[lane];
      if (place % 2 === 0) { c.fillStyle = colours.band; c.fillRect(0, y, scale.width, height); }
      if (!hidden) this.drawn.lanes++;
    });
    for (const office of this.offices) {
      const lane = layout.lanes[office.node];
      const [x1, x2] = this.ends(office.from, office.to);
      if (lane.hidden || x2 < 0 || x1 > scale.width) continue;
      const colour = ballotColour(run, colours, office.ballot);
      c.fillStyle = colour;
      c.globalAlpha = 0.13;
      c.fillRect(x1, lane.y, x2 - x1, lane.height);
      c.globalAlpha = 1;
    }
    for (const fault of run.faults) this.faultOnLanes(fault);
    for (let lane = run.nodes; lane < run.lanes; lane++) {
      const place = layout.lanes[lane];
      if (place.hidden) continue;
      c.strokeStyle = colours.faint; c.lineWidth = 1;
      this.line(0, place.middle + 0.5, scale.width, place.middle + 0.5);
    }
    for (const life of this.lives) {
      const lane = layout.lanes[life.node];
      const [x1, x2] = life.to < 0 ? [scale.xOfRecord(life.from), scale.xOfPlace(scale.length)] : this.ends(life.from, life.to);
      if (!lane || lane.hidden || x2 < 0 || x1 > scale.width) continue;
      if (life.up) {
        c.strokeStyle = colours.soft; c.lineWidth = 1.5;
        this.line(Math.max(x1, 0), lane.middle, Math.min(x2, scale.width), lane.middle);
      } else {
        c.fillStyle = colours.down; c.globalAlpha = 0.16;
        c.fillRect(x1, lane.y + 2, x2 - x1, lane.height - 4);
        c.globalAlpha = 1;
        this.hatch(x1, lane.y + 2, x2, lane.height - 4, colours.down, 8);
        if (x2 - x1 > 60) this.plate(life.power ? 'no power' : 'down', (Math.max(x1, 0) + Math.min(x2, scale.width)) / 2, lane.middle + 4);
      }
    }
    this.clocks();
  }

  /** A strip along the lane for each time in which its node led: in front of the arrows, so that it is seen from afar. */
  leaders() {
    const { run, context: c, colours, view } = this, { scale, layout } = view;
    for (const office of this.offices) {
      const lane = layout.lanes[office.node];
      const [x1, x2] = this.ends(office.from, office.to);
      if (lane.hidden || x2 < 0 || x1 > scale.width) continue;
      const colour = ballotColour(run, colours, office.ballot);
      c.fillStyle = colour;
      c.fillRect(x1, lane.y + lane.height - 5, x2 - x1, 5);
      if (x2 - x1 < 70) continue;
      const words = `leads ${ballotName(office.ballot)}`, left = Math.max(x1, 0) + 4, y = lane.y + lane.height - 8;
      c.font = 'bold 10px system-ui, sans-serif';
      const width = c.measureText(words).width;
      c.fillStyle = colours.paper; c.globalAlpha = 0.85; c.fillRect(left - 2, y - 9, width + 4, 12); c.globalAlpha = 1;
      this.text(words, left, y, colour, c.font);
    }
  }

  ends(from, to) { return [this.view.scale.xOfRecord(from), this.view.scale.xOfRecord(to)]; }

  plate(words, x, y) {
    const c = this.context;
    c.font = 'bold 10px system-ui, sans-serif';
    const width = c.measureText(words).width + 8;
    c.fillStyle = this.colours.paper;
    c.fillRect(x - width / 2, y - 10, width, 14);
    this.text(words, x, y, this.colours.soft, c.font, 'center');
  }

  faultOnLanes(fault) {
    const { context: c, colours, view } = this, { scale, layout } = view;
    if (fault.end === null) return;
    const x1 = scale.xOfTime(fault.at), x2 = scale.xOfTime(fault.end);
    if (x2 < 0 || x1 > scale.width) return;
    if (fault.kind === 'partition' && fault.groups) {
      fault.groups.forEach((group, number) => {
        for (const endpoint of group) {
          const lane = layout.lanes[endpoint];
          if (!lane || lane.hidden) continue;
          c.fillStyle = colours.groups[number % colours.groups.length];
          c.fillRect(x1, lane.y + 1, Math.max(2, x2 - x1), 4);
          if (lane.isNode && x2 - x1 > 26) {
            this.text(String.fromCharCode(65 + number), Math.max(x1, 0) + 4, lane.y + 15, c.fillStyle, 'bold 10px system-ui, sans-serif');
          }
        }
      });
    } else if (fault.target !== null) {
      const lane = layout.lanes[fault.target];
      if (!lane || lane.hidden) return;
      const stops = fault.kind === 'pause';
      c.fillStyle = colours.pause;
      c.globalAlpha = stops ? 0.16 : 0.07;
      c.fillRect(x1, lane.y + 2, x2 - x1, lane.height - 4);
      c.globalAlpha = 1;
      if (stops) this.hatch(x1, lane.y + 2, x2, lane.height - 4, colours.pause, 11);
      if (x2 - x1 > 50) this.text(stops ? 'paused' : fault.kind, Math.max(x1, 0) + 5, lane.y + 14, colours.pause, '10px system-ui, sans-serif');
    }
  }

  /** Each node's wall clock against true time, each on the scale of its own largest deviation. */
  clocks() {
    const { context: c, colours, view } = this, { scale, layout } = view;
    if (!view.showClocks) return;
    for (const skew of this.skews) {
      const lane = layout.lanes[skew.node];
      if (lane.hidden || skew.least === skew.most) continue;
      const top = lane.y + 8, room = lane.height * 0.22;
      c.strokeStyle = colours.skew; c.globalAlpha = 0.75; c.lineWidth = 1; c.setLineDash([3, 2]); c.beginPath();
      let before = -9, begun = false, told = false;
      for (const [record, ahead] of skew.points) {
        const x = scale.xOfRecord(record);
        if (x < -200) continue;
        if (x - before < 1.5) continue;
        const y = top + room * (1 - (ahead - skew.least) / (skew.most - skew.least));
        if (begun) c.lineTo(x, y); else c.moveTo(x, y);
        if (!told && x > 0 && this.room > 1.2 && lane.height >= 70) { told = true; this.text(`clock ${signed(ahead)}`, Math.max(x, 4), top + 1, colours.skew, '9.5px system-ui, sans-serif'); }
        begun = true; before = x;
        if (x > scale.width + 200) break;
      }
      c.stroke(); c.setLineDash([]); c.globalAlpha = 1;
    }
  }

  axis() {
    const { context: c, colours, view } = this, { scale, layout } = view;
    c.strokeStyle = colours.rule; c.lineWidth = 1;
    const from = scale.timeAtX(0), to = scale.timeAtX(scale.width);
    const ticks = [];
    if (scale.mode === 'time') {
      const rough = (to - from) * 110 / scale.width, power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
      const step = [1, 2, 5, 10].map((k) => k * power).find((size) => size >= rough) ?? power;
      for (let time = Math.max(0, Math.ceil(from / step) * step); time <= Math.min(to, this.run.end); time += step) ticks.push([scale.xOfTime(time), time, step]);
    } else {
      for (let x = 40; x < scale.width; x += 120) {
        const time = scale.timeAtX(x);
        if (x > scale.xOfPlace(scale.length) + 1 || x < scale.xOfPlace(0)) continue;
        ticks.push([x, time, Math.max(1, (scale.timeAtX(x + 120) - time) / 10)]);
      }
    }
    // All with the same number of digits: as many as tell the closest two apart.
    const resolution = Math.max(1, Math.min(...ticks.map(([, , size]) => size)));
    for (const [x, time] of ticks) {
      this.line(Math.round(x) + 0.5, AXIS - 6, Math.round(x) + 0.5, layout.bottom);
      this.text(clock(time, resolution), x, 13, colours.soft, '10.5px system-ui, sans-serif', 'center');
    }
  }

  faults() {
    const { run, context: c, colours, view } = this, { scale } = view;
    const edges = [];
    for (const fault of run.faults) {
      const x1 = scale.xOfTime(fault.at), x2 = fault.end === null ? x1 : scale.xOfTime(fault.end);
      if (x2 < -160 || x1 > scale.width) continue;
      const y = AXIS + fault.row * FAULT_ROW;
      const lasts = x2 - x1 > 3;
      const colour = fault.kind === 'heal' ? colours.kept : fault.kind.includes('crash') ? colours.alarm : colours.pause;
      c.fillStyle = colour;
      if (lasts) {
        c.globalAlpha = 0.25; c.fillRect(x1, y + 1, x2 - x1, FAULT_ROW - 3); c.globalAlpha = 1;
        c.fillRect(x1, y + 1, 2, FAULT_ROW - 3); c.fillRect(x2 - 2, y + 1, 2, FAULT_ROW - 3);
      } else {
        c.beginPath(); c.moveTo(x1 - 4, y + 3); c.lineTo(x1 + 4, y + 3); c.lineTo(x1, y + 12); c.fill();
      }
      edges.push([Math.max(x1, 0), y, fault, colour, x2]);
    }
    // A label may use the room up to the next fault of its row.
    edges.forEach(([x, y, fault], i) => {
      const next = edges.slice(i + 1).find((other) => other[1] === y);
      const room = (next ? next[0] : scale.width) - x - 12;
      const words = this.fitted(faultLabel(fault), room);
      if (words) this.text(words, x + 7, y + 12, colours.ink, '10.5px system-ui, sans-serif');
    });
  }

  /** The text cut to a width; nothing if too little of it would be left. */
  fitted(words, room) {
    const c = this.context;
    c.font = '10.5px system-ui, sans-serif';
    const each = 5.6;
    if (room < 26) return '';
    if (c.measureText(words).width <= room) return words;
    return `${words.slice(0, Math.max(3, Math.floor(room / each)))}…`;
  }

  /** Writes from their submission until the device is done: filled if durable, hollow if only visible, crossed if gone. */
  storage() {
    const { context: c, colours, view } = this, { scale, layout, filter, past } = view;
    if (filter.classes.has('storage')) return;
    for (const write of this.writes) {
      const lane = layout.lanes[write.node];
      const [x1, x2] = this.ends(write.from, write.to);
      if (!lane || lane.hidden || x2 < 0 || x1 > scale.width || (x2 - x1 < 1.2 && this.room < 3)) continue;
      const y = lane.middle + Math.min(15, lane.height * 0.2);
      c.globalAlpha = past && past[write.to] > view.hops ? 0.2 : 1;
      c.fillStyle = c.strokeStyle = write.kind === 'vanished' ? colours.alarm : colours.kept;
      c.lineWidth = 1;
      const width = Math.max(2, x2 - x1);
      if (write.kind === 'durable') c.fillRect(x1, y, width, 4);
      else c.strokeRect(x1 + 0.5, y + 0.5, width, 3);
      if (write.kind === 'vanished') this.cross(x2, y + 2, 4, colours.alarm);
    }
    c.globalAlpha = 1;
  }

  /** What a loss of power left of the last writes that were not durable: a cell for each sector or word. */
  images() {
    const { context: c, colours, view } = this, { scale, layout } = view;
    if (this.room < 4 || view.filter.classes.has('storage')) return;
    for (const [record, image] of this.run.images) {
      const lane = layout.lanes[this.run.lane[record]], x = scale.xOfRecord(record);
      if (!lane || lane.hidden || x < -120 || x > scale.width || !image.writes.length) continue;
      const writes = image.writes.slice(-3), kept = writes.reduce((sum, write) => sum + write.kept, 0);
      const units = writes.reduce((sum, write) => sum + write.units, 0);
      const words = `kept ${kept} of ${units}`, cells = Math.max(...writes.map((write) => Math.min(write.map.length, 24)));
      const bottom = lane.y + lane.height - 9, top = bottom - writes.length * 7 - 14, left = x + 6;
      c.font = '10px system-ui, sans-serif';
      c.fillStyle = colours.paper; c.strokeStyle = colours.soft; c.lineWidth = 0.8; c.globalAlpha = 0.92;
      const width = Math.max(c.measureText(words).width, cells * 6) + 8;
      c.fillRect(left, top, width, bottom - top + 3); c.strokeRect(left, top, width, bottom - top + 3);
      c.globalAlpha = 1;
      this.text(words, left + 4, top + 11, kept < units ? colours.alarm : colours.soft, c.font);
      writes.forEach((write, row) => {
        for (let i = 0; i < Math.min(write.map.length, 24); i++) {
          c.fillStyle = colours.kept; c.strokeStyle = write.map[i] === '#' ? colours.kept : colours.alarm; c.lineWidth = 1;
          const cell = [left + 4.5 + i * 6, top + 15.5 + row * 7, 4, 4];
          if (write.map[i] === '#') c.fillRect(...cell);
          c.strokeRect(...cell);
        }
      });
    }
  }

  cross(x, y, size, colour) {
    const c = this.context;
    c.strokeStyle = colour; c.lineWidth = 2;
    this.line(x - size, y - size, x + size, y + size);
    this.line(x - size, y + size, x + size, y - size);
  }
}

/** Each node's wall clock against true time, as points, with its bounds. */
function skewsOf(run) {
  const skews = Array.from({ length: run.nodes }, (_, node) => ({ node, points: [], least: Infinity, most: -Infinity }));
  for (const record of run.clockAt) {
    const { wall } = run.clocks.get(record);
    const skew = skews[run.lane[record]];
    skew.points.push([record, wall]);
    skew.least = Math.min(skew.least, wall);
    skew.most = Math.max(skew.most, wall);
  }
  return skews;
}
