import { isInstalled } from '../../process/index.ts';
import { readCounts, runBatch, type LinkCount } from './ip-commands.ts';
import { ownPrefix } from './leftovers.ts';
import {
  machineLink,
  planNetwork,
  type NetworkPlan,
  type NetworkSketch,
  type PlannedMachine,
} from './network-plan.ts';
import { removalCommands, setupCommands } from './setup-commands.ts';

/** What left by each link since the network was made. */
export interface NetworkCounts {
  /** By machine: what it sent and what was sent to it. Of an unshaped link nothing is known. */
  readonly machines: ReadonlyMap<string, { readonly up: LinkCount; readonly down: LinkCount }>;
  /** By rack: what left it and what came into it. */
  readonly racks: ReadonlyMap<string, { readonly out: LinkCount; readonly in: LinkCount }>;
}

const none: LinkCount = { bytes: 0, packets: 0, drops: 0 };

/** Machines as network namespaces, on shaped links to bridges in a namespace of their own. */
export class ShapedNetwork implements AsyncDisposable {
  readonly #plan: NetworkPlan;
  readonly #machines: ReadonlyMap<string, PlannedMachine>;

  private constructor(plan: NetworkPlan) {
    this.#plan = plan;
    this.#machines = new Map(plan.machines.map((machine) => [machine.name, machine]));
  }

  /** Makes a network. All processes in it must have ended when it is disposed of. */
  static async open(
    sketch: Omit<NetworkSketch, 'prefix'>,
    { signal }: { signal: AbortSignal },
  ): Promise<ShapedNetwork> {
    const network = new ShapedNetwork(planNetwork({ ...sketch, prefix: ownPrefix() }));
    try {
      for (const batch of setupCommands(network.#plan)) {
        signal.throwIfAborted();
        await runBatch(batch);
      }
      return network;
    } catch (error) {
      // Some of it may never have been made.
      await network[Symbol.asyncDispose]().catch(() => undefined);
      throw error;
    }
  }

  address(machine: string): string {
    return this.#machine(machine).address;
  }

  /** The command that runs another on a machine, as the same process. */
  on(machine: string, command: readonly [string, ...string[]]): [string, ...string[]] {
    return ['ip', 'netns', 'exec', this.#machine(machine).namespace, ...command];
  }

  /** What was sent to each machine: one look at the switch. */
  async countsAtSwitch(): Promise<ReadonlyMap<string, LinkCount>> {
    const counts = await readCounts(this.#plan.switch);
    return new Map(
      this.#plan.machines.map(({ name, port }) => [name, counts.get(port) ?? none] as const),
    );
  }

  /** What a machine sent. */
  async sentBy(machine: string): Promise<LinkCount> {
    return (await readCounts(this.#machine(machine).namespace)).get(machineLink) ?? none;
  }

  async counts(): Promise<NetworkCounts> {
    const { machines, racks } = this.#plan;
    const atSwitch = await readCounts(this.#plan.switch);
    const of = (link: string) => atSwitch.get(link) ?? none;
    const ups = await Promise.all(machines.map(({ name }) => this.sentBy(name)));
    return {
      machines: new Map(
        machines.map(({ name, port }, index) => [name, { up: ups[index] ?? none, down: of(port) }]),
      ),
      racks: new Map(
        racks.map(({ name, rackEnd, coreEnd }) => [name, { out: of(rackEnd), in: of(coreEnd) }]),
      ),
    };
  }

  #machine(name: string): PlannedMachine {
    const machine = this.#machines.get(name);
    if (machine !== undefined) return machine;
    throw new RangeError(`there is no machine "${name}"`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { program, lines } = removalCommands(this.#plan);
    const failures: unknown[] = [];
    // Each by itself, so that one that was never made does not keep the others.
    for (const line of lines) {
      await runBatch({ program, lines: [line] }).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, 'the network was not removed');
  }
}

/** Why no such network can be made here; undefined when it can. Makes a small one and removes it. */
export async function missingNetwork(options: {
  signal: AbortSignal;
}): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const program of ['ip', 'tc']) {
    if (!isInstalled(program, '-V')) return `${program} (iproute2) is not installed`;
  }
  try {
    const machines = [{ name: 'probe', rateBytesPerSecond: 1e6 }];
    await using network = await ShapedNetwork.open({ machines, racks: [] }, options);
    await network.counts();
    return undefined;
  } catch (error) {
    options.signal.throwIfAborted();
    return `this machine lets us make no shaped network: ${error instanceof Error ? error.message : String(error)}`;
  }
}
