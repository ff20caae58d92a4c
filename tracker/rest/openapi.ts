import * as z from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { problemSchema } from '../../src/api/index.ts';
import { problemType } from '../problem.ts';
import { idempotencyHeader, replayedHeader } from './idempotency.ts';
import { isMutation, type RestRoute } from './route.ts';

/** The version of the interface: it is of the major version in its paths. */
const version = '1.0.0';

const description =
  'What operators and their tools ask of a Starling tracker. Refusals and failures are problems as RFC 9457 has them; their `code` is stable.';

const publicProblems: Readonly<Record<number, string>> = {
  400: 'The request can not be understood.',
  503: 'The tracker can not do it at the moment; Retry-After says when to try again.',
};

const operatorProblems: Readonly<Record<number, string>> = {
  ...publicProblems,
  401: 'The token is missing or wrong.',
  403: 'The token would be shown to the network: call by https.',
  429: 'Too many wrong tokens came from this address; Retry-After says how long to wait.',
};

const mutationProblems: Readonly<Record<number, string>> = {
  ...operatorProblems,
  409: 'The first request with this idempotency key is not answered yet.',
  413: 'The body is larger than is allowed.',
  415: 'The body is not JSON.',
  422: 'This idempotency key came with another request before.',
};

const idempotencyKey = z.string().max(202).optional().meta({
  description:
    'With the same key the same request is done once, and each repetition within 24 hours gets the first answer (draft-ietf-httpapi-idempotency-key-header).',
  example: '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
});

/** The OpenAPI 3.1 document of routes. */
export function describeRoutes(routes: readonly RestRoute[]): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return createDocument(
    {
      openapi: '3.1.0',
      info: { title: 'Starling tracker', version, description },
      security: [{ operator: [] }],
      components: { securitySchemes: { operator: { type: 'http', scheme: 'bearer' } } },
      paths,
    },
    {
      // Newer trackers may say more: what an answer has beside this is to be passed over.
      override: ({ jsonSchema, io }) => {
        if (io === 'output' && jsonSchema.additionalProperties === false) {
          delete jsonSchema.additionalProperties;
        }
      },
    },
  );
}

function operationOf(route: RestRoute): ZodOpenApiOperationObject {
  const { id, tag, summary, description, access, params, query, body } = route;
  const header = z.object({ [idempotencyHeader]: idempotencyKey });
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(access === 'public' ? { security: [] } : {}),
    requestParams: { path: params, query, ...(isMutation(route) ? { header } : {}) },
    ...(body === undefined ? {} : { requestBody: requestBodyOf(body) }),
    responses: responsesOf(route),
  };
}

const requestBodyOf = ({ schema }: NonNullable<RestRoute['body']>) => ({
  required: true,
  content: { 'application/json': { schema } },
});

function responsesOf(route: RestRoute): ZodOpenApiResponsesObject {
  const { answer } = route;
  const headers = headersOf(route);
  const responses: ZodOpenApiResponsesObject = {
    [`${answer.status}` as '200']: {
      description: answer.description,
      ...(headers === undefined ? {} : { headers }),
      ...(answer.status === 204 ? {} : { content: { [answer.type]: { schema: answer.schema } } }),
    },
    default: problemResponse('Any other refusal or failure.'),
  };
  for (const [status, text] of problemsOf(route)) {
    responses[`${status}` as '400'] = problemResponse(text);
  }
  return responses;
}

const problemResponse = (text: string) => ({
  description: text,
  content: { [problemType]: { schema: problemSchema } },
});

/** All refusals by status: when each comes, the route's own reasons first. */
function problemsOf(route: RestRoute): Map<number, string> {
  const common = isMutation(route)
    ? mutationProblems
    : route.access === 'public'
      ? publicProblems
      : operatorProblems;
  const texts = new Map<number, string>();
  for (const problems of [route.problems ?? {}, common]) {
    for (const [status, text] of Object.entries(problems)) {
      const before = texts.get(Number(status));
      texts.set(Number(status), before === undefined ? text : `${before} ${text}`);
    }
  }
  return texts;
}

function headersOf(route: RestRoute): z.ZodObject | undefined {
  if (isMutation(route)) {
    const replayed = z.literal('true').optional();
    return z.object({
      [replayedHeader]: replayed.meta({ description: 'It is the answer of an earlier request.' }),
    });
  }
  if (!('after' in route.query.shape)) return undefined;
  const link = z.string().optional();
  return z.object({
    link: link.meta({ description: 'Where the next page is, while more follow: rel="next".' }),
  });
}
