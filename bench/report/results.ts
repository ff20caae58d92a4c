import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What every bench says as its last line, and writes. */
export interface BenchResult {
  readonly bench: string;
}

/** Writes a bench's result and chart as `DIR/NAME.json` and `DIR/NAME.svg`. @returns both paths */
export async function writeResults(
  directory: string,
  result: BenchResult,
  chart: string,
): Promise<{ json: string; svg: string }> {
  await mkdir(directory, { recursive: true });
  const json = join(directory, `${result.bench}.json`);
  const svg = join(directory, `${result.bench}.svg`);
  await writeFile(json, `${JSON.stringify(result, undefined, 2)}\n`);
  await writeFile(svg, chart);
  return { json, svg };
}
