/**
 * What benches share when they tell what they found: medians and ratios, a table for people, a
 * chart, and files. What is measured is not decided here.
 */
export { barChart, type Bar, type BarChart, type BarGroup } from './bar-chart.ts';
export { lineChart, type Line, type LineChart, type LinePoint } from './line-chart.ts';
export { thisMachine, type Machine } from './machine.ts';
export { mediansOf, shortened, type Medians } from './medians.ts';
export { writeResults, type BenchResult } from './results.ts';
export {
  median,
  quantile,
  ratiosByRound,
  spreadOf,
  toDigits,
  type ByRound,
  type Spread,
} from './statistics.ts';
export { table, type Column } from './table.ts';
