import type { FastifyReply, FastifyRequest } from 'fastify';
import { encodeCursor, type PageQuery } from '../../src/api/index.ts';

export interface Page<Item> {
  readonly items: readonly Item[];
  /** The cursor of the page that follows; undefined where this is the last one. */
  readonly next: string | undefined;
}

/**
 * Cuts a page out of what follows the cursor.
 * @param following in order, beginning right after the cursor; no more of it is read than is needed
 * @param keyOf what the next page would begin after, if an item was the last of this one
 */
export function pageOf<Item>(
  following: Iterable<Item>,
  { limit }: PageQuery,
  keyOf: (item: Item) => string,
): Page<Item> {
  const items: Item[] = [];
  for (const item of following) {
    const last = items.at(-1);
    if (items.length === limit && last !== undefined) {
      return { items, next: encodeCursor(keyOf(last)) };
    }
    items.push(item);
  }
  return { items, next: undefined };
}

/** Says where the next page is also as RFC 8288 has it: `Link: <…>; rel="next"`. */
export function linkNext(
  request: FastifyRequest,
  reply: FastifyReply,
  next: string | undefined,
): void {
  if (next === undefined) return;
  const [path = '', query] = request.url.split('?', 2);
  const following = new URLSearchParams(query);
  following.set('after', next);
  void reply.header('link', `<${path}?${following.toString()}>; rel="next"`);
}
