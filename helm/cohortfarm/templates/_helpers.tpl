{{/* Names. */}}
{{- define "cohortfarm.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "cohortfarm.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "cohortfarm.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "cohortfarm.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "cohortfarm.serviceAccountName" -}}
{{- if .Values.operator.serviceAccount.create }}
{{- default (include "cohortfarm.fullname" .) .Values.operator.serviceAccount.name }}
{{- else }}
{{- required "operator.serviceAccount.name: name a ServiceAccount, or let the chart create one (operator.serviceAccount.create)" .Values.operator.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Labels. Call with (dict "root" $ "component" "operator"). */}}
{{- define "cohortfarm.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cohortfarm.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "cohortfarm.labels" -}}
{{ include "cohortfarm.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: cohortfarm
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image. Call with (dict "root" $ "image" .Values.x.image); what it leaves out is taken from .Values.image. */}}
{{- define "cohortfarm.image" -}}
{{- $base := .root.Values.image }}
{{- $registry := default $base.registry .image.registry }}
{{- $repository := default $base.repository .image.repository }}
{{- $path := ternary (printf "%s/%s" $registry $repository) $repository (ne $registry "") }}
{{- $same := and (eq $repository $base.repository) (not .image.tag) }}
{{- $digest := default (ternary $base.digest "" $same) .image.digest }}
{{- if $digest }}
{{- printf "%s@%s" $path $digest }}
{{- else }}
{{- printf "%s:%s" $path (default (default .root.Chart.AppVersion $base.tag) .image.tag) }}
{{- end }}
{{- end }}

{{/* Namespaces, one a line, whose datasets the operator looks after; nothing: all. */}}
{{- define "cohortfarm.watchNamespaces" -}}
{{- if eq .Values.scope "Namespaced" }}
{{- range default (list .Release.Namespace) .Values.watchNamespaces }}
{{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Namespaces, one a line, in which the chart prepares for worker pods. */}}
{{- define "cohortfarm.datasetNamespaces" -}}
{{- $watched := include "cohortfarm.watchNamespaces" . | trim }}
{{- range concat (splitList "\n" $watched) .Values.workers.namespaces | compact | uniq }}
{{ . }}
{{- end }}
{{- end }}

{{- define "cohortfarm.natsUrl" -}}
{{- if .Values.nats.bundled }}
{{- printf "nats://%s-nats.%s.svc:4222" (include "cohortfarm.fullname" .) .Release.Namespace }}
{{- else }}
{{- required "nats.url: give the URL of a NATS server with JetStream, or set nats.bundled" .Values.nats.url }}
{{- end }}
{{- end }}

{{/* Whether NATS asks the authenticator beside it who its clients are: not where it has credentials of its own. */}}
{{- define "cohortfarm.queueTokens" -}}
{{- if and .Values.nats.bundled (not .Values.nats.credentialsSecret) }}true{{ end }}
{{- end }}

{{/* A token of the pod's own ServiceAccount for the queue alone. */}}
{{- define "cohortfarm.queueToken" -}}
projected:
  sources:
  - serviceAccountToken: {path: token, audience: cohortfarm-queue, expirationSeconds: 3600}
{{- end }}

{{/* What the restricted pod security standard asks for. */}}
{{- define "cohortfarm.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "cohortfarm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Peers of a NetworkPolicy: a list of CIDRs. */}}
{{- define "cohortfarm.cidrs" -}}
{{- range . }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}
