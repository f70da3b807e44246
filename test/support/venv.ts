import { pythonProblem } from '../../cli/train/venv.ts';

/**
 * One line that says what to install before tests can use Python; false when it is there. With CI set, what is missing is
 * an error instead: nothing skips there.
 */
export async function missingPython(env: NodeJS.ProcessEnv = process.env): Promise<string | false> {
  const problem = await pythonProblem(env);
  if (problem === null) return false;
  const line = `this test needs ${problem}`;
  if (env.CI) throw new Error(line);
  return line;
}
