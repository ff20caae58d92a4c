import * as z from 'zod';
import { defineRoute, jsonAnswer, type RestRoute } from './route.ts';

/** `GET /v1/openapi.json`: what describes all routes, itself included. Made when it is first asked for. */
export function openapiRoute(routes: readonly RestRoute[]): RestRoute {
  let document: Promise<object> | undefined;
  return defineRoute({
    id: 'getOpenapi',
    method: 'GET',
    path: '/v1/openapi.json',
    tag: 'interface',
    summary: 'This document',
    description: 'OpenAPI 3.1, made of the declarations that the tracker checks calls by.',
    access: 'public',
    answer: jsonAnswer(z.looseObject({ openapi: z.string() }), 'The document.'),
    handle: async () => {
      document ??= describe(routes);
      return (await document) as { openapi: string };
    },
  });
}

/** It takes a library that is needed for nothing else. */
async function describe(routes: readonly RestRoute[]): Promise<object> {
  const { describeRoutes } = await import('./openapi.ts');
  return describeRoutes(routes);
}
