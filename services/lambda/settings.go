package lambda

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/lambda/fn"
)

// settings are what CreateFunction and UpdateFunctionConfiguration share. Nil
// members leave what is there; an environment without Variables does too.
type settings struct {
	role, handler, runtime, description *string
	timeout, memory                     *int32
	ephemeral                           *api.EphemeralStorage
	logging                             *api.LoggingConfig
	environment                         *api.Environment
	kmsKey                              *string
	tracing                             *api.TracingConfig
	deadLetter                          *api.DeadLetterConfig
}

// apply changes g, or says what is wrong with the settings. Environment
// variables are checked here and stored by the caller, who can seal them.
func (s settings) apply(g *fn.Config) error {
	if err := s.checkNumbers(); err != nil {
		return err
	}
	if d := smithy.Val(s.description); utf8.RuneCountInString(d) > fn.DescriptionMax {
		return fn.Invalid("1 validation error detected: Value '%s' at 'description' failed to satisfy constraint: Member must have length less than or equal to %d", d, fn.DescriptionMax)
	}
	set(&g.Role, s.role)
	set(&g.Handler, s.handler)
	set(&g.Runtime, s.runtime)
	set(&g.Description, s.description)
	set(&g.TimeoutS, s.timeout)
	set(&g.MemoryMB, s.memory)
	if s.ephemeral != nil {
		set(&g.EphemeralMB, s.ephemeral.Size)
	}
	if s.tracing != nil {
		set(&g.Tracing, s.tracing.Mode)
	}
	if s.deadLetter != nil {
		g.DeadLetters = smithy.Val(s.deadLetter.TargetArn)
	}
	if s.logging != nil {
		applyLogging(g, s.logging)
	}
	if s.environment != nil {
		return checkEnvironment(s.environment.Variables)
	}
	return nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (s settings) checkNumbers() error {
	if t := s.timeout; t != nil && (*t < 1 || *t > fn.TimeoutMax) {
		return fn.OutOfRange("timeout", *t, 1, fn.TimeoutMax)
	}
	if m := s.memory; m != nil && (*m < fn.MemoryDefaultMB || *m > fn.MemoryMaxMB) {
		return fn.Invalid("'MemorySize' value failed to satisfy constraint: Member must have value %s", fn.BoundText(*m, fn.MemoryDefaultMB, fn.MemoryMaxMB))
	}
	if s.ephemeral != nil {
		if n := smithy.Val(s.ephemeral.Size); n < fn.EphemeralDefault || n > fn.EphemeralMax {
			return fn.OutOfRange("ephemeralStorage.size", n, fn.EphemeralDefault, fn.EphemeralMax)
		}
	}
	return nil
}

// applyLogging takes the whole of what logging is: what l does not name is the
// default again. Levels are only where the format has them.
func applyLogging(g *fn.Config, l *api.LoggingConfig) {
	g.LogFormat, g.LogGroup, g.AppLevel, g.SystemLevel = api.LogFormatText, "", "", ""
	set(&g.LogFormat, l.LogFormat)
	set(&g.LogGroup, l.LogGroup)
	if g.LogFormat != api.LogFormatJson {
		return
	}
	set(&g.AppLevel, l.ApplicationLogLevel)
	set(&g.SystemLevel, l.SystemLogLevel)
	if g.AppLevel == "" {
		g.AppLevel = api.ApplicationLogLevelInfo
	}
	if g.SystemLevel == "" {
		g.SystemLevel = api.SystemLogLevelInfo
	}
}

// reservedVariables cannot be set by a function's owner.
var reservedVariables = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_MAX_CONCURRENCY",
	"AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
}

func checkEnvironment(vars map[string]string) error {
	var reserved []string
	bytes := 0
	for name, value := range vars {
		if slices.Contains(reservedVariables, name) {
			reserved = append(reserved, name)
		}
		bytes += len(name) + len(value)
	}
	if len(reserved) > 0 {
		slices.Sort(reserved)
		return fn.Invalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(reserved, ", "))
	}
	if bytes > fn.EnvBytesMax {
		text, _ := json.Marshal(vars)
		return fn.Invalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %s", text)
	}
	return nil
}

// refusals are settings which nothing here honours.
type refusals struct {
	vpc          *api.VpcConfig
	files        []api.FileSystemConfig
	snapStart    *api.SnapStart
	capacity     *api.CapacityProviderConfig
	durable      *api.DurableConfig
	runtime      *api.FunctionRuntimeConfig
	accelerator  *api.AcceleratorConfig
	publishTo    *string
	architecture []string
}

// check refuses what is set. Values that mean "nothing" pass: deploy tools send
// them.
func (r refusals) check() error {
	switch {
	case r.vpc != nil && (len(r.vpc.SubnetIds) > 0 || len(r.vpc.SecurityGroupIds) > 0):
		return fn.Unsupported("VpcConfig: there are no VPCs")
	case len(r.files) > 0:
		return fn.Unsupported("FileSystemConfigs")
	case r.snapStart != nil && r.snapStart.ApplyOn != nil && *r.snapStart.ApplyOn != api.SnapStartApplyOnNone:
		return fn.Unsupported("SnapStart.ApplyOn %s: only None", *r.snapStart.ApplyOn)
	case r.capacity != nil:
		return fn.Unsupported("CapacityProviderConfig")
	case r.durable != nil:
		return fn.Unsupported("DurableConfig")
	case r.runtime != nil:
		return fn.Unsupported("RuntimeConfig")
	case r.accelerator != nil:
		return fn.Unsupported("AcceleratorConfig")
	case smithy.Val(r.publishTo) != "":
		return fn.Unsupported("PublishTo")
	case len(r.architecture) > 1:
		return fn.Invalid("1 validation error detected: Value '[%s]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1", strings.Join(r.architecture, ", "))
	}
	return nil
}
