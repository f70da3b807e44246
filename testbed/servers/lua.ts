import { goTool } from './tools.ts';

/** Path of the Lua interpreter that Argo CD has inside. */
export const lua = (): Promise<string> =>
  goTool({
    module: 'lua',
    versionOf: 'github.com/yuin/gopher-lua',
    package: 'github.com/yuin/gopher-lua/cmd/glua',
    name: 'glua',
  });
