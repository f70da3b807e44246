import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { strategicMerge } from './overlay.ts';

const template = {
  metadata: { labels: { a: '1' } },
  spec: {
    hostNetwork: false,
    containers: [
      {
        name: 'main',
        image: 'x',
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
        ],
      },
    ],
    volumes: [{ name: 'tmp', emptyDir: {} }],
    tolerations: [{ key: 'gpu' }],
  },
};

describe('a pod template overlay', () => {
  test('merges maps, and lists of named things by name', () => {
    const merged = strategicMerge(template, {
      metadata: { labels: { b: '2' } },
      spec: {
        hostNetwork: true,
        containers: [
          {
            name: 'main',
            env: [
              { name: 'B', value: '3' },
              { name: 'C', value: '4' },
            ],
          },
          { name: 'sidecar', image: 'y' },
        ],
        volumes: [{ name: 'data', hostPath: { path: '/d' } }],
      },
    });
    assert.deepEqual(merged, {
      metadata: { labels: { a: '1', b: '2' } },
      spec: {
        hostNetwork: true,
        containers: [
          {
            name: 'main',
            image: 'x',
            env: [
              { name: 'A', value: '1' },
              { name: 'B', value: '3' },
              { name: 'C', value: '4' },
            ],
          },
          { name: 'sidecar', image: 'y' },
        ],
        volumes: [
          { name: 'tmp', emptyDir: {} },
          { name: 'data', hostPath: { path: '/d' } },
        ],
        tolerations: [{ key: 'gpu' }],
      },
    });
    assert.equal(template.spec.hostNetwork, false, 'the base is left as it was');
  });

  test('replaces other lists, and removes what is null or marked for deletion', () => {
    const { spec, metadata } = strategicMerge(template, {
      metadata: { labels: null },
      spec: { tolerations: [{ key: 'spot' }], volumes: [{ $patch: 'delete', name: 'tmp' }] },
    });
    assert.deepEqual(metadata, {});
    assert.deepEqual([spec.tolerations, spec.volumes], [[{ key: 'spot' }], []]);
  });

  test('replaces a whole map or list on demand', () => {
    const { spec, metadata } = strategicMerge(template, {
      metadata: { labels: { $patch: 'replace', c: '3' } },
      spec: { volumes: [{ $patch: 'replace' }, { name: 'only', emptyDir: {} }] },
    });
    assert.deepEqual(metadata.labels, { c: '3' });
    assert.deepEqual(spec.volumes, [{ name: 'only', emptyDir: {} }]);
  });

  test('does not reach prototypes', () => {
    strategicMerge(
      template,
      JSON.parse('{"__proto__": {"polluted": true}, "spec": {"__proto__": {"polluted": true}}}'),
    );
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });
});
