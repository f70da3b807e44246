import { join } from 'node:path';
import type { Runtime } from './packages.ts';

/** The configuration of containerd and the kubelet. They share one folder of the host, and have processes and mounts of their own. */

export const PAUSE_IMAGE = 'cohortfarm.test/pause:1';
export const NODE_NAME = 'localhost';

export function containerdConfig(folder: string, { runc }: Runtime): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `
version = 2
root = "${join(folder, 'containerd')}"
state = "/run/containerd"
[grpc]
  address = "${socketOf(folder)}"
[${cri}]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
[${cri}.cni]
  bin_dir = "${folder}"
  conf_dir = "${join(folder, 'cni')}"
[${cri}.containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
  BinaryName = "${runc}"
  SystemdCgroup = false
`;
}

export const socketOf = (folder: string): string => join(folder, 'containerd.sock');

/** No pod gets an address of its own: pods of tests use the host's network. A node without any network is not ready. */
export const NETWORK = { cniVersion: '0.4.0', name: 'none', plugins: [{ type: 'none' }] };

export function kubeletConfig(folder: string, port: number, cgroupRoot: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: '127.0.0.1',
    port,
    healthzPort: 0,
    // Who reaches the loopback address of a test machine may ask.
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${socketOf(folder)}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot,
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    resolvConf: '/etc/resolv.conf',
    staticPodPath: '',
    volumePluginDir: join(folder, 'plugins'),
    // A full disk of the test machine must not evict pods.
    evictionHard: {
      'memory.available': '0%',
      'nodefs.available': '0%',
      'imagefs.available': '0%',
      'nodefs.inodesFree': '0%',
    },
    imageGCHighThresholdPercent: 100,
    nodeStatusUpdateFrequency: '2s',
    syncFrequency: '5s',
  };
}

export const kubeletArgs = (folder: string, kubeconfig: string): string[] => [
  `--config=${join(folder, 'kubelet.json')}`,
  `--kubeconfig=${kubeconfig}`,
  `--root-dir=${join(folder, 'kubelet')}`,
  `--cert-dir=${join(folder, 'certificates')}`,
  `--hostname-override=${NODE_NAME}`,
];
