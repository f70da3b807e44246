import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { FrameReader } from './frames.ts';
import { ENGINE_FD } from './messages.ts';

/**
 * The thread of an engine that reads its requests. A session call blocks the main thread, and an engine must not outlive its
 * parent even then: the end of the requests ends the process.
 */

const frames = new FrameReader();
const chunk = Buffer.alloc(64 * 1024);
try {
  for (;;) {
    const length = readSync(ENGINE_FD.requests, chunk);
    if (length === 0) break;
    for (const { header } of frames.push(new Uint8Array(chunk.subarray(0, length)))) parentPort!.postMessage(header);
  }
} finally {
  process.kill(process.pid, 'SIGKILL');
}
