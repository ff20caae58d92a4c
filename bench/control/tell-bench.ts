import { connect } from 'node:net';

/**
 * What is told of is over by then at all hosts: to tell of it would take time from those that are
 * still to hear.
 */
const tellAfterMs = 30;

/**
 * Tells the bench which value came when, by the clock of `process.hrtime`, which all processes of a
 * machine share. Ends this process when the bench is gone.
 * @param path the bench's socket
 */
export function tellBench(path: string): (value: string, atNs: bigint) => void {
  const socket = connect(path);
  socket.on('close', () => process.exit()).on('error', () => undefined);
  return (value, atNs) => {
    setTimeout(() => socket.write(`${value} ${atNs}\n`), tellAfterMs);
  };
}
