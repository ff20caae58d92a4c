import * as z from 'zod';
import {
  createdTokenSchema,
  encodeCursor,
  fleetMemberSchema,
  fleetMembersSchema,
  invitationSchema,
  joinTokensSchema,
  memberGrantSchema,
  membersQuerySchema,
  peerIdSchema,
  revokedSchema,
  tokenRequestSchema,
  type FleetMember,
} from '../../src/api/index.ts';
import { formatJoinToken } from '../../src/control/index.ts';
import { defineRoute, jsonAnswer, linkNext, type RestRoute } from '../rest/index.ts';
import type { Fleet } from './fleet.ts';
import { removeMember } from './member-removal.ts';
import type { Member } from './records.ts';

const maxBodyBytes = 16 << 10;
const memberParams = z.strictObject({ peerId: peerIdSchema });
const tokenParams = z.strictObject({ id: z.string().regex(/^[0-9a-f]{64}$/) });

/** Who belongs to the fleet. */
export const memberRoutes = (fleet: Fleet): readonly RestRoute[] => [
  createToken(fleet),
  listTokens(fleet),
  removeToken(fleet),
  getInvitation(fleet),
  listMembers(fleet),
  approveMember(fleet),
  revokeMember(fleet),
  forgetMember(fleet),
];

const createToken = (fleet: Fleet): RestRoute =>
  defineRoute({
    id: 'createToken',
    method: 'POST',
    path: '/v1/tokens',
    tag: 'members',
    summary: 'Make a token by which one host can join',
    body: { schema: tokenRequestSchema, maxBytes: maxBodyBytes },
    answer: jsonAnswer(createdTokenSchema, 'The token, which is told this once.', 201),
    handle: async ({ body, operator, note }) => {
      const { ttlMs, ...grant } = body;
      const { secret, ...made } = await fleet.members.createToken(grant, ttlMs, operator);
      note({ id: made.id });
      const trackers = await fleet.trackers();
      const token = formatJoinToken({ fleet: fleet.fleetId, trackers, secret });
      return { ...made, token };
    },
  });

const listTokens = (fleet: Fleet): RestRoute =>
  defineRoute({
    id: 'listTokens',
    method: 'GET',
    path: '/v1/tokens',
    tag: 'members',
    summary: 'The tokens that are good, and those that were used',
    answer: jsonAnswer(joinTokensSchema, 'All that have not expired, without their secrets.'),
    handle: async () => ({ tokens: await fleet.members.tokens() }),
  });

const removeToken = (fleet: Fleet): RestRoute =>
  defineRoute({
    id: 'removeToken',
    method: 'DELETE',
    path: '/v1/tokens/{id}',
    tag: 'members',
    summary: 'Make a token good no more',
    params: tokenParams,
    answer: jsonAnswer(z.object({}), 'It is gone.'),
    handle: async ({ params, operator }) => {
      await fleet.members.removeToken(params.id, operator);
      return {};
    },
  });

const getInvitation = (fleet: Fleet): RestRoute =>
  defineRoute({
    id: 'getInvitation',
    method: 'GET',
    path: '/v1/invitation',
    tag: 'members',
    summary: 'What a host needs to ask whether it may belong',
    answer: jsonAnswer(invitationSchema, 'Where the fleet is, and who it is. It grants nothing.'),
    handle: async () => {
      const { fleetId } = fleet;
      const trackers = await fleet.trackers();
      return { fleetId, invitation: formatJoinToken({ fleet: fleetId, trackers }) };
    },
  });

const listMembers = (fleet: Fleet): RestRoute =>
  defineRoute({
    id: 'listMembers',
    method: 'GET',
    path: '/v1/members',
    tag: 'members',
    summary: 'Who belongs, has asked to, or was revoked',
    query: membersQuerySchema,
    answer: jsonAnswer(fleetMembersSchema, 'A page of them.'),
    handle: async ({ query, request, reply }) => {
      const { members, next } = await fleet.members.list(query);
      const cursor = next === undefined ? undefined : encodeCursor(next);
      linkNext(request, reply, cursor);
      const shown = members.map((member) => describe(fleet, member));
      return { members: shown, ...(cursor === undefined ? {} : { next: cursor }) };
    },
  });

const approveMember = (fleet: Fleet): RestRoute =>
  defineRoute({
    id: 'approveMember',
    method: 'PUT',
    path: '/v1/members/{peerId}',
    tag: 'members',
    summary: 'Let a peer in, or change what it may do',
    params: memberParams,
    body: { schema: memberGrantSchema, maxBytes: maxBodyBytes },
    answer: jsonAnswer(fleetMemberSchema, 'It belongs.'),
    handle: async ({ params, body, operator, note }) => {
      note({ peerId: params.peerId });
      return describe(fleet, await fleet.members.approve(params.peerId, body, operator));
    },
  });

const revokeMember = (fleet: Fleet): RestRoute =>
  defineRoute({
    id: 'revokeMember',
    method: 'DELETE',
    path: '/v1/members/{peerId}',
    tag: 'members',
    summary: 'Revoke a peer for good',
    description: 'Its connections are closed in both planes; only a new identity can join again.',
    params: memberParams,
    answer: jsonAnswer(revokedSchema, 'It is on the signed list of that number.'),
    handle: async ({ params, operator, note }) => {
      note({ peerId: params.peerId });
      const { number } = await fleet.members.revoke(params.peerId, operator);
      return { number };
    },
  });

const forgetMember = (fleet: Fleet): RestRoute =>
  defineRoute({
    id: 'removeMember',
    method: 'POST',
    path: '/v1/members/{peerId}/removal',
    tag: 'members',
    summary: 'Forget a member whose host is gone',
    description:
      'It takes up no place in rollouts any more. What is left of the life of its credential stays good: whoever may have its key is to be revoked.',
    params: memberParams,
    answer: jsonAnswer(z.object({}), 'It is no member.'),
    handle: async ({ params, operator, note }) => {
      note({ peerId: params.peerId });
      await removeMember(fleet, params.peerId, operator);
      return {};
    },
  });

const describe = (fleet: Fleet, member: Member): FleetMember => ({
  ...member,
  connected: fleet.isConnected(member.peerId),
});
