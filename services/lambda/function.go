package lambda

import (
	"maps"
	"slices"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/blob"
)

// Defaults and limits of a function's configuration.
const (
	timeoutDefault   = 3
	timeoutMax       = 900
	memoryDefaultMB  = 128
	memoryMaxMB      = 10_240
	ephemeralDefault = 512
	ephemeralMax     = 10_240
	descriptionMax   = 256
	envBytesMax      = 4 << 10
	tagsMax          = 50
	timeLayout       = "2006-01-02T15:04:05.000+0000"
)

// code is a function's package.
type code struct {
	SHA256   string   `json:"sha256"` // base64, as CodeSha256
	Bytes    int64    `json:"bytes"`
	Unpacked int64    `json:"unpacked"`
	Blob     blob.Ref `json:"blob"`
}

// config is a version: $LATEST or a published one.
type config struct {
	Name          string    `json:"name"`
	Version       string    `json:"version"`
	Runtime       string    `json:"runtime"`
	Role          string    `json:"role"`
	Handler       string    `json:"handler"`
	Description   string    `json:"description,omitempty"`
	TimeoutS      int32     `json:"timeoutS"`
	MemoryMB      int32     `json:"memoryMB"`
	EphemeralMB   int32     `json:"ephemeralMB"`
	Env           []byte    `json:"env,omitempty"` // sealed JSON (L2); nil: none
	Architectures []string  `json:"architectures"`
	LogFormat     string    `json:"logFormat"`
	LogGroup      string    `json:"logGroup,omitempty"` // "" is the default name
	AppLevel      string    `json:"appLevel,omitempty"`
	SystemLevel   string    `json:"systemLevel,omitempty"`
	Code          code      `json:"code"`
	Modified      time.Time `json:"modified"`
	Revision      string    `json:"revision"`
}

// function is everything about a function that is not versioned, and $LATEST.
type function struct {
	Latest config `json:"latest"`
	// Published is the number of the newest version ever published.
	Published int64             `json:"published,omitempty"`
	Reserved  *int32            `json:"reserved,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
}

// alias names one version, or two by weight.
type alias struct {
	Name        string             `json:"name"`
	Version     string             `json:"version"`
	Description string             `json:"description,omitempty"`
	Weights     map[string]float64 `json:"weights,omitempty"`
	Revision    string             `json:"revision"`
}

// eventConfig says what becomes of asynchronous events.
type eventConfig struct {
	Retries  *int32    `json:"retries,omitempty"`
	MaxAgeS  *int32    `json:"maxAgeS,omitempty"`
	Modified time.Time `json:"modified"`
}

// logGroup is where the function's log goes.
func (g *config) logGroup() string {
	if g.LogGroup != "" {
		return g.LogGroup
	}
	return "/aws/lambda/" + g.Name
}

func (g *config) memoryBytes() int64 { return int64(g.MemoryMB) << 20 }

func (g *config) timeout() time.Duration { return time.Duration(g.TimeoutS) * time.Second }

// describe is the configuration as the API shows it; env are the opened
// variables, qualified says that the request named a version or alias.
func describe(p place, g *config, env map[string]string, qualified bool) api.FunctionConfiguration {
	a := functionARN(p, g.Name)
	if qualified {
		a += ":" + g.Version
	}
	out := api.FunctionConfiguration{
		FunctionName: new(g.Name), FunctionArn: new(a), Runtime: new(g.Runtime), Role: new(g.Role), Handler: new(g.Handler),
		CodeSize: new(g.Code.Bytes), Description: new(g.Description), Timeout: new(g.TimeoutS), MemorySize: new(g.MemoryMB),
		LastModified: new(g.Modified.UTC().Format(timeLayout)), CodeSha256: new(g.Code.SHA256), Version: new(g.Version),
		TracingConfig: &api.TracingConfigResponse{Mode: new(api.TracingModePassThrough)},
		RevisionId:    new(g.Revision), State: new(api.StateActive), LastUpdateStatus: new(api.LastUpdateStatusSuccessful),
		PackageType: new(api.PackageTypeZip), Architectures: slices.Clone(g.Architectures),
		EphemeralStorage: &api.EphemeralStorage{Size: new(g.EphemeralMB)},
		SnapStart:        &api.SnapStartResponse{ApplyOn: new(api.SnapStartApplyOnNone), OptimizationStatus: new(api.SnapStartOptimizationStatusOff)},
		LoggingConfig:    &api.LoggingConfig{LogFormat: new(g.LogFormat), LogGroup: new(g.logGroup())},
	}
	if g.LogFormat == api.LogFormatJson {
		out.LoggingConfig.ApplicationLogLevel = new(g.AppLevel)
		out.LoggingConfig.SystemLogLevel = new(g.SystemLevel)
	}
	if len(env) > 0 {
		out.Environment = &api.EnvironmentResponse{Variables: maps.Clone(env)}
	}
	return out
}

func describeAlias(p place, name string, a *alias) *api.AliasConfiguration {
	out := &api.AliasConfiguration{
		AliasArn: new(functionARN(p, name) + ":" + a.Name), Name: new(a.Name), FunctionVersion: new(a.Version),
		Description: new(a.Description), RevisionId: new(a.Revision),
	}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &api.AliasRoutingConfiguration{AdditionalVersionWeights: maps.Clone(a.Weights)}
	}
	return out
}

// sameContent says that publishing b after a would make no new version.
func sameContent(a, b *config, envA, envB map[string]string) bool {
	return a.Runtime == b.Runtime && a.Role == b.Role && a.Handler == b.Handler &&
		a.TimeoutS == b.TimeoutS && a.MemoryMB == b.MemoryMB && a.EphemeralMB == b.EphemeralMB &&
		a.LogFormat == b.LogFormat && a.LogGroup == b.LogGroup && a.AppLevel == b.AppLevel &&
		a.SystemLevel == b.SystemLevel && a.Code.SHA256 == b.Code.SHA256 &&
		slices.Equal(a.Architectures, b.Architectures) && maps.Equal(envA, envB)
}
