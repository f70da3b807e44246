{{/* Parts of NetworkPolicies. A rule without peers holds for all. */}}
{{- define "cohortfarm.dnsEgress" -}}
{{- with .Values.networkPolicy.dns }}
- ports:
  {{- range .ports }}
  - {port: {{ . }}, protocol: UDP}
  - {port: {{ . }}, protocol: TCP}
  {{- end }}
  {{- with .to }}
  to: {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "cohortfarm.natsEgress" -}}
{{- if .Values.nats.bundled }}
- ports: [{port: nats, protocol: TCP}]
  to:
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}}
    podSelector:
      matchLabels: {{- include "cohortfarm.selectorLabels" (dict "root" . "component" "nats") | nindent 8 }}
{{- else }}
{{- include "cohortfarm.cidrEgress" .Values.networkPolicy.nats }}
{{- end }}
{{- end }}

{{/* To CIDRs, and to further peers where there are any. */}}
{{- define "cohortfarm.cidrEgress" -}}
- ports:
  {{- range .ports }}
  - {port: {{ . }}, protocol: TCP}
  {{- end }}
  to:
  {{- range .cidrs }}
  - ipBlock: {cidr: {{ . | quote }}{{ if and (eq . "0.0.0.0/0") $.except }}, except: {{ $.except | toJson }}{{ end }}}
  {{- end }}
  {{- with .to }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{/* To the server at operator.lineage.url, but not to the metadata of the node. */}}
{{- define "cohortfarm.lineageEgress" -}}
{{- $url := .Values.operator.lineage.url }}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" (urlParse $url).host) | default (ternary 443 80 (hasPrefix "https:" $url)) | int }}
{{- $lineage := .Values.networkPolicy.lineage }}
{{- include "cohortfarm.cidrEgress" (merge (dict "ports" ($lineage.ports | default (list $port)) "except" (list "169.254.0.0/16")) $lineage) }}
{{- end }}

{{/* From the peers that may read metrics; the kubelet's probes always pass. */}}
{{- define "cohortfarm.metricsIngress" -}}
- ports: [{port: {{ .port }}, protocol: TCP}]
  from:
  {{- with .root.Values.networkPolicy.metricsFrom }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  - namespaceSelector: {}
  {{- end }}
{{- end }}

{{/* The namespaces of datasets; all of them where none are named. */}}
{{- define "cohortfarm.datasetNamespaceSelector" -}}
{{- with include "cohortfarm.datasetNamespaces" . | trim -}}
{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: {{ splitList "\n" . | compact | toJson }}}]}
{{- else -}}
{}
{{- end }}
{{- end }}
