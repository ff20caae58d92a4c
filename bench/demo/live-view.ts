import cliProgress from 'cli-progress';
import { formatBytes } from '../../src/cli/index.ts';
import type { Host } from './host.ts';

const redrawMs = 200;
const lineMs = 1_000;

/** Shows a swarm while it works: a bar for each host on a terminal, a line a second elsewhere. */
export class LiveView {
  readonly #hosts: readonly Host[];
  readonly #imageId: string;
  readonly #timer: NodeJS.Timeout;
  #bars: { all: cliProgress.MultiBar; each: cliProgress.SingleBar[] } | undefined;

  constructor(hosts: readonly Host[], imageId: string) {
    this.#hosts = hosts;
    this.#imageId = imageId;
    const terminal = process.stdout.isTTY;
    if (terminal) this.#bars = this.#makeBars();
    this.#timer = setInterval(
      () => {
        this.#show();
      },
      terminal ? redrawMs : lineMs,
    );
  }

  #makeBars(): { all: cliProgress.MultiBar; each: cliProgress.SingleBar[] } {
    const all = new cliProgress.MultiBar(
      {
        stream: process.stdout,
        hideCursor: true,
        format: '  {host} {bar} {percentage}% | {seeder} from the seeder | {peers} from peers',
        barCompleteChar: '#',
        barIncompleteChar: '.',
        barsize: 30,
      },
      cliProgress.Presets.legacy,
    );
    const each = this.#hosts.map((host) => all.create(1, 0, this.#figures(host)));
    return { all, each };
  }

  #figures(host: Host): { host: string; seeder: string; peers: string } {
    const { fromSeederBytes, receivedBytes } = host.transfer(this.#imageId);
    return {
      host: host.name,
      seeder: formatBytes(fromSeederBytes).padStart(8),
      peers: formatBytes(receivedBytes - fromSeederBytes).padStart(8),
    };
  }

  #show(): void {
    if (this.#bars === undefined) {
      const parts = this.#hosts.map((host) => {
        const { verifiedBytes, sizeBytes } = host.transfer(this.#imageId);
        return `${Math.floor((verifiedBytes / Math.max(1, sizeBytes)) * 100)}%`.padStart(4);
      });
      process.stdout.write(`  verified on each host: ${parts.join(' ')}\n`);
      return;
    }
    this.#hosts.forEach((host, index) => {
      const { verifiedBytes, sizeBytes } = host.transfer(this.#imageId);
      const bar = this.#bars?.each[index];
      bar?.setTotal(Math.max(1, sizeBytes));
      bar?.update(verifiedBytes, this.#figures(host));
    });
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#show();
    this.#bars?.all.stop();
  }
}
