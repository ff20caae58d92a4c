import * as z from 'zod';
import {
  appNameSchema,
  channelNameSchema,
  hostPinsSchema,
  maxRolloutHostsPage,
  peerIdSchema,
  pinChangeSchema,
  rolloutActionSchema,
  rolloutHostsQuerySchema,
  rolloutHostsSchema,
  rolloutPreviewRequestSchema,
  rolloutPreviewSchema,
  rolloutSchema,
  rolloutsQuerySchema,
  rolloutsSchema,
} from '../../src/api/index.ts';
import type { Clock } from '../../src/control/index.ts';
import { problem, ProblemError } from '../problem.ts';
import { defineRoute, jsonAnswer, linkNext, pageOf, type RestRoute } from '../rest/index.ts';
import type { HostPins } from './host-pins.ts';
import { describeHost, describeRollout } from './rollout-views.ts';
import type { ChannelRollouts } from './rollout-table.ts';
import type { RolloutDriver } from './rollouts.ts';

export interface RolloutRoutesComponents {
  readonly driver: RolloutDriver;
  readonly pins: HostPins;
  readonly clock: Clock;
}

const tag = 'rollouts';
const maxBodyBytes = 2 << 20;
const params = z.strictObject({ app: appNameSchema, channel: channelNameSchema });
const hostParams = z.strictObject({ peerId: peerIdSchema });
const oneRollout = '/v1/rollouts/{app}/{channel}';
const unknown = { 404: 'The channel has no rollout.' };

/** Rollouts, and the hosts that are kept out of them. */
export const rolloutRoutes = (components: RolloutRoutesComponents): readonly RestRoute[] => [
  listRollouts(components),
  previewRollout(components),
  getRollout(components),
  listHosts(components),
  act(components),
  getPins(components),
  changePins(components),
];

const listRollouts = ({ driver, clock }: RolloutRoutesComponents): RestRoute =>
  defineRoute({
    id: 'listRollouts',
    method: 'GET',
    path: '/v1/rollouts',
    tag,
    summary: 'The newest rollout of each channel',
    query: rolloutsQuerySchema,
    answer: jsonAnswer(rolloutsSchema, 'A page of them, by app and channel.'),
    handle: ({ query, request, reply }) => {
      const following = driver.all
        .filter((one) => nameOf(one) > (query.after ?? ''))
        .sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
      const { items, next } = pageOf(following, query, nameOf);
      linkNext(request, reply, next);
      const rollouts = items.map((one) => describeRollout(one, driver, clock.now()));
      return { rollouts, ...(next === undefined ? {} : { next }) };
    },
  });

const getRollout = ({ driver, clock }: RolloutRoutesComponents): RestRoute =>
  defineRoute({
    id: 'getRollout',
    method: 'GET',
    path: oneRollout,
    tag,
    summary: 'How a rollout does',
    params,
    answer: jsonAnswer(rolloutSchema, 'How far it is, and what it waits for.'),
    problems: unknown,
    handle: (call) => {
      const found = driver.get(call.params.app, call.params.channel) ?? notThere(call.params);
      return describeRollout(found, driver, clock.now());
    },
  });

const listHosts = ({ driver, clock }: RolloutRoutesComponents): RestRoute =>
  defineRoute({
    id: 'listRolloutHosts',
    method: 'GET',
    path: `${oneRollout}/hosts`,
    tag,
    summary: 'Where each host stands to a rollout',
    params,
    query: rolloutHostsQuerySchema,
    answer: jsonAnswer(rolloutHostsSchema, 'A page of them, by peer id.'),
    problems: unknown,
    handle: ({ params: name, query, request, reply }) => {
      const found = driver.get(name.app, name.channel) ?? notThere(name);
      const following = driver
        .fleetOf(found)
        .hosts.filter(({ id }) => id > (query.after ?? ''))
        .sort((one, other) => (one.id < other.id ? -1 : 1));
      const { items, next } = pageOf(following, query, ({ id }) => id);
      linkNext(request, reply, next);
      const { state } = found.rollout;
      const hosts = items.map((host) => describeHost(host, state, clock.now()));
      return { hosts, ...(next === undefined ? {} : { next }) };
    },
  });

const act = ({ driver, clock }: RolloutRoutesComponents): RestRoute =>
  defineRoute({
    id: 'actOnRollout',
    method: 'POST',
    path: `${oneRollout}/actions`,
    tag,
    summary: 'Pause, resume, abort or promote a rollout, or let failed hosts try again',
    description:
      'Answered when it is durable. Nothing activates more than five seconds after the answer to a pause or an abort.',
    params,
    body: { schema: rolloutActionSchema, maxBytes: maxBodyBytes },
    answer: jsonAnswer(rolloutSchema, 'The rollout as it is now.'),
    problems: { ...unknown, 409: 'It can not be done in this state of the rollout.' },
    handle: async ({ params: name, body, operator, note }) => {
      note({ ...name, action: body.type });
      const acted = (await driver.act(name, body, operator)) ?? notThere(name);
      if ('refused' in acted) {
        throw new ProblemError(problem(409, 'ROLLOUT_REFUSED', acted.refused));
      }
      return describeRollout(acted.channel, driver, clock.now());
    },
  });

const previewRollout = ({ driver }: RolloutRoutesComponents): RestRoute =>
  defineRoute({
    id: 'previewRollout',
    method: 'POST',
    path: '/v1/rollouts/preview',
    tag,
    summary: 'Which hosts would move in which wave; nothing is changed',
    body: { schema: rolloutPreviewRequestSchema, maxBytes: maxBodyBytes },
    answer: jsonAnswer(rolloutPreviewSchema, 'As things are now.'),
    handle: ({ body }) => {
      const { sizes, hosts } = driver.preview(body);
      const shown = hosts.slice(0, maxRolloutHostsPage).map(({ host, standing, wave }) => ({
        peerId: host,
        standing,
        ...(wave === undefined ? {} : { wave: wave + 1 }),
      }));
      return { sizes: [...sizes], total: hosts.length, hosts: shown };
    },
  });

const getPins = ({ pins }: RolloutRoutesComponents): RestRoute =>
  defineRoute({
    id: 'getPins',
    method: 'GET',
    path: '/v1/hosts/{peerId}/pins',
    tag,
    summary: 'What an operator has fixed of a host',
    params: hostParams,
    answer: jsonAnswer(hostPinsSchema, 'Whether it is held, and which apps stay on which image.'),
    handle: ({ params: { peerId } }) => pins.of(peerId),
  });

const changePins = ({ pins }: RolloutRoutesComponents): RestRoute =>
  defineRoute({
    id: 'changePins',
    method: 'POST',
    path: '/v1/hosts/{peerId}/pins',
    tag,
    summary: 'Hold a host, pin an app of it to an image, or let go of both',
    params: hostParams,
    body: { schema: pinChangeSchema, maxBytes: maxBodyBytes },
    answer: jsonAnswer(hostPinsSchema, 'What holds now.'),
    handle: ({ params: { peerId }, body, operator, note }) => {
      note({ peerId, ...body });
      return pins.change(peerId, body, operator);
    },
  });

const nameOf = ({ app, channel }: Pick<ChannelRollouts, 'app' | 'channel'>): string =>
  `${app}/${channel}`;

function notThere(name: { app: string; channel: string }): never {
  const what = `${nameOf(name)} has no rollout: release with a plan to start one`;
  throw new ProblemError(problem(404, 'ROLLOUT_UNKNOWN', what));
}
