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
{{- with .Values.nats.extraConfig }}
{{ . }}
{{- end }}
{{- end }}
