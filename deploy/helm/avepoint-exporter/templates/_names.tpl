{{- define "name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for dashboards to have a name after it. */}}
{{- define "fullname" -}}
{{- $name := include "name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/name: {{ include "name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The name of the Lease where there are several replicas, else empty. */}}
{{- define "lease" -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- $lease := dig "ha" "lease" "kubernetes" "name" "" .Values.config -}}
{{- if or .Values.demo (not $lease) -}}
{{- fail "replicas: several need config.ha.lease.kubernetes.name, and no demo" -}}
{{- end -}}
{{- if not (or .Values.stateClaim (dig "state" "azure_blob" "" .Values.config)) -}}
{{- fail "replicas: several need the state in one place: a stateClaim with ReadWriteMany, or config.state.azure_blob" -}}
{{- end -}}
{{- $lease -}}
{{- end -}}
{{- end }}
