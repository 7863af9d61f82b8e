package esm

import (
	"fmt"
	"slices"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/eventpattern"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/lambda/fn"
)

// Defaults and limits.
//
// Source: CreateEventSourceMapping; Lambda quotas; invocation-eventfiltering.
const (
	streamBatchDefault = 100
	queueBatchDefault  = 10
	fifoBatchMax       = 10
	ageMinS            = 60
	noLimit            = -1
	// filtersMax is the quota of a new account.
	filtersMax = 5
	// mappingsMax is moln's own bound for an account in a region.
	mappingsMax = 1000
)

// kind is the kind of an event source.
type kind uint8

const (
	dynamoStream kind = iota + 1
	kinesisStream
	standardQueue
	fifoQueue
)

func (k kind) isQueue() bool { return k == standardQueue || k == fifoQueue }

// kindOf says what an event source is by its ARN.
func kindOf(source string) (kind, error) {
	a, err := arn.Parse(source)
	switch {
	case err != nil:
		return 0, fn.Invalid("Unrecognized event source.")
	case a.Service == "dynamodb" && strings.HasPrefix(a.Resource, "table/") && strings.Contains(a.Resource, "/stream/"):
		return dynamoStream, nil
	case a.Service == "kinesis":
		return kinesisStream, nil
	case a.Service == "sqs" && strings.HasSuffix(a.Resource, fifoSuffix):
		return fifoQueue, nil
	case a.Service == "sqs":
		return standardQueue, nil
	case a.Service == "kafka", a.Service == "mq", a.Service == "rds":
		return 0, fn.Unsupported("%s as an event source", source)
	}
	return 0, fn.Invalid("Unrecognized event source.")
}

// request is what Create and Update have in common.
type request struct {
	batchSize, window, parallel, age, retries, tumbling *int32
	bisect                                              *bool
	responses                                           []string
	filters                                             *api.FilterCriteria
	destinations                                        *api.DestinationConfig
	scaling                                             *api.ScalingConfig
	pollers                                             *api.ProvisionedPollerConfig
	kmsKey                                              *string
	metrics                                             *api.EventSourceMappingMetricsConfig
	logging                                             *api.EventSourceMappingLoggingConfig
	access                                              []api.SourceAccessConfiguration
	kafka, ownKafka, documents                          bool
}

func requestOfCreate(in *api.CreateEventSourceMappingInput) request {
	return request{
		batchSize: in.BatchSize, window: in.MaximumBatchingWindowInSeconds, parallel: in.ParallelizationFactor, age: in.MaximumRecordAgeInSeconds,
		retries: in.MaximumRetryAttempts, tumbling: in.TumblingWindowInSeconds, bisect: in.BisectBatchOnFunctionError,
		responses: in.FunctionResponseTypes, filters: in.FilterCriteria, destinations: in.DestinationConfig, scaling: in.ScalingConfig,
		pollers: in.ProvisionedPollerConfig, kmsKey: in.KMSKeyArn, metrics: in.MetricsConfig, logging: in.LoggingConfig,
		access: in.SourceAccessConfigurations, kafka: in.AmazonManagedKafkaEventSourceConfig != nil,
		ownKafka: in.SelfManagedKafkaEventSourceConfig != nil, documents: in.DocumentDBEventSourceConfig != nil,
	}
}

func requestOfUpdate(in *api.UpdateEventSourceMappingInput) request {
	return request{
		batchSize: in.BatchSize, window: in.MaximumBatchingWindowInSeconds, parallel: in.ParallelizationFactor, age: in.MaximumRecordAgeInSeconds,
		retries: in.MaximumRetryAttempts, tumbling: in.TumblingWindowInSeconds, bisect: in.BisectBatchOnFunctionError,
		responses: in.FunctionResponseTypes, filters: in.FilterCriteria, destinations: in.DestinationConfig, scaling: in.ScalingConfig,
		pollers: in.ProvisionedPollerConfig, kmsKey: in.KMSKeyArn, metrics: in.MetricsConfig, logging: in.LoggingConfig,
		access: in.SourceAccessConfigurations, kafka: in.AmazonManagedKafkaEventSourceConfig != nil,
		ownKafka: in.SelfManagedKafkaEventSourceConfig != nil, documents: in.DocumentDBEventSourceConfig != nil,
	}
}

func unsupported(parameter string) error {
	return fn.Invalid("Unsupported %s parameter for given event source mapping type.", parameter)
}

// check refuses what the kind of source does not have, and what nothing here
// honours.
func (r *request) check(k kind) error {
	if d := r.destinations; d != nil && d.OnSuccess != nil && smithy.Val(d.OnSuccess.Destination) != "" {
		return unsupported("DestinationConfig")
	}
	switch {
	case r.kafka:
		return unsupported("AmazonManagedKafkaEventSourceConfig")
	case r.ownKafka:
		return unsupported("SelfManagedKafkaEventSourceConfig")
	case r.documents:
		return unsupported("DocumentDBEventSourceConfig")
	case len(r.access) > 0:
		return unsupported("SourceAccessConfigurations")
	case r.logging != nil && r.logging.SystemLogLevel != nil:
		return unsupported("LoggingConfig")
	case r.metrics != nil && slices.ContainsFunc(r.metrics.Metrics, func(m string) bool { return m != api.EventSourceMappingMetricEventCount }):
		return unsupported("MetricsConfig") // those of Kafka
	}
	if k.isQueue() {
		return r.checkQueue()
	}
	return r.checkStream()
}

func (r *request) checkStream() error {
	switch {
	case r.scaling != nil && r.scaling.MaximumConcurrency != nil:
		return unsupported("ScalingConfig")
	case r.pollers != nil && (r.pollers.MinimumPollers != nil || r.pollers.MaximumPollers != nil || r.pollers.PollerGroupName != nil):
		return unsupported("ProvisionedPollerConfig")
	case r.age != nil && *r.age != noLimit && *r.age < ageMinS:
		return fn.Invalid("1 validation error detected: Value '%d' at 'maximumRecordAgeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to %d", *r.age, ageMinS)
	}
	return checkFilters(r.filters)
}

func checkFilters(c *api.FilterCriteria) error {
	if c == nil {
		return nil
	}
	if len(c.Filters) > filtersMax {
		return fn.Invalid("1 validation error detected: Value at 'filterCriteria.filters' failed to satisfy constraint: Member must have length less than or equal to %d", filtersMax)
	}
	for _, f := range c.Filters {
		if _, err := eventpattern.Parse([]byte(smithy.Val(f.Pattern)), eventpattern.Filter); err != nil {
			return fn.Invalid("Invalid filter pattern definition.")
		}
	}
	return nil
}

// streamDefaults are a stream's settings where nothing is said.
func streamDefaults() Settings {
	return Settings{BatchSize: streamBatchDefault, Parallel: 1, RetriesMax: noLimit, AgeMaxS: noLimit}
}

// apply makes settings what the request says; what it does not say stays.
func (r *request) apply(s *Settings) error {
	set(&s.BatchSize, r.batchSize)
	set(&s.WindowS, r.window)
	set(&s.Parallel, r.parallel)
	set(&s.RetriesMax, r.retries)
	set(&s.AgeMaxS, r.age)
	set(&s.TumblingS, r.tumbling)
	set(&s.Bisect, r.bisect)
	if r.responses != nil {
		s.ReportFailures = len(r.responses) > 0
	}
	set(&s.KMSKey, r.kmsKey)
	if r.filters != nil {
		s.Filters, s.Sealed, s.DataKey = nil, nil, nil
		for _, f := range r.filters.Filters {
			s.Filters = append(s.Filters, smithy.Val(f.Pattern))
		}
	}
	if d := r.destinations; d != nil {
		s.OnFailure = ""
		if d.OnFailure != nil {
			s.OnFailure = smithy.Val(d.OnFailure.Destination)
		}
	}
	if r.metrics != nil {
		s.Counted = len(r.metrics.Metrics) > 0
	}
	r.applyQueue(s)
	if s.TumblingS > 0 && s.Parallel > 1 {
		return fn.Invalid("ParallelizationFactor must be 1 if TumblingWindowInSeconds is set.")
	}
	return nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// checkStart reads where a new stream mapping begins.
func checkStart(k kind, in *api.CreateEventSourceMappingInput) error {
	switch {
	case k.isQueue() && in.StartingPosition != nil:
		return unsupported("StartingPosition")
	case k.isQueue():
		return nil
	case in.StartingPosition == nil:
		return fn.Invalid("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
	case k == dynamoStream && *in.StartingPosition == api.EventSourcePositionAtTimestamp:
		return fn.Invalid("Unsupported starting position for arn type: %s", *in.EventSourceArn)
	case in.StartingPositionTimestamp != nil && *in.StartingPosition != api.EventSourcePositionAtTimestamp:
		return fn.Invalid("StartingPositionTimestamp can only be specified for StartingPosition AT_TIMESTAMP.")
	}
	return nil
}

func noStream(source string) error { return fn.Invalid("Stream not found: %s", source) }

func noAccess(source string) error {
	return fn.Invalid("Cannot access stream %s. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM.", source)
}

func duplicate(source, function, uuid string) error {
	return fn.Conflict("The event source arn (\" %s \") and function (\" %s \") provided mapping already exists. Please update or delete the existing mapping with UUID %s", source, function, uuid)
}

func inUse(verb string) error {
	return api.ErrResourceInUseException("Cannot %s the event source mapping because it is in use.", verb).
		WithBody(&api.ResourceInUseException{Type: new("User")})
}

// NoMapping is the fault for a mapping that is not there.
func NoMapping() error { return fn.NoResource("The resource you requested does not exist.") }

func badDestination(onFailure string) error {
	return fn.Invalid("The provided destination config %s is invalid.", fmt.Sprintf("DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=%s))", onFailure))
}
