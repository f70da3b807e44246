import { type GoTool, goTool } from './tools.ts';

export const promtoolTool: GoTool = {
  module: 'prometheus',
  versionOf: 'github.com/prometheus/prometheus',
  package: 'github.com/prometheus/prometheus/cmd/promtool',
  name: 'promtool',
  // Without its clients of all clouds it is built in a third of the time.
  tags: 'remove_all_sd',
};

/** Path of Prometheus' tool that runs its rule engine on given series. */
export const promtool = (): Promise<string> => goTool(promtoolTool);
