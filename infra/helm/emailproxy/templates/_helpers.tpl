{{- define "emailproxy.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "emailproxy.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "emailproxy.labels" -}}
{{ include "emailproxy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "emailproxy.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "emailproxy.name" .) }}
{{- end }}

{{- define "emailproxy.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion }}
{{- if .Values.image.digest }}{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}{{ else }}{{ printf "%s:%s" .Values.image.repository $tag }}{{ end }}
{{- end }}

{{- /* What the schema cannot say; every fault at once. */ -}}
{{- define "emailproxy.faults" -}}
{{- $faults := list }}
{{- $ports := dict }}
{{- range $name, $listener := .Values.listeners }}
{{- $port := toString $listener.port }}
{{- if hasKey $ports $port }}
{{- $faults = append $faults (printf "listeners.%s.port: %s is taken by listeners.%s" $name $port (get $ports $port)) }}
{{- end }}
{{- $_ := set $ports $port $name }}
{{- if and (ne $listener.tls "none") (not $.Values.tls.secretName) }}
{{- $faults = append $faults (printf "listeners.%s.tls: needs tls.secretName, or tls: none" $name) }}
{{- end }}
{{- end }}
{{- if hasKey $ports (toString .Values.metrics.port) }}
{{- $faults = append $faults (printf "metrics.port: %v is taken by listeners.%s" .Values.metrics.port (get $ports (toString .Values.metrics.port))) }}
{{- end }}
{{- if and .Values.proxyProtocol.enabled (not .Values.proxyProtocol.from) }}
{{- $faults = append $faults "proxyProtocol.from: name the networks of the load balancer" }}
{{- end }}
{{- if regexMatch `(?m)^\s*\[emailproxy\]` .Values.accounts }}
{{- $faults = append $faults "accounts: has a section [emailproxy]; its options belong into settings" }}
{{- end }}
{{- if regexMatch `(?m)^\s*\[(IMAP|POP|SMTP)-[0-9]+\]` .Values.accounts }}
{{- $faults = append $faults "accounts: has a server's section; servers belong into listeners, which the Services are made of" }}
{{- end }}
{{- if hasPrefix "file:" .Values.cacheStore }}
{{- $faults = append $faults "cacheStore: a file is in one pod; replicas share a secret manager" }}
{{- end }}
{{- if $faults }}{{ fail (printf "\n  %s" (join "\n  " $faults)) }}{{ end }}
{{- end }}
