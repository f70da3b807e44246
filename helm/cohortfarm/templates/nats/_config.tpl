{{- define "cohortfarm.natsConfig" -}}
server_name: $POD_NAME
port: 4222
http_port: 8222
lame_duck_grace_period: 5s
lame_duck_duration: 30s
jetstream {
  store_dir: /data
  max_memory_store: {{ .Values.nats.maxMemory | trimSuffix "i" }}
  max_file_store: {{ .Values.nats.persistence.size | trimSuffix "i" }}
}
{{- if include "cohortfarm.queueTokens" . }}
# Written at each start by the container "keys"; the path is relative to this file.
include ../nats-auth/auth.conf
{{- end }}
{{- with .Values.nats.extraConfig }}
{{ . }}
{{- end }}
{{- end }}
