import { describe, expect, test } from 'vitest';
import {
  addressOf,
  isLeftover,
  planNetwork,
  setupCommands,
} from '../../../../bench/swarm/network/index.ts';

const sketch = {
  prefix: 'starling-swarm-7-1',
  machines: [
    { name: 'tracker' },
    { name: 'seed', rateBytesPerSecond: 5e6 },
    { name: 'host-1', rack: 'rack-1', rateBytesPerSecond: 1.25e6 },
  ],
  racks: [{ name: 'rack-1', uplinkBytesPerSecond: 1e7 }],
};

describe('addresses', () => {
  test('are of 198.18.0.0/15, no two alike, and none ends in 0 or 255', () => {
    const addresses = Array.from({ length: 1_000 }, (_, index) => addressOf(index));
    expect(new Set(addresses).size).toBe(1_000);
    for (const address of addresses) {
      expect(address).toMatch(/^198\.18\.\d{1,3}\.\d{1,3}$/);
      expect(['0', '255']).not.toContain(address.split('.')[3]);
    }
  });
});

describe('a planned network', () => {
  const plan = planNetwork(sketch);
  const lines = setupCommands(plan).flatMap(({ program, namespace = '', lines: each }) =>
    each.map((line) => `${program} ${namespace}: ${line}`),
  );

  test('puts machines in no rack at the core, and others at the bridge of their rack', () => {
    expect(plan.machines.map(({ bridge }) => bridge)).toEqual(['core', 'core', 'rack1']);
  });

  test('has a namespace for each machine and one for all bridges, all with its prefix', () => {
    const made = lines.filter((line) => line.includes('netns add'));
    expect(made).toEqual([
      'ip : netns add starling-swarm-7-1-switch',
      'ip : netns add starling-swarm-7-1-tracker',
      'ip : netns add starling-swarm-7-1-seed',
      'ip : netns add starling-swarm-7-1-host-1',
    ]);
  });

  test('makes no link where the bench runs', () => {
    expect(lines.filter((line) => line.startsWith('ip : link'))).toEqual([]);
  });

  test('shapes both ends of each link and uplink, and not that of the tracker', () => {
    const shapers = lines.filter((line) => line.includes('tbf')).map((line) => line.slice(0, 90));
    const shaped = shapers.map((line) =>
      /-(\S+): qdisc add dev (\S+) root tbf rate (\S+)/.exec(line),
    );
    expect(shaped.map((match) => match?.slice(1).join(' '))).toEqual([
      'swarm-7-1-switch up1 80000000bit',
      'swarm-7-1-switch down1 80000000bit',
      'swarm-7-1-switch port2 40000000bit',
      'swarm-7-1-switch port3 10000000bit',
      'swarm-7-1-seed eth0 40000000bit',
      'swarm-7-1-host-1 eth0 10000000bit',
    ]);
  });

  test('names its links so that the kernel takes them', () => {
    const many = planNetwork({
      ...sketch,
      machines: Array.from({ length: 1_000 }, (_, index) => ({ name: `host-${index}` })),
    });
    for (const { port } of many.machines) expect(port.length).toBeLessThan(16);
  });

  test('is refused when a machine stands in a rack that there is not', () => {
    const machines = [{ name: 'host-1', rack: 'rack-9' }];
    expect(() => planNetwork({ ...sketch, machines })).toThrow(/no rack "rack-9"/);
  });
});

describe('a leftover', () => {
  test('has the name of a bench whose process is gone', () => {
    const runs = (pid: number) => pid === 1;
    expect(isLeftover('starling-swarm-2-1-seed', runs)).toBe(true);
    expect(isLeftover('starling-swarm-1-1-seed', runs)).toBe(false);
    expect(isLeftover('somebody-else-2-1-seed', runs)).toBe(false);
  });
});
