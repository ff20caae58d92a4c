import type { Spread } from './statistics.ts';
import { drawText as text, escaped, round, style } from './svg.ts';

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** Drawn as a whisker. */
  readonly spread: Spread;
  /** Whether it is ours. */
  readonly ours: boolean;
}

export interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

export interface BarChart {
  readonly title: string;
  readonly subtitle: string;
  readonly unit: string;
  /** How many digits of a value are shown after the point; none else. */
  readonly digits?: number;
  readonly groups: readonly BarGroup[];
}

const width = 760;
const margin = 24;
const labelWidth = 130;
const valueWidth = 150;
const barHeight = 18;
const barStep = 26;
const headHeight = 74;
const groupHeadHeight = 36;

/** Horizontal bars in groups, all to one scale, as SVG that suits light and dark pages. */
export function barChart({ title, subtitle, unit, digits = 0, groups }: BarChart): string {
  const largest = Math.max(1, ...groups.flatMap(({ bars }) => bars.map((bar) => bar.spread.max)));
  const scale = (width - 2 * margin - labelWidth - valueWidth) / largest;
  const parts: string[] = [];
  let top = headHeight;
  for (const group of groups) {
    parts.push(text(margin, top + 22, group.title, 'group'));
    top += groupHeadHeight;
    for (const [index, bar] of group.bars.entries()) {
      parts.push(drawBar(bar, { top: top + index * barStep, scale, unit, digits }));
    }
    const bottom = top + group.bars.length * barStep;
    const left = margin + labelWidth;
    parts.push(`<path class="axis" d="M${left - 0.5} ${top - 4}V${bottom - 2}"/>`);
    top = bottom + 10;
  }
  const height = top + margin / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
  <style>${style}
  </style>
  <rect class="page" width="${width}" height="${height}" rx="6"/>
  ${text(margin, 34, title, 'title')}
  ${text(margin, 56, subtitle, 'soft')}
  ${parts.join('\n  ')}
</svg>
`;
}

interface BarPlace {
  readonly top: number;
  readonly scale: number;
  readonly unit: string;
  readonly digits: number;
}

function drawBar(bar: Bar, { top, scale, unit, digits }: BarPlace): string {
  const left = margin + labelWidth;
  const middle = top + barHeight / 2;
  const baseline = middle + 4.5;
  const [from, to, end] = [bar.spread.min, bar.spread.max, bar.value].map((value) =>
    round(value * scale),
  ) as [number, number, number];
  const whisker = `M${left + from} ${middle}H${left + to}M${left + from} ${middle - 4}v8M${left + to} ${middle - 4}v8`;
  return [
    text(left - 10, baseline, bar.label, '', 'end'),
    `<rect class="${bar.ours ? 'ours' : 'bar'}" x="${left}" y="${top}" width="${end}" height="${barHeight}"/>`,
    `<path class="line" d="${whisker}"/>`,
    text(left + Math.max(end, to) + 10, baseline, `${bar.value.toFixed(digits)} ${unit}`, ''),
  ].join('');
}
