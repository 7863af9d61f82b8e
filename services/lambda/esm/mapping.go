package esm

import (
	"cmp"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/services/lambda/fn"
)

// States of a mapping, as AWS shows them.
const (
	creating  = "Creating"
	enabled   = "Enabled"
	disabling = "Disabling"
	disabled  = "Disabled"
	enabling  = "Enabling"
	updating  = "Updating"
	deleting  = "Deleting"
)

// What AWS says of mappings: userInitiated of queues', the others of streams'.
const (
	userInitiated = "USER_INITIATED"
	userAction    = "User action"
	noRecords     = "No records processed"
	resultOK      = "OK"
	// problem begins a result that is none.
	problem = "PROBLEM: "
)

// arnKind is the type of a mapping's ARN.
const arnKind = "event-source-mapping:"

// Mapping is an event source mapping as it is stored.
type Mapping struct {
	fn.Place `json:"-"`
	UUID     string `json:"uuid"`
	// Function and Qualifier name the function as it was given.
	Function  string    `json:"function"`
	Qualifier string    `json:"qualifier,omitempty"`
	Source    string    `json:"source"`
	State     string    `json:"state"`
	Enabled   bool      `json:"enabled"`
	Modified  time.Time `json:"modified"`
	// Generation grows with every change that pollers must know.
	Generation int64 `json:"generation"`
	// Start is where shards without a checkpoint begin; LATEST is At.
	Start string    `json:"start"`
	At    time.Time `json:"at,omitzero"`
	Settings
	Tags map[string]string `json:"tags,omitempty"`
}

// Settings are what UpdateEventSourceMapping can change.
type Settings struct {
	BatchSize      int32    `json:"batchSize"`
	WindowS        int32    `json:"windowS,omitempty"`
	Parallel       int32    `json:"parallel"`
	RetriesMax     int32    `json:"retriesMax"` // -1: no limit
	AgeMaxS        int32    `json:"ageMaxS"`    // -1: as long as the stream keeps records
	TumblingS      int32    `json:"tumblingS,omitempty"`
	Bisect         bool     `json:"bisect,omitempty"`
	ReportFailures bool     `json:"reportFailures,omitempty"`
	Filters        []string `json:"filters,omitempty"`
	OnFailure      string   `json:"onFailure,omitempty"`
	// Concurrency bounds the batches of a queue that are under way; 0: nothing
	// said. PollersMin and PollersMax are its provisioned pollers, 0: none.
	Concurrency int32 `json:"concurrency,omitempty"`
	PollersMin  int32 `json:"pollersMin,omitempty"`
	PollersMax  int32 `json:"pollersMax,omitempty"`
	// KMSKey is the owner's key for Filters, which are then in Sealed under a data
	// key that only it opens.
	KMSKey  string `json:"kmsKey,omitempty"`
	Sealed  []byte `json:"sealed,omitempty"`
	DataKey []byte `json:"dataKey,omitempty"`
	// Counted: events are counted for this mapping by itself.
	Counted bool `json:"counted,omitempty"`
}

// ref is the function that the mapping is for.
func (m *Mapping) ref() fn.Ref { return fn.At(m.Place, m.Function, m.Qualifier) }

// arnOf is the ARN of a mapping.
func arnOf(p fn.Place, uuid string) string {
	return arn.ARN{Partition: arn.PartitionOf(p.Region), Service: "lambda", Region: p.Region, Account: p.Account, Resource: arnKind + uuid}.String()
}

// settled says that nothing is under way.
func (m *Mapping) settled() bool { return m.State == enabled || m.State == disabled }

// describe is the mapping as the API shows it; result is that of its last
// batch.
func (m *Mapping) describe(result string) *api.EventSourceMappingConfiguration {
	out := &api.EventSourceMappingConfiguration{
		UUID: &m.UUID, EventSourceMappingArn: new(arnOf(m.Place, m.UUID)), EventSourceArn: &m.Source, FunctionArn: new(m.ref().ARN()),
		State: &m.State, LastModified: &m.Modified, BatchSize: &m.BatchSize, MaximumBatchingWindowInSeconds: &m.WindowS, FunctionResponseTypes: []string{},
	}
	if m.ReportFailures {
		out.FunctionResponseTypes = []string{api.FunctionResponseTypeReportBatchItemFailures}
	}
	if m.Counted {
		out.MetricsConfig = &api.EventSourceMappingMetricsConfig{Metrics: []string{api.EventSourceMappingMetricEventCount}}
	}
	if m.KMSKey != "" {
		out.KMSKeyArn = &m.KMSKey
	}
	out.FilterCriteria = criteriaOf(m.Filters)
	if k, _ := kindOf(m.Source); k.isQueue() {
		m.describeQueue(out, result)
	} else {
		m.describeStream(out, result)
	}
	return out
}

func criteriaOf(filters []string) *api.FilterCriteria {
	if len(filters) == 0 {
		return nil
	}
	out := &api.FilterCriteria{}
	for _, f := range slices.Clone(filters) {
		out.Filters = append(out.Filters, api.Filter{Pattern: &f})
	}
	return out
}

func (m *Mapping) describeStream(out *api.EventSourceMappingConfiguration, result string) {
	out.StateTransitionReason, out.LastProcessingResult = new(userAction), new(cmp.Or(result, noRecords))
	out.StartingPosition, out.ParallelizationFactor = &m.Start, &m.Parallel
	out.MaximumRecordAgeInSeconds, out.MaximumRetryAttempts, out.BisectBatchOnFunctionError = &m.AgeMaxS, &m.RetriesMax, &m.Bisect
	out.TumblingWindowInSeconds, out.DestinationConfig = &m.TumblingS, &api.DestinationConfig{OnFailure: &api.OnFailure{}}
	if m.OnFailure != "" {
		out.DestinationConfig.OnFailure.Destination = &m.OnFailure
	}
}

// describeQueue tells of the last result only where it is a problem: AWS has none
// for queues.
func (m *Mapping) describeQueue(out *api.EventSourceMappingConfiguration, result string) {
	out.StateTransitionReason = new(userInitiated)
	if strings.HasPrefix(result, problem) {
		out.LastProcessingResult = &result
	}
	if m.Concurrency > 0 {
		out.ScalingConfig = &api.ScalingConfig{MaximumConcurrency: &m.Concurrency}
	}
	if m.PollersMax > 0 {
		out.ProvisionedPollerConfig = &api.ProvisionedPollerConfig{MinimumPollers: &m.PollersMin, MaximumPollers: &m.PollersMax}
	}
}
