"""The templates of `inspect --pretty`, in Go's syntax; tabs and odd blanks are Docker's."""

SERVICE = r"""
ID:		{{.ID}}
Name:		{{.Name}}
{{- if .Labels }}
Labels:
{{- range $k, $v := .Labels }}
 {{ $k }}{{if $v }}={{ $v }}{{ end }}
{{- end }}{{ end }}
Service Mode:
{{- if .IsGlobal }}	Global
{{- else if .IsReplicated }}	Replicated
{{- if .Mode.Replicated.Replicas }}
 Replicas:	{{ .Mode.Replicated.Replicas }}
{{- end }}{{ end }}
{{- if .UpdateStatus }}
UpdateStatus:
 State:		{{ .UpdateStatus.State }}
{{- if .UpdateStatus.StartedAt }}
 Started:	{{ .UpdateStatus.StartedAt }}
{{- end }}
{{- if .UpdateStatus.CompletedAt }}
 Completed:	{{ .UpdateStatus.CompletedAt }}
{{- end }}
 Message:	{{ .UpdateStatus.Message }}
{{- end }}
Placement:
{{- if .Constraints }}
 Constraints:	{{ .Constraints }}
{{- end }}
{{- if .Preferences }}
 Preferences:   {{ .Preferences }}
{{- end }}
{{- if .MaxReplicas }}
 Max Replicas Per Node:   {{ .MaxReplicas }}
{{- end }}
{{- if .UpdateConfig }}
UpdateConfig:
 Parallelism:	{{ .UpdateConfig.Parallelism }}
{{- if .UpdateConfig.Delay}}
 Delay:		{{ .UpdateConfig.Delay }}
{{- end }}
 On failure:	{{ .UpdateConfig.FailureAction }}
{{- if .UpdateConfig.Monitor}}
 Monitoring Period: {{ .UpdateConfig.Monitor }}
{{- end }}
 Max failure ratio: {{ .UpdateConfig.MaxFailureRatio }}
 Update order:      {{ .UpdateConfig.Order }}
{{- end }}
{{- if .RollbackConfig }}
RollbackConfig:
 Parallelism:	{{ .RollbackConfig.Parallelism }}
{{- if .RollbackConfig.Delay}}
 Delay:		{{ .RollbackConfig.Delay }}
{{- end }}
 On failure:	{{ .RollbackConfig.FailureAction }}
{{- if .RollbackConfig.Monitor}}
 Monitoring Period: {{ .RollbackConfig.Monitor }}
{{- end }}
 Max failure ratio: {{ .RollbackConfig.MaxFailureRatio }}
 Rollback order:    {{ .RollbackConfig.Order }}
{{- end }}
ContainerSpec:
 Image:		{{ .Container.Image }}
{{- if .Container.Args }}
 Args:		{{ range $arg := .Container.Args }}{{ $arg }} {{ end }}
{{- end -}}
{{- if .Container.Env }}
 Env:		{{ range $env := .Container.Env }}{{ $env }} {{ end }}
{{- end -}}
{{- if .Container.Dir }}
 Dir:		{{ .Container.Dir }}
{{- end -}}
{{- if .HasInit }}
 Init:		{{ .Container.Init }}
{{- end -}}
{{- if .Container.User }}
 User: {{ .Container.User }}
{{- end }}
{{- if or .CapabilityAdd .CapabilityDrop }}
Capabilities:
{{- if .CapabilityAdd }}
 Add: {{ .CapabilityAdd }}
{{- end }}
{{- if .CapabilityDrop }}
 Drop: {{ .CapabilityDrop }}
{{- end }}
{{- end }}
{{- if .Container.Sysctls }}
SysCtls:
{{- range $k, $v := .Container.Sysctls }}
 {{ $k }}{{if $v }}: {{ $v }}{{ end }}
{{- end }}{{ end }}
{{- if .Ulimits }}
Ulimits:
{{- range $k, $v := .Ulimits }}
 {{ $k }}: {{ $v }}
{{- end }}{{ end }}
{{- if .Mounts }}
Mounts:
{{- end }}
{{- range $mount := .Mounts }}
 Target:	{{ $mount.Target }}
  Source:	{{ $mount.Source }}
  ReadOnly:	{{ $mount.ReadOnly }}
  Type:		{{ $mount.Type }}
{{- end -}}
{{- if .Container.Configs}}
Configs:
{{- range $config := .Container.Configs }}
 Target:	{{$config.File.Name}}
  Source:	{{$config.ConfigName}}
{{- end }}{{ end }}
{{- if .Container.Secrets }}
Secrets:
{{- range $secret := .Container.Secrets }}
 Target:	{{$secret.File.Name}}
  Source:	{{$secret.SecretName}}
{{- end }}{{ end }}
{{- if .LogDriver }}
Log Driver:
{{- if .LogDriver.Name }}
 Name:		{{ .LogDriver.Name }}
{{- end }}
{{- if .LogDriver.Options }}
 LogOpts:
{{- range $k, $v := .LogDriver.Options }}
  {{ $k }}{{if $v }}:       {{ $v }}{{ end }}
{{- end }}{{ end }}
{{ end }}
{{- if .HasResources }}
Resources:
{{- if .Reservations }}
 Reservations:
{{- if .Reservations.CPU }}
  CPU:		{{ .Reservations.CPU }}
{{- end }}
{{- if .Reservations.Memory }}
  Memory:	{{ .Reservations.Memory }}
{{- end }}{{ end }}
{{- if .Limits }}
 Limits:
{{- if .Limits.CPU }}
  CPU:		{{ .Limits.CPU }}
{{- end }}
{{- if .Limits.Memory }}
  Memory:	{{ .Limits.Memory }}
{{- end }}{{ end }}{{ end }}
{{- if .Pids }}
  PIDs:		{{ .Pids }}
{{- end }}
{{- if .Networks }}
Networks:
{{- range $network := .Networks }} {{ $network }}{{ end }} {{ end }}
Endpoint Mode:	{{ .EndpointMode }}
{{- if .Ports }}
Ports:
{{- range $port := .Ports }}
 PublishedPort = {{ $port.PublishedPort }}
  Protocol = {{ $port.Protocol }}
  TargetPort = {{ $port.TargetPort }}
  PublishMode = {{ $port.PublishMode }}
{{- end }} {{ end -}}
{{- if .Healthcheck }}
 Healthcheck:
  Interval = {{ .Healthcheck.Interval }}
  Retries = {{ .Healthcheck.Retries }}
  StartPeriod =	{{ .Healthcheck.StartPeriod }}
  Timeout =	{{ .Healthcheck.Timeout }}
  {{- if .Healthcheck.Test }}
  Tests:
	{{- range $test := .Healthcheck.Test }}
	 Test = {{ $test }}
  {{- end }} {{ end -}}
{{- end }}
"""  # noqa: E101 - see above

NODE = r"""ID:			{{.ID}}
{{- if .Name }}
Name:			{{.Name}}
{{- end }}
{{- if .Labels }}
Labels:
{{- range $k, $v := .Labels }}
 - {{ $k }}{{if $v }}={{ $v }}{{ end }}
{{- end }}{{ end }}
Hostname:              	{{.Hostname}}
Joined at:             	{{.CreatedAt}}
Status:
 State:			{{.StatusState}}
 {{- if .StatusMessage}}
 Message:              	{{.StatusMessage}}
 {{- end}}
 Availability:         	{{.SpecAvailability}}
 {{- if .StatusAddr}}
 Address:		{{.StatusAddr}}
 {{- end}}
{{- if .Manager}}
Manager Status:
 Address:		{{.Manager.Addr}}
 Raft Status:		{{.ManagerReachability}}
 {{- if .Manager.Leader}}
 Leader:		Yes
 {{- else}}
 Leader:		No
 {{- end}}
{{- end}}
Platform:
 Operating System:	{{.Platform.OS}}
 Architecture:		{{.Platform.Architecture}}
Resources:
 CPUs:			{{.CPUs}}
 Memory:		{{.Memory}}
{{- if .Plugins}}
Plugins:
{{- range $k, $v := .Plugins }}
 {{ $k }}:{{if $v }}		{{ $v }}{{ end }}
{{- end }}
{{- end }}
Engine Version:		{{.EngineVersion}}
{{- if .EngineLabels}}
Engine Labels:
{{- range $k, $v := .EngineLabels }}
 - {{ $k }}{{if $v }}={{ $v }}{{ end }}
{{- end }}{{- end }}
{{- if .TLSInfo}}
TLS Info:
 TrustRoot:
{{.TLSInfo.TrustRoot}}
 Issuer Subject:	{{.TLSInfo.CertIssuerSubject}}
 Issuer Public Key:	{{.TLSInfo.CertIssuerPublicKey}}
{{- end}}"""
