import { type GoTool, goTool } from './tools.ts';

export const luaTool: GoTool = {
  module: 'lua',
  versionOf: 'github.com/yuin/gopher-lua',
  package: 'github.com/yuin/gopher-lua/cmd/glua',
  name: 'glua',
};

/** Path of the Lua interpreter that Argo CD has inside. */
export const lua = (): Promise<string> => goTool(luaTool);
