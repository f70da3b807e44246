/** Examples at the end of `--help` of each command, which a test checks against the options. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  init: ['cohortfarm init', 'cohortfarm init --from roentgen-v2 --name my-cohort --output s3://cohorts/my-cohort'],
  explain: ['cohortfarm explain spec.quality.gates', 'cohortfarm explain workers'],
  doctor: ['cohortfarm doctor', 'cohortfarm doctor s3://cohorts/try --endpoint http://127.0.0.1:9000 --path-style'],
  completion: ['source <(cohortfarm completion bash)'],
  plan: [
    'cohortfarm plan -f examples/demo.yaml',
    'cohortfarm plan -f examples/roentgen-v2.yaml --estimate --images-per-second 0.5 --gpu-price 2.50',
    'cohortfarm plan -f examples/demo.yaml --measure 16 --workers 4 --gpu-price 0.50 --storage-price 0.02',
  ],
  run: [
    'cohortfarm run -f examples/demo.yaml --output out/demo --workers 2 --verify',
    'cohortfarm run -f examples/first.yaml --output s3://cohorts/first --endpoint http://127.0.0.1:9000 --path-style',
    'cohortfarm run -f examples/demo.yaml --lineage http://127.0.0.1:5000',
  ],
  verify: [
    'cohortfarm verify out/demo',
    'cohortfarm verify out/demo --key key.pub',
    'cohortfarm verify s3://cohorts/first --endpoint http://127.0.0.1:9000 --json',
    'cohortfarm verify --dataset imaging/cxr-balanced',
  ],
  sign: [
    'cohortfarm sign out/demo --key key.pem',
    'cohortfarm sign s3://cohorts/first --key env:COHORTFARM_SIGNING_KEY --endpoint http://127.0.0.1:9000 --path-style',
  ],
  export: [
    'cohortfarm export out/demo --format dicom --body-part CHEST --output out/demo-dicom',
    'cohortfarm export s3://cohorts/first --format imagefolder --output s3://cohorts/first-folder --endpoint http://127.0.0.1:9000',
  ],
  push: [
    'cohortfarm push out/demo hf://datasets/my-lab/chest-phantoms --splits train=0.75,test=0.25',
    'cohortfarm push s3://cohorts/first hf://datasets/my-lab/first --token-file token --public',
  ],
  pull: ['cohortfarm pull hf://datasets/my-lab/chest-phantoms chest-phantoms'],
  replay: [
    'cohortfarm replay out/demo 000000017 --save 17.png',
    'cohortfarm replay 000000017 --dataset imaging/cxr-balanced',
  ],
  report: ['cohortfarm report s3://cohorts/first --output first.html'],
  browse: [
    'cohortfarm browse out/demo',
    'cohortfarm browse s3://cohorts/first --port 8000',
    'cohortfarm browse --dataset cxr-balanced',
  ],
  model: [
    'cohortfarm model export hf:stanfordmimi/RoentGen-v2 --output roentgen-v2',
    'cohortfarm model optimize roentgen-v2 --output roentgen-v2-cuda --for cuda',
    'cohortfarm model check roentgen-v2 --batch-size 1 --steps 4',
    'cohortfarm model export-gate xrv:age --weights age.pt --output age',
    'cohortfarm model push roentgen-v2 s3://models/roentgen-v2',
  ],
  'check-data': ['cohortfarm check-data --file examples/demo.yaml'],
  features: [
    'cohortfarm features real.csv --output out/reference --encoder embedded:phantom/encoder --file examples/demo.yaml',
    'cohortfarm features s3://real/chests --output s3://cohorts/reference --encoder ./rad-dino --columns columns.yaml',
  ],
  'compare-cohorts': [
    'cohortfarm compare-cohorts out/unipc-20 out/pndm-75',
    'cohortfarm compare-cohorts out/first s3://cohorts/second --json',
  ],
  audit: ['cohortfarm audit predictions.csv --output out/audit --ages 18-39,40-59,60-79,80-120'],
  train: ['cohortfarm train -f examples/roentgen-v2.yaml --output out/roentgen-v2'],
};

/** The text for a command; empty where there are none. */
export function examplesText(command: string): string {
  const lines = EXAMPLES[command] ?? [];
  return lines.length === 0 ? '' : `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
