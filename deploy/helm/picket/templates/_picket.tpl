{{- define "picket.labels" -}}
app.kubernetes.io/name: picket
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{- define "picket.selector" -}}
app.kubernetes.io/name: picket
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "picket.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "picket.collectorAddress" -}}
{{ .Values.agent.collector | default (printf "picket-collector.%s.svc:7420" .Release.Namespace) }}
{{- end }}

{{- define "picket.agentConfig" -}}
{{- $own := dict
  "state_dir" "/var/lib/picket"
  "http" "0.0.0.0:9470"
  "collector" (dict "address" (include "picket.collectorAddress" .) "server_id" .Values.agent.serverId
    "ca" "/etc/picket/pki/ca.crt" "cert" "/etc/picket/pki/node.crt" "key" "/etc/picket/pki/node.key")
  "respond" (dict "enabled" .Values.agent.respond.enabled "dry_run" .Values.agent.respond.dryRun)
  "log" (dict "format" "json") -}}
{{- if eq .Values.runtime "containerd" -}}
{{- $_ := set $own "identity" (dict "cri_socket" "/run/containerd/containerd.sock") -}}
{{- else if eq .Values.runtime "crio" -}}
{{- $_ := set $own "identity" (dict "cri_socket" "/run/crio/crio.sock") -}}
{{- else -}}
{{- $_ := set $own "identity" (dict "cri_socket" "/run/k3s/containerd/containerd.sock") -}}
{{- $_ := set $own "workspaces" (dict "containerd_roots" (list "/run/k3s/containerd/io.containerd.runtime.v2.task")) -}}
{{- end -}}
{{ toYaml (mergeOverwrite $own (deepCopy .Values.agent.config)) }}
{{- end }}

{{- define "picket.collectorConfig" -}}
{{- $own := dict
  "listen" "0.0.0.0:7420"
  "http" "0.0.0.0:7421"
  "database" "/var/lib/picket/collector.db"
  "tls" (dict "ca" "/etc/picket/pki/ca.crt" "cert" "/etc/picket/pki/tls.crt" "key" "/etc/picket/pki/tls.key")
  "log" (dict "format" "json") -}}
{{ toYaml (mergeOverwrite $own (deepCopy .Values.collector.config)) }}
{{- end }}

{{- define "picket.runtimeFolder" -}}
{{ get (dict "containerd" "/run/containerd" "crio" "/run/crio" "k3s" "/run/k3s/containerd") .Values.runtime }}
{{- end }}
