import * as z from 'zod';
import {
  hostPinsSchema,
  preheatSchema,
  preheatsSchema,
  rolloutHostsSchema,
  rolloutPreviewSchema,
  rolloutSchema,
  rolloutsSchema,
  type FleetHostPins,
  type FleetPinChange,
  type FleetPreheat,
  type FleetRollout,
  type FleetRolloutAction,
  type FleetRolloutHosts,
  type FleetRolloutPreview,
  type FleetRollouts,
  type PreheatRequest,
  type RolloutPreviewRequest,
} from './rollout-schemas.ts';
import type { MutationOptions, RequestOptions, TrackerClient } from './tracker-client.ts';

/** Which rollout: each channel has one. */
export interface RolloutName {
  readonly app: string;
  readonly channel: string;
}

/** What an operator sees of rollouts and does to them. Errors as `TrackerClient`. */
export class RolloutClient {
  readonly #tracker: TrackerClient;

  constructor(components: { readonly tracker: TrackerClient }) {
    this.#tracker = components.tracker;
  }

  /** A page of rollouts; `after` is what the page before called `next`. */
  list(
    page: { readonly after?: string | undefined } = {},
    options: RequestOptions = {},
  ): Promise<FleetRollouts> {
    return this.#tracker.call(rolloutsSchema, { path: `/v1/rollouts${queryOf(page)}` }, options);
  }

  show(name: RolloutName, options: RequestOptions = {}): Promise<FleetRollout> {
    return this.#tracker.call(rolloutSchema, { path: pathOf(name) }, options);
  }

  /** A page of the hosts of a rollout. */
  hosts(
    name: RolloutName,
    page: { readonly after?: string | undefined } = {},
    options: RequestOptions = {},
  ): Promise<FleetRolloutHosts> {
    const path = `${pathOf(name)}/hosts${queryOf(page)}`;
    return this.#tracker.call(rolloutHostsSchema, { path }, options);
  }

  /** @returns the rollout as it is stored then */
  act(
    name: RolloutName,
    action: FleetRolloutAction,
    options: MutationOptions = {},
  ): Promise<FleetRollout> {
    const call = { method: 'POST', path: `${pathOf(name)}/actions`, body: action } as const;
    return this.#tracker.call(rolloutSchema, call, options);
  }

  /** Which hosts would move in which wave. Nothing is changed. */
  preview(
    request: RolloutPreviewRequest,
    options: MutationOptions = {},
  ): Promise<FleetRolloutPreview> {
    const call = { method: 'POST', path: '/v1/rollouts/preview', body: request } as const;
    return this.#tracker.call(rolloutPreviewSchema, call, options);
  }

  /** Has hosts fetch an image before it is released. @returns how many have it by now */
  preheat(request: PreheatRequest, options: MutationOptions = {}): Promise<FleetPreheat> {
    const call = { method: 'POST', path: '/v1/preheats', body: request } as const;
    return this.#tracker.call(preheatSchema, call, options);
  }

  async endPreheat(
    { app, imageId }: { readonly app: string; readonly imageId: string },
    options: MutationOptions = {},
  ): Promise<void> {
    const path = `/v1/preheats/${encodeURIComponent(app)}/${encodeURIComponent(imageId)}`;
    await this.#tracker.call(z.object({}), { method: 'DELETE', path }, options);
  }

  async preheats(options: RequestOptions = {}): Promise<readonly FleetPreheat[]> {
    const call = { path: '/v1/preheats' } as const;
    return (await this.#tracker.call(preheatsSchema, call, options)).preheats;
  }

  /** Pins or holds a host, or lets it go. @returns what holds then */
  pin(
    peerId: string,
    change: FleetPinChange,
    options: MutationOptions = {},
  ): Promise<FleetHostPins> {
    const path = `/v1/hosts/${encodeURIComponent(peerId)}/pins`;
    return this.#tracker.call(hostPinsSchema, { method: 'POST', path, body: change }, options);
  }
}

const pathOf = ({ app, channel }: RolloutName): string =>
  `/v1/rollouts/${encodeURIComponent(app)}/${encodeURIComponent(channel)}`;

const queryOf = ({ after }: { readonly after?: string | undefined }): string =>
  after === undefined ? '' : `?after=${encodeURIComponent(after)}`;
