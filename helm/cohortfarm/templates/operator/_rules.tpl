{{/* What the operator may do in the namespaces of datasets. test/helm/ proves that it needs each, and has no more. */}}
{{- define "cohortfarm.rules" -}}
# Patched for the finalizer alone.
- {apiGroups: [cohortfarm.dev], resources: [syntheticdatasets], verbs: [get, list, watch, patch]}
- {apiGroups: [cohortfarm.dev], resources: [syntheticdatasets/status], verbs: [patch]}
# Some clusters ask for this before an owner reference may block its owner's deletion.
- {apiGroups: [cohortfarm.dev], resources: [syntheticdatasets/finalizers], verbs: [update]}
- {apiGroups: [batch], resources: [jobs], verbs: [get, list, watch, create, patch, delete]}
# Read only: why a pod waits, and what it said when it ended.
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
- {apiGroups: [""], resources: [configmaps], verbs: [get, create, patch]}
# Headless, for training on several nodes.
- {apiGroups: [""], resources: [services], verbs: [get, create, patch, delete]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
{{- if .Values.rbac.kubeflowTrainer }}
- {apiGroups: [trainer.kubeflow.org], resources: [trainjobs], verbs: [get, list, watch, create, patch, delete]}
{{- end }}
{{- end }}
