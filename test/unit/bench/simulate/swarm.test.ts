import { describe, expect, test } from 'vitest';
import { defaultConfig } from '../../../../bench/simulate/config.ts';
import { Fleet } from '../../../../bench/simulate/fleet.ts';
import { policyGraph } from '../../../../bench/simulate/peer-graph.ts';
import { runOnce } from '../../../../bench/simulate/run-once.ts';
import { scenarios } from '../../../../bench/simulate/scenarios.ts';
import { Swarm } from '../../../../bench/simulate/swarm.ts';
import type { SwarmSpec } from '../../../../bench/simulate/swarm-state.ts';

const { signal } = new AbortController();

const small: SwarmSpec = {
  fleet: new Fleet({ seeds: 1, hosts: 60, hostBytesPerSecond: 1e6 }),
  pieces: 80,
  pieceBytes: 1e5,
  graph: policyGraph(),
  uploads: 4,
  latencySeconds: [1e-3, 1e-3, 1e-3],
  tolerance: 0.02,
  seed: 1,
};

const run = (spec: Partial<SwarmSpec> = {}) => new Swarm({ ...small, ...spec }).run({ signal });

/** A scenario with 100 hosts, which is enough for all of its parts. */
const runScenario = (name: string) => {
  const scenario = scenarios.find((other) => other.name === name)!;
  const size = { hosts: 100, pieces: 100, seed: 1, ...scenario.fixedSize };
  return runOnce({ scenario, size, config: defaultConfig }, { signal });
};

describe('a simulated swarm', () => {
  test('comes out the same to the byte for the same seed, and otherwise for another', async () => {
    const [one, same, other] = [await run(), await run(), await run({ seed: 2 })];
    expect(Buffer.from(same.completedSeconds.buffer)).toEqual(
      Buffer.from(one.completedSeconds.buffer),
    );
    expect(same.carriedBytes).toEqual(one.carriedBytes);
    expect(same.events).toBe(one.events);
    expect(other.completedSeconds).not.toEqual(one.completedSeconds);
  });

  test('brings everything to everybody, and little of it twice', async () => {
    const { completedSeconds, carriedBytes, duplicates } = await run();
    const { fleet, pieces, pieceBytes } = small;
    expect(completedSeconds.slice(1).every((seconds) => seconds > 0)).toBe(true);
    expect(duplicates).toBeLessThan(0.02 * pieces * 60);
    for (let host = 1; host < fleet.hosts; host++) {
      expect(carriedBytes[fleet.downLink(host)]).toBeGreaterThan(0.999 * pieces * pieceBytes);
    }
  });

  test('ends for the others when hosts die', async () => {
    const deaths = new Map([
      [3, 0.5],
      [17, 2],
      [40, 7],
    ]);
    const { completedSeconds, alive } = await run({ deaths });
    for (let host = 1; host < small.fleet.hosts; host++) {
      expect(Number.isNaN(completedSeconds[host])).toBe(deaths.has(host));
      expect(alive[host]).toBe(deaths.has(host) ? 0 : 1);
    }
  });

  test.each(scenarios.map(({ name }) => name))('needs a sane time: %s', async (name) => {
    const figures = await runScenario(name);
    expect(figures.medianOverBound).toBeGreaterThanOrEqual(1);
    expect(figures.medianOverBound).toBeLessThan(2.5);
    expect(figures.lastOverBound).toBeLessThan(4);
    expect(figures.seedCopies).toBeGreaterThanOrEqual(1);
  });

  test('brings a piece into a rack about once: gateways share out what comes from others', async () => {
    const { uplinkCopies } = await runScenario('racks');
    expect(uplinkCopies).toBeGreaterThanOrEqual(1);
    expect(uplinkCopies).toBeLessThan(2);
  });

  test('stops when it is told to', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(new Swarm(small).run({ signal: controller.signal })).rejects.toThrow(/abort/);
  });
});
