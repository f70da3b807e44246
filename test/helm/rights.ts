import { Agent } from 'node:https';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { type Access, callApi } from '../../testbed/servers/control-plane-client.ts';

/** The rights of an account, as the API server itself judges them: every verb on every resource that it serves. */

const VERBS = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
  // Of roles, users and certificates: ways to more rights.
  'bind',
  'escalate',
  'impersonate',
  'approve',
  'sign',
] as const;

/** Resources without objects in the API server, which can be granted. */
const BEYOND = [
  { group: '', name: 'users' },
  { group: '', name: 'groups' },
];

interface Resource {
  readonly group: string;
  /** With its subresource, such as `pods/exec`. */
  readonly name: string;
}

/** All resources of the preferred versions, subresources included. */
export async function servedResources(plane: ControlPlane): Promise<Resource[]> {
  const { groups } = (await read(plane, '/apis')) as {
    groups: { name: string; versions: { groupVersion: string }[] }[];
  };
  const paths = [
    { group: '', path: '/api/v1' },
    ...groups.flatMap(({ name, versions }) =>
      versions.map(({ groupVersion }) => ({ group: name, path: `/apis/${groupVersion}` })),
    ),
  ];
  const found = await Promise.all(
    paths.map(async ({ group, path }) => {
      const { resources } = (await read(plane, path)) as { resources: { name: string }[] };
      return resources.map(({ name }) => ({ group, name }));
    }),
  );
  return [...new Map([...found.flat(), ...BEYOND].map((one) => [nameOf(one), one])).values()];
}

/** Such as `jobs.batch` and `syntheticdatasets/status.cohortfarm.dev`. */
const nameOf = ({ group, name }: Resource): string => (group === '' ? name : `${name}.${group}`);

/**
 * Verbs by resource that the account may use in a namespace (`''`: in all of them and outside of any).
 * Asks for each by SelfSubjectAccessReview, with the account's own token.
 */
export async function rightsOf(
  account: Access,
  resources: readonly Resource[],
  namespace: string,
): Promise<Record<string, string>> {
  const rights: Record<string, string> = {};
  const agent = new Agent({ keepAlive: true });
  for (const resource of resources) {
    const may = await Promise.all(VERBS.map((verb) => mayUse({ account, agent, resource, verb, namespace })));
    const verbs = VERBS.filter((_, i) => may[i]);
    if (verbs.length > 0) rights[nameOf(resource)] = verbs.join(' ');
  }
  agent.destroy();
  return rights;
}

interface Question {
  readonly account: Access;
  readonly agent: Agent;
  readonly resource: Resource;
  readonly verb: string;
  readonly namespace: string;
}

async function mayUse({ account, agent, resource: { group, name }, verb, namespace }: Question): Promise<boolean> {
  const [resource, subresource] = name.split('/');
  const { code, body } = await callApi(account, '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
    method: 'POST',
    agent,
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace, verb, group, resource, ...(subresource && { subresource }) } },
    },
  });
  if (code !== 201) throw new Error(`no answer on ${verb} ${name}: ${code} ${body.message}`);
  return (body.status as { allowed: boolean }).allowed;
}

async function read(access: Access, path: string): Promise<unknown> {
  const { code, body } = await callApi(access, path);
  if (code !== 200) throw new Error(`${path}: ${code} ${body.message}`);
  return body;
}
