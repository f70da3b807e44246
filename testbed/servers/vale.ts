import type { GoTool } from './tools.ts';

/** The linter of prose and comments. It parses sources with tree-sitter, which is C. */
export const valeTool: GoTool = {
  module: 'vale',
  versionOf: 'github.com/errata-ai/vale/v3',
  package: 'github.com/errata-ai/vale/v3/cmd/vale',
  name: 'vale',
  cgo: true,
};
