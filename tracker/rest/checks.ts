import type * as z from 'zod';
import { problem, ProblemError } from '../problem.ts';

/** How many faults a refusal names. */
const maxFaults = 20;

/**
 * The checked value of a part of a request.
 * @param refuse what to throw, of the faults; a problem 400 if nothing else is said
 */
export function check(
  schema: z.ZodType,
  value: unknown,
  refuse: (faults: readonly string[]) => Error = invalid,
): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw refuse(result.error.issues.slice(0, maxFaults).map(describe));
}

const describe = ({ path, message }: z.core.$ZodIssue): string =>
  `${path.map(String).join('.') || 'it'}: ${message}`;

export const invalid = (faults: readonly string[]): ProblemError =>
  new ProblemError(problem(400, 'REQUEST_INVALID', faults.join('; ')));

/** The query of a URL as text, elsewhere queries are bytes. @throws ProblemError for one that is twofold */
export function readQuery(url: string): Record<string, string> {
  const mark = url.indexOf('?');
  const given = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1));
  // A null prototype: a parameter may have any name.
  const query = Object.create(null) as Record<string, string>;
  for (const [name, value] of given) {
    if (name in query) throw invalid([`${name.slice(0, 100)}: is given twice`]);
    query[name] = value;
  }
  return query;
}
