import * as z from 'zod';
import {
  appSettingsOfFleetSchema,
  createdOperatorSchema,
  createdTokenSchema,
  fleetMemberSchema,
  fleetMembersSchema,
  invitationSchema,
  joinTokensSchema,
  operatorsSchema,
  revokedSchema,
  settingChangedSchema,
  type AppSettingsOfFleet,
  type CreatedJoinToken,
  type CreatedOperator,
  type FleetJoinToken,
  type FleetMember,
  type FleetMembers,
  type FleetOperator,
  type Invitation,
  type MemberGrant,
  type OperatorRequest,
  type TokenRequest,
} from './fleet-schemas.ts';
import type { MutationOptions, RequestOptions, TrackerClient } from './tracker-client.ts';

/** What an operator does to a fleet, over a tracker's REST interface. Errors as `TrackerClient`. */
export class FleetClient {
  readonly #tracker: TrackerClient;

  constructor(components: { readonly tracker: TrackerClient }) {
    this.#tracker = components.tracker;
  }

  /** Makes a token by which one host can join. */
  createToken(request: TokenRequest, options: MutationOptions = {}): Promise<CreatedJoinToken> {
    return this.#tracker.call(
      createdTokenSchema,
      { method: 'POST', path: '/v1/tokens', body: request },
      options,
    );
  }

  async tokens(options: RequestOptions = {}): Promise<readonly FleetJoinToken[]> {
    return (await this.#tracker.call(joinTokensSchema, { path: '/v1/tokens' }, options)).tokens;
  }

  async removeToken(id: string, options: MutationOptions = {}): Promise<void> {
    const path = `/v1/tokens/${encodeURIComponent(id)}`;
    await this.#tracker.call(z.object({}), { method: 'DELETE', path }, options);
  }

  /** What a host needs to ask whether it may belong. */
  invitation(options: RequestOptions = {}): Promise<Invitation> {
    return this.#tracker.call(invitationSchema, { path: '/v1/invitation' }, options);
  }

  /** A page of members; `after` is what the page before called `next`. */
  members(
    page: { readonly after?: string | undefined } = {},
    options: RequestOptions = {},
  ): Promise<FleetMembers> {
    const query = page.after === undefined ? '' : `?after=${encodeURIComponent(page.after)}`;
    return this.#tracker.call(fleetMembersSchema, { path: `/v1/members${query}` }, options);
  }

  /** Lets a peer in, or changes what it may do. */
  approve(peerId: string, grant: MemberGrant, options: MutationOptions = {}): Promise<FleetMember> {
    const path = `/v1/members/${encodeURIComponent(peerId)}`;
    return this.#tracker.call(fleetMemberSchema, { method: 'PUT', path, body: grant }, options);
  }

  /** For good. @returns the number of the revocation list */
  async revoke(peerId: string, options: MutationOptions = {}): Promise<number> {
    const path = `/v1/members/${encodeURIComponent(peerId)}`;
    return (await this.#tracker.call(revokedSchema, { method: 'DELETE', path }, options)).number;
  }

  /** Forgets a member whose host is gone. Its credential is good until it ends: see `revoke`. */
  async removeMember(peerId: string, options: MutationOptions = {}): Promise<void> {
    const path = `/v1/members/${encodeURIComponent(peerId)}/removal`;
    await this.#tracker.call(z.object({}), { method: 'POST', path }, options);
  }

  /** Makes an operator of all trackers of the fleet. */
  createOperator(
    request: OperatorRequest,
    options: MutationOptions = {},
  ): Promise<CreatedOperator> {
    const call = { method: 'POST', path: '/v1/operators', body: request } as const;
    return this.#tracker.call(createdOperatorSchema, call, options);
  }

  /** All but `admin`, of which each tracker has its own. */
  async operators(options: RequestOptions = {}): Promise<readonly FleetOperator[]> {
    const path = '/v1/operators';
    return (await this.#tracker.call(operatorsSchema, { path }, options)).operators;
  }

  /** Its token is good no more, at any tracker. */
  async revokeOperator(name: string, options: MutationOptions = {}): Promise<void> {
    const path = `/v1/operators/${encodeURIComponent(name)}`;
    await this.#tracker.call(z.object({}), { method: 'DELETE', path }, options);
  }

  /** @returns the app's new revision, when the change is on disk at the tracker */
  async setSetting(
    at: { readonly app: string; readonly name: string; readonly zone?: string | undefined },
    value: string,
    options: MutationOptions = {},
  ): Promise<number> {
    const call = { method: 'PUT', path: settingPath(at), body: { value } } as const;
    return (await this.#tracker.call(settingChangedSchema, call, options)).revision;
  }

  /** @returns the app's new revision */
  async removeSetting(
    at: { readonly app: string; readonly name: string; readonly zone?: string | undefined },
    options: MutationOptions = {},
  ): Promise<number> {
    const call = { method: 'DELETE', path: settingPath(at) } as const;
    return (await this.#tracker.call(settingChangedSchema, call, options)).revision;
  }

  settings(app: string, options: RequestOptions = {}): Promise<AppSettingsOfFleet> {
    const path = `/v1/apps/${encodeURIComponent(app)}/settings`;
    return this.#tracker.call(appSettingsOfFleetSchema, { path }, options);
  }
}

function settingPath(at: { app: string; name: string; zone?: string | undefined }): string {
  const path = `/v1/apps/${encodeURIComponent(at.app)}/settings/${encodeURIComponent(at.name)}`;
  return at.zone === undefined ? path : `${path}?zone=${encodeURIComponent(at.zone)}`;
}
