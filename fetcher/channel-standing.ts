import type { ChannelStatus } from '../src/api/index.ts';
import { isStarlingError, type RepositoryError } from '../src/errors.ts';
import { unmetNeeds } from './needs.ts';

export type ChannelState = ChannelStatus['state'];

export interface ChannelFault {
  readonly code: string;
  readonly message: string;
  /** What is wrong with each need that is not met. */
  readonly needs?: Record<string, string>;
}

export interface FaultEvent {
  readonly event: 'fault';
  readonly state: ChannelState;
  readonly code: string;
  readonly message: string;
}

/**
 * What is done for a channel, and why it does not go on. That its metadata is refused is beside that:
 * when it is accepted again things are as they were.
 */
export class ChannelStanding {
  readonly #onFault: (event: FaultEvent) => void;
  #state: ChannelState = 'following';
  #fault: ChannelFault | undefined;
  #refusal: ChannelFault | undefined;

  constructor(components: { readonly onFault: (event: FaultEvent) => void }) {
    this.#onFault = components.onFault;
  }

  /** What is done, whether or not the metadata is refused. */
  get state(): ChannelState {
    return this.#state;
  }

  /** Why the newest release is not what runs, beside that it is on its way or not permitted. */
  get reason(): string | undefined {
    const isTold = ['failed', 'waiting', 'waiting-for-settings'].includes(this.#state);
    return isTold ? this.#fault?.message : undefined;
  }

  /** As operators are told. */
  describe(): Pick<ChannelStatus, 'state' | 'fault'> {
    if (this.#refusal !== undefined) return { state: 'refused', fault: this.#refusal };
    return { state: this.#state, fault: this.#fault };
  }

  set(state: ChannelState, fault?: ChannelFault): void {
    this.#state = state;
    this.#fault = fault;
  }

  /** It waits or has failed for this reason, which is told once. */
  setFault(state: ChannelState, error: unknown): void {
    const fault = faultOf(error);
    const isKnown = this.#state === state && this.#fault?.message === fault.message;
    this.set(state, fault);
    if (!isKnown) this.#tell(state, fault);
  }

  /** The metadata was refused as a whole, or (without an error) accepted. */
  setRefusal(error: RepositoryError | undefined): void {
    const fault = error && faultOf(error);
    const isKnown = this.#refusal?.message === fault?.message;
    this.#refusal = fault;
    if (fault !== undefined && !isKnown) this.#tell('refused', fault);
  }

  #tell(state: ChannelState, { code, message }: ChannelFault): void {
    this.#onFault({ event: 'fault', state, code, message });
  }
}

function faultOf(error: unknown): ChannelFault {
  const code = isStarlingError(error) ? error.code : 'FAILED';
  const message = error instanceof Error ? error.message : String(error);
  const needs = unmetNeeds(error);
  return { code, message, ...(needs === undefined ? {} : { needs: { ...needs } }) };
}
