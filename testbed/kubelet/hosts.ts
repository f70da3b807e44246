import type { Pod } from './types.ts';

/**
 * PURE: what a pod with a subdomain finds in its /etc/hosts, for want of the cluster's DNS: itself, and the pods of its Job
 * whose index is lower, above all the first one. All pods have this machine's address.
 */
export function hostsOf({ spec: { hostname, subdomain } }: Pod): string {
  if (hostname === undefined || subdomain === undefined) return '';
  const [, job, index] = /^(.*)-(\d+)$/.exec(hostname) ?? [];
  const hosts = job === undefined ? [hostname] : Array.from({ length: Number(index) + 1 }, (_, i) => `${job}-${i}`);
  return hosts.map((host) => `127.0.0.1 ${host}.${subdomain} ${host}\n`).join('');
}
