import * as z from 'zod';
import {
  createdOperatorSchema,
  operatorNameSchema,
  operatorRequestSchema,
  operatorsSchema,
} from '../../src/api/index.ts';
import { defineRoute, jsonAnswer, type RestRoute } from '../rest/index.ts';
import type { FleetOperators } from './fleet-operators.ts';

const maxBodyBytes = 4 << 10;
const tag = 'operators';

/** Who may call, at all trackers of the fleet. */
export const operatorRoutes = (operators: FleetOperators): readonly RestRoute[] => [
  defineRoute({
    id: 'createOperator',
    method: 'POST',
    path: '/v1/operators',
    tag,
    summary: 'Make an operator',
    body: { schema: operatorRequestSchema, maxBytes: maxBodyBytes },
    answer: jsonAnswer(createdOperatorSchema, 'It, with its token, which is told this once.', 201),
    handle: ({ body, operator, note }) => {
      note({ name: body.name });
      return operators.create(body, operator);
    },
  }),
  defineRoute({
    id: 'listOperators',
    method: 'GET',
    path: '/v1/operators',
    tag,
    summary: 'Who may call, beside the `admin` of each tracker',
    answer: jsonAnswer(operatorsSchema, 'All, by name.'),
    handle: async () => ({ operators: await operators.list() }),
  }),
  defineRoute({
    id: 'revokeOperator',
    method: 'DELETE',
    path: '/v1/operators/{name}',
    tag,
    summary: "Make an operator's token good no more, at all trackers",
    params: z.strictObject({ name: operatorNameSchema }),
    answer: jsonAnswer(z.object({}), 'It is no operator any more.'),
    handle: async ({ params, operator, note }) => {
      note({ name: params.name });
      await operators.revoke(params.name, operator);
      return {};
    },
  }),
];
