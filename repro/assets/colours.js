// Colours after Okabe and Ito, one set for light and one for dark: told apart with every common colour blindness. What
// matters is said by shape too: lost ends in a cross, cut in a bar, damaged in a zigzag, a second copy is dashed.

const LIGHT = {
  paper: '#ffffff', band: '#f4f6f8', ink: '#1c2430', soft: '#5c6877', faint: '#c9d0d8', rule: '#e3e7ec',
  alarm: '#c8004c', alarmSoft: '#c8004c18', down: '#9aa4b0', pause: '#b87800', select: '#0b57d0', found: '#a37b00',
  skew: '#8a5fbf', kept: '#00794f', quiet: '#a9b4c0', request: '#6b7683', response: '#94a0ad',
  hues: ['#0072b2', '#d55e00', '#009e73', '#b0508c', '#3f9fdb', '#b98500', '#5b4bb3', '#7a5230'],
  groups: ['#0072b2', '#e69f00', '#009e73', '#cc79a7'],
};
const DARK = {
  paper: '#12161c', band: '#1a2029', ink: '#e8edf3', soft: '#9aa7b5', faint: '#3c4653', rule: '#262e39',
  alarm: '#ff5c8f', alarmSoft: '#ff5c8f20', down: '#6b7683', pause: '#f0b440', select: '#7db4ff', found: '#ffd24d',
  skew: '#b795e8', kept: '#3fd09b', quiet: '#5a6675', request: '#8d99a8', response: '#66727f',
  hues: ['#56b4e9', '#f28e4b', '#2fc79a', '#e58cc0', '#8fd3ff', '#f0c24d', '#a99bf5', '#c9a27e'],
  groups: ['#56b4e9', '#e6b34d', '#2fc79a', '#e58cc0'],
};

/** The colour and the weight of each kind of message; what only says "I live" stays in the background. */
function kindStyles(run, colours) {
  let next = 0;
  return run.kinds.map((name) => {
    if (name === 'request') return { colour: colours.request, wide: 1, back: true };
    if (name === 'response' || name === 'close') return { colour: colours.response, wide: 1, back: true };
    if (/heartbeat|keep-?alive|\bping\b|\bpong\b/.test(name)) return { colour: colours.quiet, wide: 1, back: true, quiet: true };
    const hue = colours.hues[next % colours.hues.length];
    return { colour: hue, wide: next++ < colours.hues.length ? 1.5 : 2.6 };
  });
}

/** A ballot's colour: ballots that follow each other differ. */
function ballotColour(run, colours, ballot) {
  run.ballots ??= [...new Set(Array.from(run.steps.ballot).filter((b) => b >= 0))].sort((a, b) => a - b);
  return colours.hues[run.ballots.indexOf(ballot) % colours.hues.length];
}
