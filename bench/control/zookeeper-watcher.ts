/**
 * Watches a node of ZooKeeper, as its clients do: a watch fires once, so it is set anew by the very
 * read that it makes necessary. Arguments: ADDRESS, PATH, and the socket of the bench.
 */
import zookeeper from 'node-zookeeper-client';
import { tellBench } from './tell-bench.ts';

const [address = '', path = '', socket = ''] = process.argv.slice(2);
const tell = tellBench(socket);
const client = zookeeper.createClient(address);

function read(): void {
  client.getData(path, read, (error, data) => {
    const atNs = process.hrtime.bigint();
    if (error) throw error;
    tell(data.toString('utf8'), atNs);
  });
}

client.once('connected', read);
client.connect();
