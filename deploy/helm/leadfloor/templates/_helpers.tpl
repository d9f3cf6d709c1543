{{- define "leadfloor.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "leadfloor.selector" -}}
app.kubernetes.io/name: leadfloor
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "leadfloor.labels" -}}
{{ include "leadfloor.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "leadfloor.config" -}}
{{ toYaml (merge (dict "listen" "0.0.0.0:8080" "health_listen" "0.0.0.0:8081") .Values.config) }}
{{- end }}
