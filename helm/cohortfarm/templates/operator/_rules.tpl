{{/* What the operator may do in the namespaces of datasets. test/helm/rbac.test.ts holds that it is this and no more. */}}
{{- define "cohortfarm.rules" -}}
# Patched for the finalizer alone.
- {apiGroups: [cohortfarm.dev], resources: [syntheticdatasets], verbs: [get, list, watch, patch]}
- {apiGroups: [cohortfarm.dev], resources: [syntheticdatasets/status], verbs: [patch]}
# Some clusters ask for this before an owner reference may block its owner's deletion.
- {apiGroups: [cohortfarm.dev], resources: [syntheticdatasets/finalizers], verbs: [update]}
# Server-side apply is patch, and create where there is none yet.
- {apiGroups: [batch], resources: [jobs], verbs: [get, list, watch, create, patch, delete]}
# Why a pod waits, and what it said when it ended.
- {apiGroups: [""], resources: [pods], verbs: [list]}
# Read when the API server objects to ours: another owner's object of that name is left alone.
- {apiGroups: [""], resources: [configmaps], verbs: [get, create, patch]}
# Headless, for training on several nodes.
- {apiGroups: [""], resources: [services], verbs: [get, create, patch]}
# Read for the count of one that was said before, listed for why a pod cannot be made or its volumes not mounted.
- {apiGroups: [events.k8s.io], resources: [events], verbs: [get, list, create, patch]}
# The Lease by which one installation of a class alone looks after a namespace, and the one for the whole cluster. A name cannot
# limit their creation.
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: {{ include "cohortfarm.claims" . }}, verbs: [get, patch]}
{{- if .Values.rbac.kueue }}
# Why Kueue does not admit a Job.
- {apiGroups: [kueue.x-k8s.io], resources: [workloads], verbs: [list]}
{{- end }}
{{- if .Values.rbac.kubeflowTrainer }}
- {apiGroups: [trainer.kubeflow.org], resources: [trainjobs], verbs: [get, list, watch, create, patch, delete]}
{{- end }}
{{- end }}

{{/* Names of those Leases, as operator/claims.ts has them. */}}
{{- define "cohortfarm.claims" -}}
{{- $prefix := ternary "" (printf "%s." .Values.operator.class) (empty .Values.operator.class) }}
{{- $names := list (printf "%sclaim.cohortfarm.dev" $prefix) }}
{{- if eq .Values.scope "Cluster" }}
{{- $names = append $names (printf "%scluster-claim.cohortfarm.dev" $prefix) }}
{{- end }}
{{- toJson $names }}
{{- end }}
