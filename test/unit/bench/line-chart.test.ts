import { expect, test } from 'vitest';
import { lineChart, type LinePoint } from '../../../bench/report/index.ts';

const point = (x: number, y: number): LinePoint => ({ x, y, spread: { min: y, max: y + 0.01 } });

const chart = (points: readonly LinePoint[]): string =>
  lineChart({
    title: 'a < b',
    subtitle: '',
    xLabel: 'hosts',
    yLabel: 'times',
    lines: [{ label: 'last', ours: true, points }],
  });

test('a line chart has a point for each value, equally far apart where each is ten times the last', () => {
  const svg = chart([point(10, 1.1), point(100, 1.2), point(1_000, 1.15)]);
  const xs = [...svg.matchAll(/cx="([\d.]+)"/g)].map(([, x]) => Number(x));
  expect(xs).toHaveLength(3);
  expect(xs[1]! - xs[0]!).toBeCloseTo(xs[2]! - xs[1]!, 0);
  expect(svg).toContain('a &lt; b');
  expect(svg).toContain('>1,000<');
});

test.each([0, 1])('a line chart can be drawn of %i points', (count) => {
  const svg = chart([point(10, 1.1)].slice(0, count));
  expect(svg.match(/<circle/g)?.length ?? 0).toBe(count);
  expect(svg).not.toContain('NaN');
});
