import * as z from 'zod';

/** Pages of a list: how many, and after which. */

/** How long what a page ends with may be, in characters. */
const maxKeyCharacters = 300;

/** What is at the end of a page, in a form that invites nobody to count with it. */
export const encodeCursor = (key: string): string => Buffer.from(key, 'utf8').toString('base64url');

/** A cursor as it is in an answer. */
export const cursorSchema = z
  .string()
  .max(2 * maxKeyCharacters)
  .regex(/^[A-Za-z0-9_-]+$/, 'what an answer called next')
  .meta({ description: 'Give it as `after` to get the page that follows.' });

/**
 * The query of a list that comes in pages. Parsed, `after` is what the page before ended with.
 * @param keyShape what all that a page of this list can end with looks like
 */
export const pageQuerySchema = (init: { readonly maxLimit: number; readonly keyShape: RegExp }) =>
  z.strictObject({
    limit: z
      .string()
      .regex(/^\d{1,6}$/, `a number from 1 to ${init.maxLimit}`)
      .transform(Number)
      .pipe(z.int().min(1).max(init.maxLimit))
      .default(init.maxLimit)
      .meta({
        description: 'How many at most.',
        // A query is text, and clients are to be told what it means.
        override: ({ jsonSchema }) => {
          delete jsonSchema.pattern;
          const [minimum, maximum] = [1, init.maxLimit];
          Object.assign(jsonSchema, { type: 'integer', minimum, maximum, default: maximum });
        },
      }),
    after: cursorSchema
      .transform((cursor, context) => {
        const key = Buffer.from(cursor, 'base64url').toString('utf8');
        if (encodeCursor(key) === cursor && init.keyShape.test(key)) return key;
        context.addIssue({ code: 'custom', message: 'what an answer called next' });
        return z.NEVER;
      })
      .optional(),
  });

/** What a page is asked for with, parsed. */
export interface PageQuery {
  readonly limit: number;
  readonly after?: string | undefined;
}
