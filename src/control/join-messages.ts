import * as z from 'zod';
import { maxCredentialChars } from './messages.ts';

/** Who is no member yet asks to become one: one request, one answer. */
export const joinProtocol = '/starling/join/1';
export const maxJoinBytes = 8 * 1024;

export const joinRequestSchema = z.object({
  /** Of a join token; without one an operator must approve. */
  secret: z
    .string()
    .regex(/^[A-Za-z0-9_-]{16,128}$/)
    .optional(),
  /** What the host says of itself; the tracker decides what it takes. */
  labels: z
    .record(z.string().min(1).max(100), z.string().max(200))
    .refine((labels) => Object.keys(labels).length <= 32, 'more than 32 labels'),
  /** Of the program, for people. */
  version: z.string().max(100),
});

export const joinAnswerSchema = z.union([
  z.object({ credential: z.string().min(1).max(maxCredentialChars) }),
  z.object({ pending: z.literal(true) }),
  z.object({ refused: z.object({ code: z.string().max(40), message: z.string().max(1_000) }) }),
]);

export type JoinRequest = z.output<typeof joinRequestSchema>;
/** Refusals are thrown. */
export type JoinAnswer = { readonly credential: string } | { readonly pending: true };
