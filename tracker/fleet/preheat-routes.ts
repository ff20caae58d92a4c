import * as z from 'zod';
import {
  appNameSchema,
  imageIdSchema,
  preheatRequestSchema,
  preheatSchema,
  preheatsSchema,
} from '../../src/api/index.ts';
import { problem, ProblemError } from '../problem.ts';
import { defineRoute, jsonAnswer, type RestRoute } from '../rest/index.ts';
import type { Preheats } from './preheats.ts';

const tag = 'rollouts';
const params = z.strictObject({ app: appNameSchema, imageId: imageIdSchema });

/** Images that hosts fetch before they are released. */
export const preheatRoutes = (preheats: Preheats): readonly RestRoute[] => [
  defineRoute({
    id: 'listPreheats',
    method: 'GET',
    path: '/v1/preheats',
    tag,
    summary: 'What is preheated, and how many hosts have it',
    answer: jsonAnswer(preheatsSchema, 'All of them; there are few.'),
    handle: async () => ({ preheats: await preheats.list() }),
  }),
  defineRoute({
    id: 'beginPreheat',
    method: 'POST',
    path: '/v1/preheats',
    tag,
    summary: 'Have hosts fetch an image, without a release',
    body: { schema: preheatRequestSchema, maxBytes: 16 << 10 },
    answer: jsonAnswer(preheatSchema, 'It is stored; hosts are told.'),
    handle: ({ body, operator, note }) => {
      note({ app: body.app, imageId: body.imageId });
      return preheats.begin(body, operator);
    },
  }),
  defineRoute({
    id: 'endPreheat',
    method: 'DELETE',
    path: '/v1/preheats/{app}/{imageId}',
    tag,
    summary: 'End a preheat; hosts that have the image keep it as any other',
    params,
    answer: jsonAnswer(z.object({}), 'No more hosts are told to fetch it.'),
    problems: { 404: 'It is not preheated.' },
    handle: async ({ params: { app, imageId }, operator, note }) => {
      note({ app, imageId });
      if (await preheats.end(app, imageId, operator)) return {};
      const what = `${imageId} of ${app} is not preheated`;
      throw new ProblemError(problem(404, 'PREHEAT_UNKNOWN', what));
    },
  }),
];
