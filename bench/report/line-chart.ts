import type { Spread } from './statistics.ts';
import { drawText as text, escaped, round, style } from './svg.ts';

export interface LinePoint {
  readonly x: number;
  readonly y: number;
  /** Drawn as a whisker. */
  readonly spread: Spread;
}

export interface Line {
  readonly label: string;
  /** In the order of x. */
  readonly points: readonly LinePoint[];
  /** Drawn in the colour that stands out. */
  readonly ours: boolean;
}

export interface LineChart {
  readonly title: string;
  readonly subtitle: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly Line[];
}

const width = 760;
const height = 400;
const margin = 24;
const plot = { left: 70, right: 640, top: 112, bottom: 342 };

const lineStyle = `
    .curve { fill: none; stroke: #818b98; stroke-width: 2; stroke-linejoin: round }
    .curve.ours { fill: none; stroke: #0969da }
    .dot { fill: #818b98 }
    .dot.ours { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      .curve.ours { fill: none; stroke: #1f6feb }
      .dot.ours { fill: #1f6feb }
    }`;

/** Where a value lies in the picture. */
interface Scale {
  x(value: number): number;
  y(value: number): number;
}

/**
 * Lines over a logarithmic axis of whole numbers; the other axis begins at 1, since what is drawn
 * are multiples.
 */
export function lineChart({ title, subtitle, xLabel, yLabel, lines }: LineChart): string {
  const points = lines.flatMap((line) => line.points);
  const most = Math.max(1.1, ...points.map(({ spread }) => spread.max));
  const step = niceStep((most - 1) / 5);
  const top = 1 + step * Math.ceil((most - 1) / step);
  const xs = [...new Set(points.map(({ x }) => x))].toSorted((a, b) => a - b);
  const [least = 1, greatest = 10] = [xs[0], xs.at(-1)];
  const decades = Math.max(1e-9, Math.log10(greatest / least));
  const scale: Scale = {
    x: (value) =>
      plot.left + 24 + (Math.log10(value / least) / decades) * (plot.right - plot.left - 40),
    y: (value) => plot.bottom - ((value - 1) / (top - 1)) * (plot.bottom - plot.top),
  };
  const parts = [
    ...drawLevels(top, step, scale),
    ...xs.map((x) =>
      text(scale.x(x), plot.bottom + 20, x.toLocaleString('en-US'), 'soft', 'middle'),
    ),
    text(margin, plot.top - 14, yLabel, 'soft'),
    text((plot.left + plot.right) / 2, plot.bottom + 42, xLabel, 'soft', 'middle'),
    ...lines.map((line) => drawLine(line, scale)),
    ...drawLabels(lines, scale),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
  <style>${style}${lineStyle}
  </style>
  <rect class="page" width="${width}" height="${height}" rx="6"/>
  ${text(margin, 34, title, 'title')}
  ${text(margin, 56, subtitle, 'soft')}
  ${parts.join('\n  ')}
</svg>
`;
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10);
}

function drawLevels(top: number, step: number, scale: Scale): string[] {
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const count = Math.round((top - 1) / step);
  return Array.from({ length: count + 1 }, (_, index) => {
    const value = 1 + index * step;
    const y = round(scale.y(value));
    return [
      `<path class="axis" d="M${plot.left} ${y}H${plot.right}"/>`,
      text(plot.left - 10, y + 4.5, value.toFixed(digits), 'soft', 'end'),
    ].join('');
  });
}

function drawLine({ points, ours }: Line, scale: Scale): string {
  const name = ours ? ' ours' : '';
  const at = ({ x, y }: LinePoint) => `${round(scale.x(x))} ${round(scale.y(y))}`;
  const whiskers = points.map(({ x, spread }) => {
    const [middle, low, high] = [scale.x(x), scale.y(spread.min), scale.y(spread.max)].map(round);
    return `M${middle} ${low}V${high}`;
  });
  const dots = points.map(
    ({ x, y }) =>
      `<circle class="dot${name}" cx="${round(scale.x(x))}" cy="${round(scale.y(y))}" r="3.5"/>`,
  );
  return [
    points.length > 1 ? `<path class="curve${name}" d="M${points.map(at).join('L')}"/>` : '',
    whiskers.length > 0 ? `<path class="line" d="${whiskers.join('')}"/>` : '',
    ...dots,
  ].join('');
}

/** At the ends of the lines, one above the other where they would touch. */
function drawLabels(lines: readonly Line[], scale: Scale): string[] {
  const ends = lines.flatMap(({ label, points }) => {
    const last = points.at(-1);
    return last === undefined ? [] : [{ label, x: scale.x(last.x), y: scale.y(last.y) + 4.5 }];
  });
  let above = -Infinity;
  return ends
    .toSorted((a, b) => a.y - b.y)
    .map(({ label, x, y }) => {
      above = Math.max(y, above + 18);
      return text(x + 14, above, label, '');
    });
}
