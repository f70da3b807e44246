import { readFileSync } from 'node:fs';
import { installedFile } from './files.ts';

/** The version of CohortFarm, from its package.json. */
export const VERSION: string = JSON.parse(readFileSync(installedFile('package.json'), 'utf8')).version;
