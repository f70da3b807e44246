import { workerOf } from './support.ts';

/** A worker process that takes a shard, says so, and works on it for ever: to be killed. */

const [url, uid] = process.argv.slice(2) as [string, string];
const worker = await workerOf(url, uid);
const delivery = await worker.next();
process.stdout.write(`${JSON.stringify(delivery && { shard: delivery.shard })}\n`);
setInterval(() => {}, 1000);
