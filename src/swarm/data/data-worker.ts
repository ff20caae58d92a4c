import { parentPort, workerData } from 'node:worker_threads';
import { DataPlane } from './data-plane.ts';
import type { DataBatch, DataCommand, DataPlaneInit } from './data-protocol.ts';

/** The data plane in a thread of its own; see data-lane.ts for the other end. */
const plane = new DataPlane(
  {
    post: (batch: DataBatch) => {
      parentPort?.postMessage(batch);
      if (batch.events.some(({ type }) => type === 'ended')) parentPort?.close();
    },
  },
  workerData as DataPlaneInit,
);

parentPort?.on('message', (commands: readonly DataCommand[]) => {
  for (const command of commands) plane.obey(command);
});
