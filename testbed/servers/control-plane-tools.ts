import type { GoTool } from './tools.ts';

/** The programs of a cluster, as tests build them. */

export const etcdTool: GoTool = {
  module: 'etcd',
  versionOf: 'go.etcd.io/etcd/server/v3',
  package: 'go.etcd.io/etcd/server/v3',
  name: 'etcd',
};

type KubernetesProgram = 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubectl' | 'kubelet';

/** A program of Kubernetes. All are of one version, and all of them together are one module to download. */
export const kubernetesTool = (name: KubernetesProgram): GoTool => ({
  module: 'controlplane',
  versionOf: 'k8s.io/kubernetes',
  package: `k8s.io/kubernetes/cmd/${name}`,
  name,
  ldflags: versionFlags,
});

/** Kubernetes does not know its version unless the linker says it, and kubectl compares versions. */
function versionFlags(version: string): string {
  const [major, minor] = version.slice(1).split('.');
  const values = {
    'k8s.io/component-base/version.gitVersion': version,
    'k8s.io/component-base/version.gitMajor': major,
    'k8s.io/component-base/version.gitMinor': minor,
    'k8s.io/client-go/pkg/version.gitVersion': version,
  };
  const settings = Object.entries(values).map(([name, value]) => `-X ${name}=${value}`);
  return ['-s -w', ...settings].join(' ');
}
