import type { Measured } from './report.ts';
import { aimOf, figure, NOTHING_STORED, shareOf } from './result.ts';

const WIDTH = 860;
const ROW = 24;
const BAR = 14;
const LABELS = 430;
const BARS = 300;

const style = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 14px; font-weight: 600 }
  .faint { fill: #59636e; font-size: 11px }
  .ours { fill: #2563eb }
  .storing { fill: #6e7781 }
  .forgetful { fill: #6e7781; fill-opacity: .35; stroke: #6e7781 }
  .short { fill: #d97706 }
  line { stroke: #59636e; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .faint { fill: #9198a1 }
    .ours { fill: #4493f8 }
    .storing, .forgetful { fill: #9198a1 }
    .forgetful { stroke: #9198a1 }
    .short { fill: #f59e0b }
    line { stroke: #9198a1 }
  }`;

/** Draws the deliveries of all servers beside each other, and how much of its aim each figure reaches. */
export function chart(results: Measured[], conditions: string[]): string {
  const parts = [...deliveries(results), { height: ROW / 2, draw: () => '' }, ...shares(results)];
  parts.push(...conditions.map((text) => line('faint', text)));
  let y = 8;
  const drawn = parts.map(({ height, draw }) => {
    y += height;
    return draw(y - height);
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 8}" width="${WIDTH}" height="${y + 8}" role="img" aria-label="Measured figures of this server beside its peers">`,
    `<style>${style}\n</style>`,
    ...drawn.filter(Boolean),
    '</svg>\n',
  ].join('\n');
}

interface Part {
  height: number;
  draw(y: number): string;
}

function deliveries(results: Measured[]): Part[] {
  const others = results.filter(({ command }) => command === 'others');
  const [first] = others;
  if (!first) return [];
  const bars = [
    { name: 'this server, on the disk before it is shown', rate: first.value, kind: 'ours' },
    ...others.map(({ peerName, peer }) => ({
      name: peerName,
      rate: peer,
      kind: peerName.endsWith(NOTHING_STORED) ? 'forgetful' : 'storing',
    })),
  ].sort((a, b) => b.rate - a.rate);
  const most = bars[0]?.rate ?? 1;
  return [
    line('title', `Deliveries a second, 100 in a room, the server on one core`),
    ...bars.map(({ name, rate, kind }) => bar(name, rate / most, kind, figure(rate, 3))),
  ];
}

/** Bars end at twice the aim; the line marks the aim. */
function shares(results: Measured[]): Part[] {
  const rows = results.map((result) => {
    const share = shareOf(result);
    const is = result.aim.of === 'ratio' ? result.value / result.peer : result.value;
    const peer = result.peerName.replace(NOTHING_STORED, '');
    const name = result.aim.of === 'ratio' ? `${result.what} ÷ ${peer}` : result.what;
    const text = `${figure(is, 3)} (${aimOf(result.aim)})`;
    return bar(name, Math.min(share, 2) / 2, share >= 1 ? 'ours' : 'short', text, BARS);
  });
  const middle = LABELS + BARS / 2;
  return [
    line('title', 'How much of what is to be reached is there (the line: all of it)'),
    {
      height: 0,
      draw: (y) => `<line x1="${middle}" x2="${middle}" y1="${y}" y2="${y + rows.length * ROW}"/>`,
    },
    ...rows,
  ];
}

function line(kind: string, text: string): Part {
  return { height: ROW, draw: (y) => label(8, y, text, kind) };
}

/** @param textAt the distance of the text from the start of the bar, if the text is not at its end */
function bar(name: string, share: number, kind: string, text: string, textAt = share * BARS): Part {
  const width = Math.max(2, share * BARS);
  return {
    height: ROW,
    draw: (y) =>
      [
        label(LABELS - 8, y, name, '', 'end'),
        `<rect class="${kind}" x="${LABELS}" y="${y + (ROW - BAR) / 2}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
        label(LABELS + textAt + 6, y, text),
      ].join(''),
  };
}

function label(x: number, y: number, text: string, kind = '', anchor = 'start'): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('`', '');
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y + ROW / 2 + 4}" text-anchor="${anchor}">${escaped}</text>`;
}
