// From time to pixels. Every moment has a place on the axis: its true time, its number, or in between: folded time,
// in which a long silence is wider than a short one and yet fits the screen.

class Scale {
  constructor(run) {
    this.run = run;
    this.times = mapped(Float64Array, run.moments, (record) => run.at[record]);
    this.places = new Float64Array(run.moments.length);
    this.mode = 'folded';
    this.left = 0;
    this.width = 1000;
    this.zoom = 1; // Pixels per unit of place.
  }

  /** Lays the axis out anew; hidden moments take no room, except in true time. */
  lay(shown) {
    const { times, places, mode } = this;
    let place = 0, before = -1;
    for (let k = 0; k < times.length; k++) {
      if (mode === 'time') { places[k] = times[k] / 1e3; continue; }
      if (shown[k]) {
        const gap = before < 0 ? 0 : times[k] - times[before];
        place += before < 0 ? 0 : mode === 'even' ? 1 : 0.22 + 0.3 * Math.log2(1 + gap / 5e3);
        before = k;
      }
      places[k] = place;
    }
  }

  get length() { return Math.max(this.places[this.places.length - 1] || 0, 1e-9); }

  /** The last moment at or before a time. */
  momentAt(time) {
    let low = 0, high = this.times.length;
    while (low < high) { const mid = (low + high) >> 1; if (this.times[mid] <= time) low = mid + 1; else high = mid; }
    return Math.max(0, low - 1);
  }

  placeOfTime(time) {
    if (this.mode === 'time') return time / 1e3;
    const k = this.momentAt(time), next = Math.min(k + 1, this.times.length - 1);
    const gap = this.times[next] - this.times[k];
    const part = gap > 0 ? Math.max(0, Math.min(1, (time - this.times[k]) / gap)) : 0;
    return this.places[k] + part * (this.places[next] - this.places[k]);
  }

  /** The first moment whose place is at or behind `place`. */
  momentAtPlace(place) {
    let low = 0, high = this.places.length;
    while (low < high) { const mid = (low + high) >> 1; if (this.places[mid] < place) low = mid + 1; else high = mid; }
    return low;
  }

  timeAtX(x) {
    const place = this.left + x / this.zoom;
    if (this.mode === 'time') return place * 1e3;
    const k = Math.min(this.momentAtPlace(place), this.times.length - 1), before = Math.max(0, k - 1);
    const gap = this.places[k] - this.places[before];
    const part = gap > 0 ? Math.max(0, Math.min(1, (place - this.places[before]) / gap)) : 1;
    return this.times[before] + part * (this.times[k] - this.times[before]);
  }

  xOfPlace(place) { return (place - this.left) * this.zoom; }
  xOfMoment(k) { return this.xOfPlace(this.places[k]); }
  xOfRecord(record) { return this.xOfMoment(this.run.momentOf[record]); }
  xOfTime(time) { return this.xOfPlace(this.placeOfTime(time)); }

  get minimum() { return (this.width - 2 * MARGIN) / this.length; }

  clamp() {
    const most = this.mode === 'time' ? 400 : 260;
    this.zoom = Math.max(this.minimum, Math.min(this.zoom, Math.max(most, this.minimum)));
    const room = MARGIN / this.zoom;
    const farthest = Math.max(-room, this.length + room - this.width / this.zoom);
    this.left = Math.max(-room, Math.min(this.left, farthest));
  }

  fit() { this.zoom = this.minimum; this.left = -MARGIN / this.zoom; this.clamp(); }

  zoomAt(x, factor) {
    const place = this.left + x / this.zoom;
    this.zoom *= factor;
    this.clamp();
    this.left = place - x / this.zoom;
    this.clamp();
  }

  centre(place) { this.left = place - this.width / 2 / this.zoom; this.clamp(); }

  /** Shows from one place to another. */
  frame(from, to) {
    this.zoom = this.width / Math.max(to - from, 1e-9);
    this.clamp();
    this.centre((from + to) / 2);
  }
}

const MARGIN = 40;
