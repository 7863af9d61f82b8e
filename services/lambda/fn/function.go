package fn

import (
	"cmp"
	"maps"
	"slices"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/blob"
)

// Defaults and limits of a function's configuration.
const (
	TimeoutDefault   = 3
	TimeoutMax       = 900
	MemoryDefaultMB  = 128
	MemoryMaxMB      = 10_240
	EphemeralDefault = 512
	EphemeralMax     = 10_240
	DescriptionMax   = 256
	EnvBytesMax      = 4 << 10
	tagsMax          = 50
	timeLayout       = "2006-01-02T15:04:05.000+0000"
)

// Code is a function's package.
type Code struct {
	SHA256   string `json:"sha256"` // base64, as CodeSha256
	Bytes    int64  `json:"bytes"`
	Unpacked int64  `json:"unpacked"`
	// X86 and ARM say that there are programs or libraries for such machines.
	X86  bool     `json:"x86,omitempty"`
	ARM  bool     `json:"arm,omitempty"`
	Blob blob.Ref `json:"blob"`
}

// Config is a version: $LATEST or a published one.
type Config struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Runtime     string `json:"runtime"`
	Role        string `json:"role"`
	Handler     string `json:"handler"`
	Description string `json:"description,omitempty"`
	TimeoutS    int32  `json:"timeoutS"`
	MemoryMB    int32  `json:"memoryMB"`
	EphemeralMB int32  `json:"ephemeralMB"`
	Env         []byte `json:"env,omitempty"` // sealed JSON (L2); nil: none
	// KMSKey is the owner's key for Env; DataKey is what opens Env, encrypted
	// under it, nil where Env is not.
	KMSKey        string   `json:"kmsKey,omitempty"`
	DataKey       []byte   `json:"dataKey,omitempty"`
	Architectures []string `json:"architectures"`
	LogFormat     string   `json:"logFormat"`
	LogGroup      string   `json:"logGroup,omitempty"` // "" is the default name
	AppLevel      string   `json:"appLevel,omitempty"`
	SystemLevel   string   `json:"systemLevel,omitempty"`
	Tracing       string   `json:"tracing,omitempty"` // "" is PassThrough
	// DeadLetters is the ARN of the queue or topic that gets the events which the
	// function has failed on; "" is none.
	DeadLetters string `json:"deadLetters,omitempty"`
	Code        Code   `json:"code"`
	// Image is what the version is made of in place of Code's blob; nil: a
	// package.
	Image *Image `json:"image,omitempty"`
	// Layers are in the order they are put over each other.
	Layers []LayerUse `json:"layers,omitempty"`
	// Tenancy is PER_TENANT where tenants share no environment; it never changes.
	Tenancy string `json:"tenancy,omitempty"`
	// RuntimeUpdates is when the runtime's version may change, "" for Auto;
	// RuntimeARN is the version that it is bound to, "" for none.
	RuntimeUpdates string    `json:"runtimeUpdates,omitempty"`
	RuntimeARN     string    `json:"runtimeARN,omitempty"`
	Modified       time.Time `json:"modified"`
	Revision       string    `json:"revision"`
}

// Function is everything about a function that is not versioned, and $LATEST.
type Function struct {
	Latest Config `json:"latest"`
	// Published is the number of the newest version ever published.
	Published int64             `json:"published,omitempty"`
	Reserved  *int32            `json:"reserved,omitempty"`
	Recursion string            `json:"recursion,omitempty"` // "" is Terminate
	Tags      map[string]string `json:"tags,omitempty"`
	// Provisioned is what is to be ready, by qualifier: a version or an alias.
	Provisioned map[string]Provision `json:"provisioned,omitempty"`
}

// Provision is a request for provisioned concurrency.
type Provision struct {
	Executions int32     `json:"executions"`
	Modified   time.Time `json:"modified"`
}

// ProvisionedTotal is the provisioned concurrency of all qualifiers but one.
func (f *Function) ProvisionedTotal(except string) int64 {
	total := int64(0)
	for q, p := range f.Provisioned {
		if q != except {
			total += int64(p.Executions)
		}
	}
	return total
}

// RecursiveLoop is what becomes of the function's loops.
func (f *Function) RecursiveLoop() string {
	if f.Recursion == "" {
		return api.RecursiveLoopTerminate
	}
	return f.Recursion
}

// Alias names one version, or two by weight.
type Alias struct {
	Name        string             `json:"name"`
	Version     string             `json:"version"`
	Description string             `json:"description,omitempty"`
	Weights     map[string]float64 `json:"weights,omitempty"`
	Revision    string             `json:"revision"`
}

// EventConfig says what becomes of asynchronous events.
type EventConfig struct {
	Retries *int32 `json:"retries,omitempty"`
	MaxAgeS *int32 `json:"maxAgeS,omitempty"`
	// OnSuccess and OnFailure are the ARNs of who is told of the end; "" is
	// nobody.
	OnSuccess string    `json:"onSuccess,omitempty"`
	OnFailure string    `json:"onFailure,omitempty"`
	Modified  time.Time `json:"modified"`
}

// Group is where the function's log goes.
func (g *Config) Group() string {
	if g.LogGroup != "" {
		return g.LogGroup
	}
	return "/aws/lambda/" + g.Name
}

// MemoryBytes is the memory limit.
func (g *Config) MemoryBytes() int64 { return int64(g.MemoryMB) << 20 }

// Timeout is how long one invocation may take.
func (g *Config) Timeout() time.Duration { return time.Duration(g.TimeoutS) * time.Second }

// WeightScale is the precision of an alias's weights.
const WeightScale = 1_000_000

// Pick chooses a version by weight; at is uniform in [0, weightScale).
func (a *Alias) Pick(at int) string {
	versions := make([]string, 0, len(a.Weights))
	for v := range a.Weights {
		versions = append(versions, v)
	}
	slices.Sort(versions)
	for _, v := range versions {
		share := int(a.Weights[v] * WeightScale)
		if at < share {
			return v
		}
		at -= share
	}
	return a.Version
}

// Describe is the configuration as the API shows it; env are the opened
// variables, qualified says that the request named a version or alias.
func Describe(p Place, g *Config, env map[string]string, qualified bool) api.FunctionConfiguration {
	a := FunctionARN(p, g.Name)
	if qualified {
		a += ":" + g.Version
	}
	out := api.FunctionConfiguration{
		FunctionName: new(g.Name), FunctionArn: new(a), Runtime: new(g.Runtime), Role: new(g.Role), Handler: new(g.Handler),
		CodeSize: new(g.Code.Bytes), Description: new(g.Description), Timeout: new(g.TimeoutS), MemorySize: new(g.MemoryMB),
		LastModified: new(g.Modified.UTC().Format(timeLayout)), CodeSha256: new(g.Code.SHA256), Version: new(g.Version),
		TracingConfig: &api.TracingConfigResponse{Mode: new(cmp.Or(g.Tracing, api.TracingModePassThrough))},
		RevisionId:    new(g.Revision), State: new(api.StateActive), LastUpdateStatus: new(api.LastUpdateStatusSuccessful),
		PackageType: new(api.PackageTypeZip), Architectures: slices.Clone(g.Architectures),
		EphemeralStorage: &api.EphemeralStorage{Size: new(g.EphemeralMB)},
		SnapStart:        &api.SnapStartResponse{ApplyOn: new(api.SnapStartApplyOnNone), OptimizationStatus: new(api.SnapStartOptimizationStatusOff)},
		LoggingConfig:    &api.LoggingConfig{LogFormat: new(g.LogFormat), LogGroup: new(g.Group())},
		Layers:           describeLayers(g),
	}
	if g.LogFormat == api.LogFormatJson {
		out.LoggingConfig.ApplicationLogLevel = new(g.AppLevel)
		out.LoggingConfig.SystemLogLevel = new(g.SystemLevel)
	}
	if g.Tenancy != "" {
		out.TenancyConfig = &api.TenancyConfig{TenantIsolationMode: new(g.Tenancy)}
	}
	if g.KMSKey != "" {
		out.KMSKeyArn = new(g.KMSKey)
	}
	if g.DeadLetters != "" {
		out.DeadLetterConfig = &api.DeadLetterConfig{TargetArn: new(g.DeadLetters)}
	}
	describeImage(&out, g.Image)
	if len(env) > 0 {
		out.Environment = &api.EnvironmentResponse{Variables: maps.Clone(env)}
	}
	return out
}

// DescribeAlias is an alias as the API shows it.
func DescribeAlias(p Place, name string, a *Alias) *api.AliasConfiguration {
	out := &api.AliasConfiguration{
		AliasArn: new(FunctionARN(p, name) + ":" + a.Name), Name: new(a.Name), FunctionVersion: new(a.Version),
		Description: new(a.Description), RevisionId: new(a.Revision),
	}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &api.AliasRoutingConfiguration{AdditionalVersionWeights: maps.Clone(a.Weights)}
	}
	return out
}

// SameContent says that publishing b after a would make no new version, if
// their variables are the same.
func SameContent(a, b *Config) bool {
	return a.Runtime == b.Runtime && a.Role == b.Role && a.Handler == b.Handler &&
		a.TimeoutS == b.TimeoutS && a.MemoryMB == b.MemoryMB && a.EphemeralMB == b.EphemeralMB &&
		a.LogFormat == b.LogFormat && a.LogGroup == b.LogGroup && a.AppLevel == b.AppLevel &&
		a.SystemLevel == b.SystemLevel && a.Tracing == b.Tracing && a.DeadLetters == b.DeadLetters && a.Code.SHA256 == b.Code.SHA256 &&
		a.Image.same(b.Image) && slices.Equal(a.Architectures, b.Architectures) && slices.Equal(a.LayerARNs(), b.LayerARNs())
}
