import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { S3 } from '@aws-sdk/client-s3';
import { serverFolder, startOnFreePort } from './process.ts';
import type { SmallDisk } from './small-disk.ts';
import { type GoTool, goTool } from './tools.ts';

export const VERSITYGW: GoTool = {
  module: 's3',
  versionOf: 'github.com/versity/versitygw',
  package: 'github.com/versity/versitygw/cmd/versitygw',
  name: 'versitygw',
};

/** A real S3 server on the loopback address, with its data in a temporary folder. */
export interface S3Server {
  /** Such as http://127.0.0.1:34567. */
  endpoint: string;
  accessKey: string;
  secretKey: string;
  region: string;
  /** Options of `openStore` for this server. */
  options: { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } };
  /** The environment variables with which a program reaches this server. */
  env: Record<string, string>;
  /** Folder of its data, with a file for each object. */
  readonly files: string;
  createBucket(name: string): Promise<void>;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
  /** Ends the server at once and keeps its data until `stop`. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same data, whether it was killed or still runs. */
  restart(): Promise<void>;
}

export interface S3ServerOptions {
  /** Holds its data; by default this machine's temporary folder. */
  readonly disk?: SmallDisk;
}

/**
 * Starts versitygw, built on the first call. The server and its data do not outlive this process for
 * long.
 */
export async function startS3Server({ disk }: S3ServerOptions = {}): Promise<S3Server> {
  const tool = await goTool(VERSITYGW);
  const folder = await serverFolder('s3');
  const data = join(disk?.path ?? folder, 'data');
  const files = join(disk?.outside ?? folder, 'data');
  await mkdir(files);
  const [command, ...prefix] = [...(disk?.prefix ?? []), tool];
  const region = 'us-east-1';
  const accessKey = `test${randomBytes(8).toString('hex')}`;
  const secretKey = randomBytes(20).toString('hex');
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  const clientOf = (port: number) =>
    new S3({ endpoint: `http://127.0.0.1:${port}`, region, credentials, forcePathStyle: true, maxAttempts: 1 });
  const { port, server } = await startOnFreePort((port) => {
    const address = `127.0.0.1:${port}`;
    // Signed, so that no other server on that port can pass for this one.
    const isReady = async () => (await clientOf(port).listBuckets()).Buckets !== undefined;
    const env = { ...process.env, ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey };
    return {
      command: command!,
      args: [...prefix, '--quiet', '--region', region, '--port', address, 'posix', data],
      env,
      isReady,
    };
  });
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    accessKey,
    secretKey,
    region,
    options: { endpoint, region, credentials },
    env: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
    },
    files,
    createBucket: async (name) => {
      await clientOf(port).createBucket({ Bucket: name });
    },
    kill: server.kill,
    restart: server.restart,
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
