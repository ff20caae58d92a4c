import * as z from 'zod';

/** The topic of gossipsub on which hints are spread. */
export const hintsTopic = 'starling/news';
export const maxHintBytes = 1_024;

const name = z.string().min(1).max(100);
const revision = z.int().nonnegative();

/** "Look there": a channel may have another release, an app other settings, or there are revocations. */
export const hintSchema = z.union([
  z.strictObject({ app: name, channel: name }),
  z.strictObject({ settings: name, revision }),
  z.strictObject({ revocations: revision }),
]);

export type Hint = z.output<typeof hintSchema>;

/** As it is sent: equal hints of different times must differ, or gossipsub would drop the later. */
export const sentHintSchema = z.object({ id: z.string().length(16), hint: z.unknown() });
