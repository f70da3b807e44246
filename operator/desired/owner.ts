import { LABELS, MANAGED_BY } from '../../contract/cluster.ts';
import { API_VERSION, KIND } from '../../contract/names.ts';
import type { Owner } from '../observed.ts';

/** Metadata that all objects of a dataset share. */

/** Labels by which the objects of a dataset are found. */
export const ownLabels = ({ name, uid }: Owner): Record<string, string> => ({
  [LABELS.name]: 'cohortfarm',
  [LABELS.managedBy]: MANAGED_BY,
  [LABELS.dataset]: name,
  [LABELS.uid]: uid,
});

/** Goes with the dataset, by the garbage collector. */
export const ownerReference = ({ name, uid }: Owner) => ({
  apiVersion: API_VERSION,
  kind: KIND,
  name,
  uid,
  controller: true,
  blockOwnerDeletion: true,
});
