/** How a session that is dead is noticed, on both sides. */
export const sessionTimings = {
  /** A host says that it is there so often, in milliseconds, and its tracker answers. */
  heartbeatMs: 4_000,
  /** Silence that ends a session, in milliseconds: two heartbeats may be lost. */
  deadAfterMs: 10_000,
};
