/** What this bench uses of node-zookeeper-client 1.1, which brings no types of its own. */
declare module 'node-zookeeper-client' {
  import type { EventEmitter } from 'node:events';

  namespace zookeeper {
    interface Client extends EventEmitter {
      connect(): void;
      close(): void;
      create(path: string, data: Buffer, callback: (error: Error | null) => void): void;
      setData(path: string, data: Buffer, callback: (error: Error | null) => void): void;
      /** @param watcher called once, when the node changes after this read */
      getData(
        path: string,
        watcher: () => void,
        callback: (error: Error | null, data: Buffer) => void,
      ): void;
    }

    function createClient(address: string): Client;
  }

  export default zookeeper;
}
