import type { Command } from 'commander';
import { EXIT } from '../../contract/names.ts';
import { describeFinding, type Finding } from '../doctor/finding.ts';
import { checkNode, checkPython, checkSampling, checkStore } from '../doctor/machine.ts';
import { addS3Options, openDataset, type S3Flags } from '../open.ts';

/** `cohortfarm doctor`: exit 0 only if nothing that was looked at needs a fix. */

interface DoctorFlags extends S3Flags {
  readonly context?: string;
  readonly json?: boolean;
}

export function addDoctor(program: Command): void {
  addS3Options(
    program
      .command('doctor')
      .description('Check what this machine, a bucket and a cluster have: each line is ok, or says what to fix.')
      .argument('[uri]', 'directory or s3://bucket/prefix to check; an object is written there and removed')
      .option('--context <name>', 'context of the kubeconfig; default: the current one')
      .option('--json', 'print JSON'),
  ).action(async (uri: string | undefined, flags: DoctorFlags) => {
    const store = uri === undefined ? null : openDataset(uri, flags);
    const { checkCluster } = await import('../doctor/cluster.ts');
    const checks = [checkSampling(), checkPython(), checkStore(store), checkCluster(flags.context)];
    const findings: Finding[] = [checkNode(), ...(await Promise.all(checks)).flat()];
    const lines = findings.map((finding) => describeFinding(finding, process.stdout));
    process.stdout.write(`${flags.json ? JSON.stringify(findings) : lines.join('\n')}\n`);
    process.exitCode = findings.some(({ state }) => state === 'fix') ? EXIT.checkFailed : EXIT.done;
  });
}
