import { readFileSync } from 'node:fs';
import { installedFile } from './files.ts';

const { version, engines } = JSON.parse(readFileSync(installedFile('package.json'), 'utf8'));

/** The version of CohortFarm, from its package.json. */
export const VERSION: string = version;

/** The Node that it needs, such as `>=22.19`. */
export const NODE_NEEDED: string = engines.node;
