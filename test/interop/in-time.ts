const deadlineMs = 60_000;

/**
 * Waits for a promise, but not for ever: then it throws, and says how things stand.
 * @param state told in the message
 */
export async function inTime<T>(promise: Promise<T>, state: () => unknown): Promise<T> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`it took more than ${deadlineMs} ms: ${JSON.stringify(state())}`));
  }, deadlineMs);
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
