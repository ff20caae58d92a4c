import { ConfigError } from '../../../src/errors.ts';

/** A machine and its link. */
export interface MachineSketch {
  readonly name: string;
  /** The rack that it stands in; undefined: at the core. */
  readonly rack?: string | undefined;
  /** Of its link, each way, in bytes of frames; undefined: as fast as the machine can. */
  readonly rateBytesPerSecond?: number | undefined;
}

/** A rack and its uplink. */
export interface RackSketch {
  readonly name: string;
  /** Each way, in bytes of frames. */
  readonly uplinkBytesPerSecond: number;
}

export interface NetworkSketch {
  /** Starts all names; those of two networks at a time must differ. */
  readonly prefix: string;
  readonly machines: readonly MachineSketch[];
  readonly racks: readonly RackSketch[];
}

export interface PlannedMachine extends MachineSketch {
  readonly namespace: string;
  readonly address: string;
  /** Its port at the switch. */
  readonly port: string;
  readonly bridge: string;
}

export interface PlannedRack extends RackSketch {
  readonly bridge: string;
  /** The end of its uplink at the rack, and that at the core. */
  readonly rackEnd: string;
  readonly coreEnd: string;
}

export interface NetworkPlan {
  /** The namespace of all bridges. */
  readonly switch: string;
  readonly core: string;
  readonly machines: readonly PlannedMachine[];
  readonly racks: readonly PlannedRack[];
}

/** The network for benchmarks of RFC 2544: nothing else has such addresses. */
export const subnetBits = 15;
const machinesPerByte = 250;
const mostMachines = 250 * 250;

/** The interface of a machine, within its namespace. */
export const machineLink = 'eth0';

/** Gives machines and racks their names and addresses. @throws ConfigError when a rack is unknown */
export function planNetwork({ prefix, machines, racks }: NetworkSketch): NetworkPlan {
  if (machines.length > mostMachines) {
    throw new ConfigError('CONFIG_INVALID', `there are no addresses for ${machines.length} hosts`);
  }
  const core = 'core';
  const plannedRacks = racks.map((rack, index) => ({
    ...rack,
    bridge: `rack${index + 1}`,
    rackEnd: `up${index + 1}`,
    coreEnd: `down${index + 1}`,
  }));
  const bridgeOf = (rack: string | undefined): string => {
    if (rack === undefined) return core;
    const found = plannedRacks.find(({ name }) => name === rack);
    if (found !== undefined) return found.bridge;
    throw new ConfigError('CONFIG_INVALID', `there is no rack "${rack}"`);
  };
  return {
    switch: `${prefix}-switch`,
    core,
    machines: machines.map((machine, index) => ({
      ...machine,
      namespace: `${prefix}-${machine.name}`,
      address: addressOf(index),
      port: `port${index + 1}`,
      bridge: bridgeOf(machine.rack),
    })),
    racks: plannedRacks,
  };
}

/** 198.18.1.1 and on; no address ends in 0 or in more than 250. */
export const addressOf = (index: number): string =>
  `198.18.${1 + Math.floor(index / machinesPerByte)}.${1 + (index % machinesPerByte)}`;
