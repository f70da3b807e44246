import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';

/** Accessibility by axe-core. */

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** Violations that axe-core finds on the page as it is, one line for each kind. */
export async function violationsOn(page: Page): Promise<string[]> {
  const source = await readFile(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
  // Through the debugger, which the page's own policy does not concern.
  const violations = await page.evaluate<readonly Violation[]>(
    `(async () => { ${source}; return (await axe.run(document, { resultTypes: ['violations'] })).violations; })()`,
  );
  return violations.map(({ id, help, nodes }) => {
    const [first] = nodes;
    return `${id}: ${help} (${nodes.length}), such as ${first?.html.slice(0, 300)} ${first?.failureSummary ?? ''}`;
  });
}
