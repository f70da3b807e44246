import { chooseProvider } from '../../diffusion/onnx.ts';

/** Prints what ONNX Runtime would sample with here, as JSON; the process of `cohortfarm doctor` never loads it. */

process.stdout.write(JSON.stringify(await chooseProvider('auto')));
