package esm

import (
	"slices"
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

// What AWS says of streams' mappings.
const (
	userAction = "User action"
	noRecords  = "No records processed"
	resultOK   = "OK"
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
	if result == "" {
		result = noRecords
	}
	out := &api.EventSourceMappingConfiguration{
		UUID: &m.UUID, EventSourceMappingArn: new(arnOf(m.Place, m.UUID)), EventSourceArn: &m.Source, FunctionArn: new(m.ref().ARN()),
		State: &m.State, StateTransitionReason: new(userAction), LastModified: &m.Modified, LastProcessingResult: &result,
		StartingPosition: &m.Start, BatchSize: &m.BatchSize, MaximumBatchingWindowInSeconds: &m.WindowS, ParallelizationFactor: &m.Parallel,
		MaximumRecordAgeInSeconds: &m.AgeMaxS, MaximumRetryAttempts: &m.RetriesMax, BisectBatchOnFunctionError: &m.Bisect,
		TumblingWindowInSeconds: &m.TumblingS, FunctionResponseTypes: []string{}, DestinationConfig: &api.DestinationConfig{OnFailure: &api.OnFailure{}},
	}
	if m.ReportFailures {
		out.FunctionResponseTypes = []string{api.FunctionResponseTypeReportBatchItemFailures}
	}
	if m.OnFailure != "" {
		out.DestinationConfig.OnFailure.Destination = &m.OnFailure
	}
	if len(m.Filters) > 0 {
		out.FilterCriteria = &api.FilterCriteria{}
		for _, f := range slices.Clone(m.Filters) {
			out.FilterCriteria.Filters = append(out.FilterCriteria.Filters, api.Filter{Pattern: &f})
		}
	}
	return out
}
