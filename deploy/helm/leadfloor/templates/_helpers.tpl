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
{{- $own := dict "listen" "0.0.0.0:8080" "health_listen" "0.0.0.0:8081" }}
{{- if not (hasKey .Values.config "redis") }}
{{- $redis := printf "%s-redis" (include "leadfloor.name" .) }}
{{- $_ := set $own "redis" (dict "url" (printf "redis://%s-0.%s:6379/0" $redis $redis) "password_file" "redis.password" "wait_replicas" 1 "strict" true) }}
{{- end }}
{{- toYaml (merge $own .Values.config) }}
{{- end }}
