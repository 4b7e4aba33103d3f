// The whole run at a glance: how much happened when, faults, leaders, what was found, where it broke, what is in view.

class Minimap {
  constructor(run, canvas) {
    this.run = run;
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
  }

  draw(view, painter) {
    const { run, canvas, context: c } = this, { scale, filter } = view;
    const ratio = window.devicePixelRatio || 1, width = scale.width, height = 46;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const colours = view.dark ? DARK : LIGHT;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.fillStyle = colours.band;
    c.fillRect(0, 0, width, height);
    const x = (place) => place / scale.length * (width - 4) + 2;
    for (const fault of run.faults) {
      const from = x(scale.placeOfTime(fault.at)), to = x(scale.placeOfTime(fault.end ?? fault.at));
      c.fillStyle = fault.kind.includes('crash') ? colours.alarm : fault.kind === 'heal' ? colours.kept : colours.pause;
      c.globalAlpha = fault.end === null ? 0.9 : 0.35;
      c.fillRect(from, 0, Math.max(1.5, to - from), fault.end === null ? 9 : 6);
    }
    c.globalAlpha = 1;
    for (const office of painter.offices) {
      const from = x(scale.places[run.momentOf[office.from]]), to = x(scale.places[run.momentOf[office.to]]);
      c.fillStyle = ballotColour(run, colours, office.ballot);
      c.fillRect(from, height - 5, Math.max(1, to - from), 5);
    }
    const counts = new Uint32Array(Math.ceil(width));
    let most = 1;
    for (const k of filter.visible) {
      const column = Math.floor(x(scale.places[k]));
      most = Math.max(most, ++counts[column]);
    }
    c.fillStyle = colours.down;
    for (let column = 0; column < counts.length; column++) {
      if (!counts[column]) continue;
      const tall = 2 + 24 * Math.log2(1 + counts[column]) / Math.log2(1 + most);
      c.fillRect(column, height - 7 - tall, 1, tall);
    }
    c.fillStyle = colours.found;
    for (const k of filter.found) c.fillRect(x(scale.places[k]) - 1, 10, 2, 8);
    if (run.head.broken) {
      const at = x(scale.places[run.momentOf[run.broke >= 0 ? run.broke : run.n - 1]]);
      c.fillStyle = colours.alarm;
      c.fillRect(at - 1, 0, 2.5, height);
    }
    const left = x(scale.left), right = x(scale.left + width / scale.zoom);
    c.fillStyle = colours.select; c.globalAlpha = 0.13;
    c.fillRect(left, 0, right - left, height);
    c.globalAlpha = 1; c.strokeStyle = colours.select; c.lineWidth = 1.5;
    c.strokeRect(Math.max(1, left), 1, Math.min(width - 2, right) - Math.max(1, left), height - 2);
    if (view.selected >= 0) { c.fillStyle = colours.select; c.fillRect(x(scale.places[view.selected]) - 0.5, 0, 1.5, height); }
    this.placeAt = (px) => (px - 2) / (width - 4) * scale.length;
  }
}
