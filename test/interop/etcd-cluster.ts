import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { eventually } from '../tools/eventually.ts';
import { freePort } from '../tools/free-port.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';

const host = '127.0.0.1';
/** A cluster in one machine agrees quickly. */
const speed = ['--heartbeat-interval', '20', '--election-timeout', '200'];

export interface EtcdClusterInit {
  /** More of etcd's own flags. */
  readonly flags?: readonly string[] | undefined;
  /** Clients speak TLS; its files are in `flags`. */
  readonly hasTls?: boolean | undefined;
}

interface MemberPlace {
  readonly name: string;
  readonly port: number;
  readonly peerPort: number;
  readonly directory: string;
}

/** Real etcd, one or more members at 127.0.0.1. */
export class EtcdCluster implements AsyncDisposable {
  readonly members: readonly EtcdMember[];

  private constructor(members: readonly EtcdMember[]) {
    this.members = members;
  }

  /** A cluster that ends with the test. */
  static async forTest(size: number, init: EtcdClusterInit = {}): Promise<EtcdCluster> {
    const cluster = await EtcdCluster.start(await temporaryDirectory(), size, init);
    onTestFinished(() => cluster[Symbol.asyncDispose]());
    return cluster;
  }

  static async start(
    directory: string,
    size: number,
    init: EtcdClusterInit = {},
  ): Promise<EtcdCluster> {
    const places: MemberPlace[] = [];
    for (let index = 0; index < size; index++) {
      const name = `m${index}`;
      const [port, peerPort] = [await freePort(), await freePort()];
      places.push({ name, port, peerPort, directory: join(directory, name) });
    }
    const peers = places.map(({ name, peerPort }) => `${name}=http://${host}:${peerPort}`);
    const members = places.map((place) => new EtcdMember(place, peers.join(','), init));
    const cluster = new EtcdCluster(members);
    try {
      await Promise.all(members.map((member) => member.start()));
      // With TLS it is the store that is waited for.
      if (!init.hasTls) await Promise.all(members.map((member) => member.untilHealthy()));
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `host:port` of each member. */
  get hosts(): string[] {
    return this.members.map(({ address }) => address);
  }

  async leader(): Promise<EtcdMember> {
    return await eventually('there is a leader', async () => {
      for (const member of this.members) if (await member.leads()) return member;
      return undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }
}

export class EtcdMember {
  readonly #place: MemberPlace;
  readonly #peers: string;
  readonly #init: EtcdClusterInit;
  #process: ChildProcess | undefined;

  constructor(place: MemberPlace, peers: string, init: EtcdClusterInit) {
    this.#place = place;
    this.#peers = peers;
    this.#init = init;
  }

  get address(): string {
    return `${host}:${this.#place.port}`;
  }

  /** Starts it, also again, with what it has on disk. */
  async start(): Promise<void> {
    const { name, port, peerPort, directory } = this.#place;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const log = await open(`${directory}.log`, 'a');
    const { flags = [], hasTls = false } = this.#init;
    const client = `http${hasTls ? 's' : ''}://${host}:${port}`;
    const peer = `http://${host}:${peerPort}`;
    const args = [
      ...['--name', name, '--data-dir', directory],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', this.#peers, '--initial-cluster-state', 'new'],
      ...speed,
      ...flags,
    ];
    this.#process = spawn('etcd', args, { stdio: ['ignore', log.fd, log.fd] });
    await once(this.#process, 'spawn');
    await log.close();
  }

  async untilHealthy(): Promise<void> {
    await eventually(`etcd answers at ${this.address}`, async () => {
      if (this.#process?.exitCode != null) {
        throw new Error(`etcd ended: ${await readFile(`${this.#place.directory}.log`, 'utf8')}`);
      }
      const answer = await fetch(`http://${this.address}/health`).catch(() => undefined);
      return answer?.ok ? true : undefined;
    });
  }

  async leads(): Promise<boolean> {
    const answer = await fetch(`http://${this.address}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
    }).catch(() => undefined);
    if (!answer?.ok) return false;
    const status = (await answer.json()) as { leader?: string; header: { member_id: string } };
    return status.leader === status.header.member_id;
  }

  /** Lets it stand still, with its connections open. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}
