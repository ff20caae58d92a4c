import type { DataLanes } from './data/data-lanes.ts';
import type { Transport } from './data/data-protocol.ts';
import type { ExchangeInit } from './exchange-init.ts';

export type ListenersInit = Pick<ExchangeInit, 'host' | 'port' | 'openPort' | 'seal' | 'open'>;

/** Where this host takes connections: sealed ones of its fleet, plain ones of anybody, or both. */
export class Listeners {
  /** How this host connects to others. There is no way from sealed to plain. */
  readonly transport: Transport;
  readonly #lanes: DataLanes;
  readonly #init: ListenersInit;
  readonly #ports = new Map<Transport, number>();

  constructor(components: { lanes: DataLanes }, init: ListenersInit) {
    this.#lanes = components.lanes;
    this.#init = init;
    this.transport = init.seal === undefined ? 'plain' : 'sealed';
  }

  /** @throws ConfigError CONFIG_IN_USE when an address can't be listened on */
  async open(): Promise<void> {
    const { port, openPort, seal, open } = this.#init;
    if (seal !== undefined) await this.#listen('sealed', port);
    if (open) await this.#listen('plain', seal === undefined ? port : openPort);
  }

  async #listen(transport: Transport, port: number): Promise<void> {
    const { host } = this.#init;
    this.#ports.set(transport, await this.#lanes.listen({ transport, host, port }));
  }

  /** Those that are open. */
  get ports(): ReadonlyMap<Transport, number> {
    return this.#ports;
  }

  /** The port of the sealed listener, or, without one, of the plain one. */
  get port(): number {
    return this.#ports.get(this.transport) ?? 0;
  }

  /** The port for ordinary clients, if there is one. */
  get openPort(): number | undefined {
    return this.#ports.get('plain');
  }
}
