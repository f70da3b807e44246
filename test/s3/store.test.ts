import { after } from 'node:test';
import { openStore } from '../../platform/store/store.ts';
import { describeStore } from '../../platform/store/store-behaviour.ts';
import { startS3Server } from '../servers/s3.ts';

const server = await startS3Server();
await server.createBucket('cohorts');
after(() => server.stop());

describeStore('S3', (place) => openStore(`s3://cohorts/${place}`, server.options));
