import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { REPO } from '../../test/support/cli.ts';
import { type GoTool, goTool } from './tools.ts';

const run = promisify(execFile);

export const helmTool: GoTool = {
  module: 'helm',
  versionOf: 'helm.sh/helm/v4',
  package: 'helm.sh/helm/v4/cmd/helm',
  name: 'helm',
};

export const CHART = join(REPO, 'helm/cohortfarm');

/** Runs helm and returns what it prints; rejects with its complaint. It sees no configuration of the user. */
export async function helm(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const command = await goTool(helmTool);
  const home = await mkdtemp(join(tmpdir(), 'cohortfarm-helm-'));
  try {
    const folders = { HELM_CONFIG_HOME: home, HELM_CACHE_HOME: home, HELM_DATA_HOME: home };
    const options = { env: { PATH: process.env.PATH, HOME: home, ...folders, ...env }, maxBuffer: 64 * 2 ** 20 };
    return (await run(command, args, options)).stdout;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** An object that the chart renders; tests look deep into plain JSON. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: objects of every kind.
  readonly [field: string]: any;
}

/** The objects that the chart renders as release `farm` in the namespace `farm-system`, given further arguments of `helm template`. */
export const renderChart = (...args: readonly string[]): Promise<Rendered[]> =>
  renderRelease('farm', 'farm-system', args);

export async function renderRelease(name: string, namespace: string, args: readonly string[]): Promise<Rendered[]> {
  const text = await helm(['template', name, CHART, '--namespace', namespace, ...args]);
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
}
