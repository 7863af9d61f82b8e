package esm

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	ddb "moln.dev/moln/api/dynamodbstreams"
	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

const streamARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"

// gate stands for the gateway around the service under test: it judges by a list
// of what is denied, and has one stream and one bucket.
type gate struct {
	s      *Service
	denied map[string]bool
	judged []service.Check
}

func (g *gate) Dispatch(ctx context.Context, c *service.Call, d smithy.Descriptor, in any) (any, error) {
	schema, o := d.Of()
	switch in := in.(type) {
	case *ddb.DescribeStreamInput:
		if *in.StreamArn != streamARN {
			return nil, ddb.ErrResourceNotFoundException("no")
		}
		return &ddb.DescribeStreamOutput{StreamDescription: &ddb.StreamDescription{}}, nil
	case *sqs.GetQueueAttributesInput:
		if !strings.HasSuffix(*in.QueueUrl, "/short") {
			return nil, sqs.ErrQueueDoesNotExist("The specified queue does not exist.")
		}
		return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"VisibilityTimeout": "2"}}, nil
	case *s3.HeadBucketInput:
		if *in.Bucket != "bucket" {
			return nil, fault.New("NotFound", 404, "Not Found")
		}
		return &s3.HeadBucketOutput{}, nil
	}
	if schema != &api.Schema {
		return nil, fault.New("NotImplemented", 501, "no %s", o.Name)
	}
	checks, ok, err := g.s.Authorize(ctx, c, o, in)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is not judged: %w", o.Name, err)
	}
	g.judged = checks
	for _, op := range g.s.Operations() {
		if _, other := op.Of(); other == o {
			return op.Call(ctx, c, in)
		}
	}
	return nil, fmt.Errorf("no %s", o.Name)
}

func (g *gate) Judge(_ context.Context, _ *service.Call, check service.Check) error {
	if g.denied[check.Action] {
		return fault.New("AccessDeniedException", 403, "denied")
	}
	return nil
}

func (g *gate) Assume(context.Context, *service.Call, service.Assume) (service.Session, error) {
	return service.Session{}, nil
}

func newGate(t *testing.T) (*bench, *gate, *service.Call) {
	b := newBench(t)
	g := &gate{denied: map[string]bool{}}
	call := func(account, region string) *service.Call {
		return service.NewCall(g, service.Call{
			Caller:  identity.Principal{Principal: policy.Principal{Kind: policy.Root, AccountID: account}},
			Account: account, Region: region, Now: b.clock.Now(), Log: b.deps.Log,
		})
	}
	b.deps.System = call
	return b, g, call(place.Account, place.Region)
}

func mapTo(function string) *api.CreateEventSourceMappingInput {
	return &api.CreateEventSourceMappingInput{FunctionName: &function, EventSourceArn: new(streamARN), StartingPosition: new("LATEST")}
}

func TestLifeOfAMapping(t *testing.T) {
	b, g, c := newGate(t)
	s, _ := b.start()
	g.s = s
	b.tape.add("A", "")
	ctx := t.Context()
	in := mapTo("f:live")
	in.Tags, in.BatchSize = map[string]string{"a": "b"}, new(int32(5))
	out, err := service.Invoke(ctx, c, api.CreateEventSourceMapping, in)
	if err != nil {
		t.Fatal(err)
	}
	if *out.State != "Creating" || *out.FunctionArn != "arn:aws:lambda:eu-west-1:123456789012:function:f:live" || *out.LastProcessingResult != "No records processed" {
		t.Errorf("%+v", out)
	}
	if k := g.judged[0]; k.Resource != "*" || k.Context[functionKey][0] != "arn:aws:lambda:eu-west-1:123456789012:function:f" || k.Context["aws:requesttag/a"][0] != "b" {
		t.Errorf("judged %+v", g.judged)
	}
	_, err = service.Invoke(ctx, c, api.CreateEventSourceMapping, in)
	if !fault.Is(err, "ResourceConflictException") || !strings.Contains(err.Error(), *out.UUID) {
		t.Errorf("the same again: %v", err)
	}
	state := func(want string) {
		t.Helper()
		b.await(want, func() bool {
			got, err := service.Invoke(ctx, c, api.GetEventSourceMapping, &api.GetEventSourceMappingInput{UUID: out.UUID})
			return err == nil && *got.State == want
		})
	}
	state("Enabled")
	if k := g.judged[0]; k.Resource != *out.EventSourceMappingArn || k.Context["aws:resourcetag/a"][0] != "b" {
		t.Errorf("judged %+v", g.judged)
	}
	up := &api.UpdateEventSourceMappingInput{UUID: out.UUID, FunctionName: new("g"), Enabled: new(false), MaximumRetryAttempts: new(int32(3))}
	now, err := service.Invoke(ctx, c, api.UpdateEventSourceMapping, up)
	if err != nil || *now.State != "Disabling" || *now.BatchSize != 5 || *now.MaximumRetryAttempts != 3 {
		t.Fatalf("%+v, %v", now, err)
	}
	if _, err := service.Invoke(ctx, c, api.CreateEventSourceMapping, in); err != nil { // the old function is free again
		t.Error(err)
	}
	if _, err := service.Invoke(ctx, c, api.CreateEventSourceMapping, mapTo("g")); !fault.Is(err, "ResourceConflictException") {
		t.Errorf("the new function is not taken: %v", err)
	}
	state("Disabled")
	tags, err := s.Tags(ctx, place, *out.UUID)
	if err != nil || tags["a"] != "b" {
		t.Errorf("tags %v, %v", tags, err)
	}
	if gone, err := service.Invoke(ctx, c, api.DeleteEventSourceMapping, &api.DeleteEventSourceMappingInput{UUID: out.UUID}); err != nil || *gone.State != "Deleting" {
		t.Fatal(gone, err)
	}
	b.await("its end", func() bool {
		_, err := service.Invoke(ctx, c, api.GetEventSourceMapping, &api.GetEventSourceMappingInput{UUID: out.UUID})
		return fault.Is(err, "ResourceNotFoundException") && strings.HasSuffix(err.Error(), "The resource you requested does not exist.")
	})
}

func TestRefusals(t *testing.T) {
	b, g, c := newGate(t)
	g.s = New(b.deps, b.calls) // nothing polls: mappings stay as they are
	ctx := t.Context()
	try := func(want string, change func(*api.CreateEventSourceMappingInput)) {
		t.Helper()
		in := mapTo("f")
		change(in)
		if _, err := service.Invoke(ctx, c, api.CreateEventSourceMapping, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	try("Unrecognized event source.", func(in *api.CreateEventSourceMappingInput) { in.EventSourceArn = nil })
	try("Value null at 'startingPosition'", func(in *api.CreateEventSourceMappingInput) { in.StartingPosition = nil })
	try("Unsupported starting position for arn type: "+streamARN, func(in *api.CreateEventSourceMappingInput) {
		in.StartingPosition, in.StartingPositionTimestamp = new("AT_TIMESTAMP"), new(time.Now())
	})
	try("Stream not found: "+streamARN+"x", func(in *api.CreateEventSourceMappingInput) { in.EventSourceArn = new(streamARN + "x") })
	try("AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.", func(in *api.CreateEventSourceMappingInput) {
		in.EventSourceArn, in.StartingPosition = new("arn:aws:sqs:eu-west-1:123456789012:gone"), nil
	})
	try("Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds", func(in *api.CreateEventSourceMappingInput) {
		in.EventSourceArn, in.StartingPosition = new("arn:aws:sqs:eu-west-1:123456789012:short"), nil
	})
	for _, operation := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		g.denied = map[string]bool{"sqs:" + operation: true}
		try("The function execution role does not have permissions to call "+operation+" on SQS", func(in *api.CreateEventSourceMappingInput) {
			in.EventSourceArn, in.StartingPosition = new("arn:aws:sqs:eu-west-1:123456789012:short"), nil
		})
	}
	try("Unsupported StartingPosition", func(in *api.CreateEventSourceMappingInput) {
		in.EventSourceArn = new("arn:aws:sqs:eu-west-1:123456789012:q")
	})
	try("Stream not found", func(in *api.CreateEventSourceMappingInput) {
		in.EventSourceArn = new("arn:aws:kinesis:eu-west-1:123456789012:stream/s")
	})
	try("System tags", func(in *api.CreateEventSourceMappingInput) { in.Tags = map[string]string{"aws:x": "y"} })
	destination := func(arn string) func(*api.CreateEventSourceMappingInput) {
		return func(in *api.CreateEventSourceMappingInput) {
			in.DestinationConfig = &api.DestinationConfig{OnFailure: &api.OnFailure{Destination: &arn}}
		}
	}
	try("DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=arn:aws:lambda", destination("arn:aws:lambda:eu-west-1:123456789012:function:g"))
	try("The destination ARN arn:aws:s3:::none is invalid.", destination("arn:aws:s3:::none"))
	try("does not have that service", destination("arn:aws:sns:eu-west-1:123456789012:t"))
	g.denied["s3:PutObject"] = true
	try("does not have permissions to call PutObject on arn:aws:s3:::bucket", destination("arn:aws:s3:::bucket"))
	for _, action := range []string{"GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"} {
		g.denied = map[string]bool{"dynamodb:" + action: true}
		try("Cannot access stream "+streamARN+". Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM.", func(*api.CreateEventSourceMappingInput) {})
	}
	g.denied = map[string]bool{}
	made, err := service.Invoke(ctx, c, api.CreateEventSourceMapping, mapTo("f"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = service.Invoke(ctx, c, api.UpdateEventSourceMapping, &api.UpdateEventSourceMappingInput{UUID: made.UUID, BatchSize: new(int32(1))})
	if !fault.Is(err, "ResourceInUseException") || !strings.Contains(err.Error(), "Cannot update the event source mapping because it is in use.") {
		t.Errorf("update while it is made: %v", err)
	}
	if _, err = service.Invoke(ctx, c, api.DeleteEventSourceMapping, &api.DeleteEventSourceMappingInput{UUID: made.UUID}); !fault.Is(err, "ResourceInUseException") {
		t.Errorf("delete while it is made: %v", err)
	}
}

func TestList(t *testing.T) {
	b, g, c := newGate(t)
	g.s = New(b.deps, b.calls)
	ctx := t.Context()
	for i := range 7 {
		if _, err := service.Invoke(ctx, c, api.CreateEventSourceMapping, mapTo(fmt.Sprintf("f%d", i%7))); err != nil {
			t.Fatal(err)
		}
	}
	seen, in := map[string]bool{}, &api.ListEventSourceMappingsInput{MaxItems: new(int32(3))}
	for pages := 1; ; pages++ {
		out, err := service.Invoke(ctx, c, api.ListEventSourceMappings, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.EventSourceMappings {
			seen[*m.UUID] = true
		}
		if in.Marker = out.NextMarker; in.Marker == nil {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d mappings", len(seen))
	}
	for _, f := range []struct {
		in   api.ListEventSourceMappingsInput
		want int
	}{
		{api.ListEventSourceMappingsInput{FunctionName: new("f3")}, 1},
		{api.ListEventSourceMappingsInput{FunctionName: new("f3:live")}, 0},
		{api.ListEventSourceMappingsInput{EventSourceArn: new(streamARN)}, 7},
		{api.ListEventSourceMappingsInput{EventSourceArn: new(streamARN + "x")}, 0},
	} {
		out, err := service.Invoke(ctx, c, api.ListEventSourceMappings, &f.in)
		if err != nil || len(out.EventSourceMappings) != f.want {
			t.Errorf("%+v: %d, %v", f.in, len(out.EventSourceMappings), err)
		}
	}
}
