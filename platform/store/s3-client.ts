import type { S3, S3ClientConfig } from '@aws-sdk/client-s3';
import { StoreError } from './errors.ts';

/** Settings beyond the AWS defaults. Credentials and region come from the AWS chain when they are left out. */
export interface S3Options {
  /** URL of an S3-compatible server, such as http://minio:9000. */
  endpoint?: string;
  region?: string;
  /** Bucket in the path instead of the host name; true by default when `endpoint` is given. */
  forcePathStyle?: boolean;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  /** Tries per request, first one included; 5 by default. */
  maxAttempts?: number;
}

const CONNECT_MS = 5_000;
const IDLE_MS = 60_000;
const REQUEST_MS = 300_000;

/** A client of AWS S3 or of the server at `options.endpoint`; nothing is contacted yet. */
export async function connect(options: S3Options, env: NodeJS.ProcessEnv): Promise<S3> {
  // Loaded on first use: a program that works on a folder does not pay for the S3 client.
  const { S3 } = await import('@aws-sdk/client-s3');
  const region =
    options.region ??
    env.AWS_REGION ??
    env.AWS_DEFAULT_REGION ??
    (options.endpoint === undefined ? undefined : 'us-east-1');
  const config: S3ClientConfig = {
    maxAttempts: options.maxAttempts ?? 5,
    retryMode: 'standard', // exponential backoff with full jitter
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
    },
    forcePathStyle: options.forcePathStyle ?? options.endpoint !== undefined,
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(region !== undefined && { region }),
    ...(options.credentials !== undefined && { credentials: options.credentials }),
  };
  return new S3(config);
}

/** Refuses an endpoint that is not a URL or that holds a secret; the message does not repeat it. */
export function assertEndpoint(endpoint: string | undefined): void {
  if (endpoint === undefined) return;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new StoreError(
      'terminal',
      'the S3 endpoint must be a URL such as https://s3.example.org or http://minio:9000',
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '') {
    throw new StoreError(
      'terminal',
      'the S3 endpoint must not hold credentials: use the AWS credential chain or a Secret',
    );
  }
}
