package events

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/identity"
)

// ruleARN is the ARN of a rule of the default bus.
func ruleARN(name string) string { return "arn:aws:events:" + region + ":" + account + ":rule/" + name }

func TestEveryOperationHasItsRow(t *testing.T) {
	seen := map[string]int{}
	for _, op := range table.Bind(&Service{}) {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, o := range api.Schema.Operations {
		if seen[o.Name] != 1 {
			t.Errorf("%s has %d rows", o.Name, seen[o.Name])
		}
	}
}

// TestEventsReachTheirTargets is the form of events, and what each kind of target
// is told.
func TestEventsReachTheirTargets(t *testing.T) {
	w := newWorld(t)
	w.run()
	must(t, w.root(), api.CreateEventBus, &api.CreateEventBusInput{Name: new("shop")})
	fifo := to("fifo", queueARN("q.fifo"))
	fifo.SqsParameters = &api.SqsParameters{MessageGroupId: new("g")}
	fifo.InputPath = new("$.detail")
	w.rule("shop", "orders", `{"source":["shop"]}`, to("f", functionARN("f")), fifo)
	w.rule("shop", "others", `{"source":["else"]}`, to("f", functionARN("never")))
	w.rule("", "orders", `{"source":["shop"]}`, to("f", functionARN("not-this-bus")))
	e := entry("shop", "Order <placed>", "{ \"n\": 1.50,\n \"a\": [\"&\"] }")
	e.EventBusName, e.Resources, e.Time = new("shop"), []string{"arn:x"}, new(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	ids := w.put(w.root(), e)
	got := w.took(2)
	if got[0].to != functionARN("f") {
		got[0], got[1] = got[1], got[0]
	}
	rule := "arn:aws:events:" + region + ":" + account + ":rule/shop/orders"
	want := []sent{
		{to: functionARN("f"), as: servicePrincipal + " " + rule, body: `{"version":"0","id":"` + ids[0] + `","detail-type":"Order <placed>","source":"shop","account":"` + account +
			`","time":"2026-01-02T03:04:05Z","region":"eu-west-1","resources":["arn:x"],"detail":{"n":1.50,"a":["&"]}}`},
		{to: queueARN("q.fifo"), as: servicePrincipal + " " + rule, body: `{"n":1.50,"a":["&"]}`, group: "g"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(sent{})); d != "" {
		t.Error(d)
	}
}

func TestEntriesAreJudgedOneByOne(t *testing.T) {
	w := newWorld(t)
	in := &api.PutEventsInput{Entries: []api.PutEventsRequestEntry{
		entry("a", "t", `{}`), {DetailType: new("t"), Detail: new("{}")}, {Source: new("a"), Detail: new("{}")}, {Source: new("a"), DetailType: new("t")},
		entry("a", "t", `[]`), entry("a", "t", `"x"`), entry("a", "t", `{{}`), entry("aws.s3", "t", `{}`),
	}}
	out := must(t, w.root(), api.PutEvents, in)
	var got []string
	for _, e := range out.Entries {
		if e.ErrorCode == nil {
			got = append(got, "taken")
			continue
		}
		got = append(got, *e.ErrorCode+": "+*e.ErrorMessage)
	}
	want := []string{
		"taken",
		"InvalidArgument: Parameter Source is not valid. Reason: Source is a required argument.",
		"InvalidArgument: Parameter DetailType is not valid. Reason: DetailType is a required argument.",
		"InvalidArgument: Parameter Detail is not valid. Reason: Detail is a required argument.",
		"MalformedDetail: Detail is malformed.", "MalformedDetail: Detail is malformed.", "MalformedDetail: Detail is malformed.",
		"NotAuthorizedForSourceException: Not authorized for the source.",
	}
	if d := cmp.Diff(want, got); d != "" || *out.FailedEntryCount != 7 {
		t.Errorf("%d failed: %s", *out.FailedEntryCount, d)
	}
	big := entry("a", "t", `{"x":"`+strings.Repeat("x", requestBytesMax-10)+`"}`)
	w.put(w.root(), big) // just as large as may be
	big.Source = new("aa")
	fails(t, w.root(), api.PutEvents, &api.PutEventsInput{Entries: []api.PutEventsRequestEntry{big}}, "ValidationException", "Total size of the entries in the request is over the limit.")
}

// TestServicesPutTheirOwnSources is E2.
func TestServicesPutTheirOwnSources(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.rule("", "s3", `{"source":["aws.s3"]}`, to("f", functionARN("f")))
	s3 := identity.Service("s3.amazonaws.com", account, "arn:aws:s3:::b")
	w.put(w.as(s3), entry("aws.s3", "Object Created", `{}`))
	w.took(1)
	for _, c := range []struct {
		who    identity.Principal
		source string
	}{
		{s3, "aws.ec2"}, {s3, "mine"}, {identity.Service("s3.amazonaws.com", other, "arn:aws:s3:::b"), "aws.s3"},
	} {
		call := w.as(c.who)
		call.Account = account
		fails(t, call, api.PutEvents, &api.PutEventsInput{Entries: []api.PutEventsRequestEntry{entry(c.source, "t", "{}")}}, "AccessDeniedException", "")
	}
	must(t, w.root(), api.CreateEventBus, &api.CreateEventBusInput{Name: new("b")})
	e := entry("aws.s3", "t", "{}")
	e.EventBusName = new("b")
	fails(t, w.as(s3), api.PutEvents, &api.PutEventsInput{Entries: []api.PutEventsRequestEntry{e}}, "AccessDeniedException", "")
}

func TestBusPoliciesAreJudged(t *testing.T) {
	w := newWorld(t)
	k := busKey{place{account, region}, "b"}
	must(t, w.root(), api.CreateEventBus, &api.CreateEventBusInput{Name: new("b")})
	stranger := w.user("u", other, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"events:PutEvents","Resource":"*"}}`)
	in := &api.PutEventsInput{Entries: []api.PutEventsRequestEntry{entry("s", "t", "{}")}}
	in.Entries[0].EventBusName = new(k.arn())
	fails(t, stranger, api.PutEvents, in, "AccessDeniedException", "")
	must(t, w.root(), api.PutPermission, &api.PutPermissionInput{EventBusName: new("b"), Action: new("events:PutEvents"), Principal: new(other), StatementId: new("one")})
	w.put(stranger, in.Entries...)
	got := must(t, w.root(), api.DescribeEventBus, &api.DescribeEventBusInput{Name: new("b")})
	want := `{"Version":"2012-10-17","Statement":[{"Sid":"one","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + other + `:root"},"Action":"events:PutEvents","Resource":"` + k.arn() + `"}]}`
	if *got.Policy != want {
		t.Errorf("policy %s\nwant %s", *got.Policy, want)
	}
	must(t, w.root(), api.PutPermission, &api.PutPermissionInput{EventBusName: new("b"), Policy: new(`{"Version":"2012-10-17","Statement":{"Sid":"two","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"` +
		k.arn() + `","Condition":{"StringEquals":{"events:source":"only"}}}}`)})
	fails(t, stranger, api.PutEvents, in, "AccessDeniedException", "")
	in.Entries[0].Source = new("only")
	w.put(stranger, in.Entries...)
	fails(t, w.root(), api.RemovePermission, &api.RemovePermissionInput{EventBusName: new("b"), StatementId: new("one")}, "ResourceNotFoundException", "Statement with the provided id does not exist.")
	must(t, w.root(), api.RemovePermission, &api.RemovePermissionInput{EventBusName: new("b"), StatementId: new("two")})
	fails(t, stranger, api.PutEvents, in, "AccessDeniedException", "")
	fails(t, w.root(), api.PutPermission, &api.PutPermissionInput{EventBusName: new("b"), Policy: new(`{"Statement":3}`)}, "ValidationException", "")
}

func TestRulesAndBuses(t *testing.T) {
	w := newWorld(t)
	c := w.root()
	fails(t, c, api.PutRule, &api.PutRuleInput{Name: new("r")}, "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.")
	fails(t, c, api.PutRule, &api.PutRuleInput{Name: new("r"), EventPattern: new(`{"a":"b"}`)}, "InvalidEventPatternException", `Event pattern is not valid. Reason: "a" must be an object or an array`)
	fails(t, c, api.PutRule, &api.PutRuleInput{Name: new("r"), EventBusName: new("x"), EventPattern: new(`{"a":["b"]}`)}, "ResourceNotFoundException", "Event bus x does not exist.")
	fails(t, c, api.DescribeRule, &api.DescribeRuleInput{Name: new("r")}, "ResourceNotFoundException", "Rule r does not exist on EventBus default.")
	fails(t, c, api.DeleteEventBus, &api.DeleteEventBusInput{Name: new("default")}, "ValidationException", "Cannot delete event bus default.")
	fails(t, c, api.DeleteEventBus, &api.DeleteEventBusInput{Name: new("x")}, "ResourceNotFoundException", "Event bus x does not exist.")
	fails(t, c, api.CreateEventBus, &api.CreateEventBusInput{Name: new("default")}, "ResourceAlreadyExistsException", "Event bus default already exists.")
	fails(t, c, api.CreateEventBus, &api.CreateEventBusInput{Name: new("k"), KmsKeyIdentifier: new("alias/a")}, "ValidationException", "")
	w.rule("", "r", `{"a":["b"]}`, to("1", functionARN("f")))
	fails(t, c, api.DeleteRule, &api.DeleteRuleInput{Name: new("r")}, "ValidationException", "Rule can't be deleted since it has targets.")
	var many []api.Target
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		many = append(many, to(id, functionARN(id)))
	}
	must(t, c, api.PutTargets, &api.PutTargetsInput{Rule: new("r"), Targets: many})
	fails(t, c, api.PutTargets, &api.PutTargetsInput{Rule: new("r"), Targets: []api.Target{to("6", functionARN("6"))}}, "LimitExceededException", "The requested resource exceeds the maximum number allowed.")
	names := must(t, c, api.ListRuleNamesByTarget, &api.ListRuleNamesByTargetInput{TargetArn: new(functionARN("3"))})
	if d := cmp.Diff([]string{"r"}, names.RuleNames); d != "" {
		t.Error(d)
	}
	one := must(t, c, api.ListTargetsByRule, &api.ListTargetsByRuleInput{Rule: new("r"), Limit: new(int32(4))})
	two := must(t, c, api.ListTargetsByRule, &api.ListTargetsByRuleInput{Rule: new("r"), NextToken: one.NextToken})
	if len(one.Targets) != 4 || len(two.Targets) != 1 || two.NextToken != nil {
		t.Errorf("pages of %d and %d targets", len(one.Targets), len(two.Targets))
	}
	gone := must(t, c, api.RemoveTargets, &api.RemoveTargetsInput{Rule: new("r"), Ids: []string{"1", "2", "3", "4", "5", "no"}})
	if *gone.FailedEntryCount != 1 || *gone.FailedEntries[0].TargetId != "no" {
		t.Errorf("removed %+v", gone)
	}
	must(t, c, api.DeleteRule, &api.DeleteRuleInput{Name: new("r")})
	must(t, c, api.DeleteRule, &api.DeleteRuleInput{Name: new("r")})
	if got := must(t, c, api.ListRules, &api.ListRulesInput{}); len(got.Rules) != 0 {
		t.Errorf("rules %+v", got.Rules)
	}
}

func TestPagesAndTags(t *testing.T) {
	w := newWorld(t)
	c := w.root()
	for _, n := range []string{"a", "c", "x", "xa"} {
		must(t, c, api.CreateEventBus, &api.CreateEventBusInput{Name: new(n), Tags: []api.Tag{{Key: new("k"), Value: new(n)}}})
	}
	fails(t, c, api.CreateEventBus, &api.CreateEventBusInput{Name: new("a")}, "ResourceAlreadyExistsException", "Event bus a already exists.")
	var got []string
	var token *string
	for {
		page := must(t, c, api.ListEventBuses, &api.ListEventBusesInput{Limit: new(int32(2)), NextToken: token})
		for _, b := range page.EventBuses {
			got = append(got, *b.Name)
		}
		if token = page.NextToken; token == nil {
			break
		}
	}
	if d := cmp.Diff([]string{"a", "c", "default", "x", "xa"}, got); d != "" {
		t.Error(d)
	}
	if l := must(t, c, api.ListEventBuses, &api.ListEventBusesInput{NamePrefix: new("x")}); len(l.EventBuses) != 2 {
		t.Errorf("with a prefix: %d", len(l.EventBuses))
	}
	busARN := busKey{place{account, region}, "a"}.arn()
	must(t, c, api.TagResource, &api.TagResourceInput{ResourceARN: &busARN, Tags: []api.Tag{{Key: new("l"), Value: new("2")}}})
	must(t, c, api.UntagResource, &api.UntagResourceInput{ResourceARN: &busARN, TagKeys: []string{"k"}})
	tags := must(t, c, api.ListTagsForResource, &api.ListTagsForResourceInput{ResourceARN: &busARN})
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "l" {
		t.Errorf("tags %+v", tags.Tags)
	}
	for _, n := range []string{"r1", "r2", "r3"} {
		w.rule("a", n, `{"a":["b"]}`)
	}
	first := must(t, c, api.ListRules, &api.ListRulesInput{EventBusName: new("a"), Limit: new(int32(2))})
	rest := must(t, c, api.ListRules, &api.ListRulesInput{EventBusName: &busARN, NextToken: first.NextToken})
	if len(first.Rules) != 2 || len(rest.Rules) != 1 || *rest.Rules[0].Arn != "arn:aws:events:eu-west-1:"+account+":rule/a/r3" {
		t.Errorf("rules %+v %+v", first.Rules, rest.Rules)
	}
	fails(t, c, api.DeleteEventBus, &api.DeleteEventBusInput{Name: new("a")}, "ValidationException", "")
}

func TestTargetsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.rule("", "r", `{"a":["b"]}`)
	change := func(arn string, f func(*api.Target)) api.Target {
		out := to("t", arn)
		f(&out)
		return out
	}
	none := func(*api.Target) {}
	for _, c := range []struct {
		target        api.Target
		code, message string
	}{
		{change("nonsense", none), "ValidationException", "Parameter nonsense is not valid. Reason: Provided Arn is not in correct format."},
		{change("arn:aws:kinesis:eu-west-1:"+account+":stream/s", none), "ValidationException", "moln does not support targets of this kind: arn:aws:kinesis:eu-west-1:" + account + ":stream/s"},
		{change(queueARN("q.fifo"), none), "ValidationException", "Parameter(s) SqsParameters must be specified for target: t."},
		{change("arn:aws:events:eu-west-1:"+account+":event-bus/b", none), "ValidationException", "RoleArn is required for target arn:aws:events:eu-west-1:" + account + ":event-bus/b."},
		{change(functionARN("f"), func(t *api.Target) { t.Input, t.InputPath = new("{}"), new("$") }), "ValidationException", "Only one of Input, InputPath, or InputTransformer must be provided for target t."},
		{change(functionARN("f"), func(t *api.Target) { t.Input = new("{") }), "ValidationException", ""},
		{change(functionARN("f"), func(t *api.Target) { t.InputTransformer = &api.InputTransformer{InputTemplate: new(`"<x>"`)} }), "ValidationException", "InputTemplate for target t contains invalid placeholder x."},
		{change(functionARN("f"), func(t *api.Target) { t.DeadLetterConfig = &api.DeadLetterConfig{Arn: new(queueARN("q.fifo"))} }), "ValidationException", ""},
		{change(functionARN("f"), func(t *api.Target) { t.EcsParameters = &api.EcsParameters{TaskDefinitionArn: new("x")} }), "ValidationException", "moln does not support EcsParameters"},
	} {
		fails(t, w.root(), api.PutTargets, &api.PutTargetsInput{Rule: new("r"), Targets: []api.Target{c.target}}, c.code, c.message)
	}
	fails(t, w.root(), api.PutTargets, &api.PutTargetsInput{Rule: new("no"), Targets: []api.Target{to("t", functionARN("f"))}}, "ResourceNotFoundException", "Rule no does not exist on EventBus default.")
	clerk := w.user("u", account, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"events:*","Resource":"*"}}`)
	withRole := to("t", queueARN("q"))
	withRole.RoleArn = new(roleARN)
	fails(t, clerk, api.PutTargets, &api.PutTargetsInput{Rule: new("r"), Targets: []api.Target{withRole}}, "AccessDeniedException", "")
}

// TestRetriesThenDeadLetters moves the clock through the retries of a target that
// fails, and looks at what its queue is told.
func TestRetriesThenDeadLetters(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.fails[queueARN("busy")] = errors.New("broken")
	w.fails[queueARN("gone")] = fault.New("AWS.SimpleQueueService.NonExistentQueue", 400, "The specified queue does not exist.")
	busy, gone := to("busy", queueARN("busy")), to("gone", queueARN("gone"))
	busy.RetryPolicy = &api.RetryPolicy{MaximumRetryAttempts: new(int32(2))}
	for _, x := range []*api.Target{&busy, &gone} {
		x.DeadLetterConfig = &api.DeadLetterConfig{Arn: new(queueARN("letters"))}
	}
	w.rule("", "r", `{"source":["s"]}`, busy, gone)
	w.put(w.root(), entry("s", "t", "{}"))
	w.took(1) // of what is gone, at once
	for i := 1; i <= 2; i++ {
		w.until("a try", func() bool {
			jobs, err := w.sched.Jobs(t.Context(), deliverKind, 0)
			return err == nil && len(jobs) == 1 && !jobs[0].Leased && jobs[0].Attempt == i
		})
		w.clk.Advance(10 * time.Minute)
	}
	got := w.took(2)
	w.idle()
	if w.tries[queueARN("busy")] != 3 || w.tries[queueARN("gone")] != 1 {
		t.Errorf("tries %v", w.tries)
	}
	want := []map[string]string{
		{"RULE_ARN": ruleARN("r"), "TARGET_ARN": queueARN("gone"), "ERROR_CODE": "NO_RESOURCE", "ERROR_MESSAGE": "The specified queue does not exist.", "RETRY_ATTEMPTS": "0"},
		{"RULE_ARN": ruleARN("r"), "TARGET_ARN": queueARN("busy"), "ERROR_CODE": "INTERNAL_ERROR", "ERROR_MESSAGE": "Internal error", "RETRY_ATTEMPTS": "2", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"},
	}
	if d := cmp.Diff(want, []map[string]string{got[0].attributes, got[1].attributes}); d != "" {
		t.Error(d)
	}
	if !strings.Contains(got[0].body, `"source":"s"`) || got[0].to != queueARN("letters") {
		t.Errorf("letter %+v", got[0])
	}
}

func TestExhausted(t *testing.T) {
	for _, c := range []struct {
		policy  *api.RetryPolicy
		attempt int
		age     time.Duration
		want    string
	}{
		{nil, 1, 0, ""}, {nil, 185, time.Hour, ""}, {nil, 186, time.Hour, retriesExhausted},
		{nil, 2, 24 * time.Hour, ageExhausted},
		{&api.RetryPolicy{MaximumRetryAttempts: new(int32(0))}, 1, 0, retriesExhausted},
		{&api.RetryPolicy{MaximumEventAgeInSeconds: new(int32(60))}, 3, 55 * time.Second, ""},
		{&api.RetryPolicy{MaximumEventAgeInSeconds: new(int32(60))}, 4, 55 * time.Second, ageExhausted},
	} {
		if got := exhausted(c.policy, c.attempt, begin, begin.Add(c.age)); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	var sum time.Duration
	for i := 1; i <= retriesMax; i++ {
		sum += backoff(i)
	}
	if sum < 22*time.Hour || sum > 26*time.Hour {
		t.Errorf("185 tries take %v", sum)
	}
}

// TestBusToBus is a rule whose target is another bus, as a role.
func TestBusToBus(t *testing.T) {
	w := newWorld(t)
	w.run()
	must(t, w.root(), api.CreateEventBus, &api.CreateEventBusInput{Name: new("b")})
	target := to("b", busKey{place{account, region}, "b"}.arn())
	target.RoleArn = new(roleARN)
	target.DeadLetterConfig = &api.DeadLetterConfig{Arn: new(queueARN("letters"))}
	w.rule("", "forward", `{"source":["aws.s3"]}`, target)
	w.rule("b", "end", `{"source":["aws.s3"]}`, to("f", functionARN("f")))
	s3 := w.as(identity.Service("s3.amazonaws.com", account, "arn:aws:s3:::b"))
	w.put(s3, entry("aws.s3", "t", "{}"))
	if got := w.took(1)[0]; got.to != queueARN("letters") || got.attributes["ERROR_CODE"] != "NO_PERMISSIONS" {
		t.Errorf("without permission: %+v", got)
	}
	w.policies[roleARN] = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"events:PutEvents","Resource":"*"}}`
	ids := w.put(s3, entry("aws.s3", "t", "{}"))
	if got := w.took(2)[1]; got.to != functionARN("f") || !strings.Contains(got.body, ids[0]) {
		t.Errorf("forwarded: %+v", got)
	}
}

func TestTestEventPattern(t *testing.T) {
	w := newWorld(t)
	ev := `{"id":"1","account":"1","source":"s","time":"2026-01-02T03:04:05Z","region":"r","resources":[],"detail-type":"t","detail":{"a":1}}`
	got := must(t, w.root(), api.TestEventPattern, &api.TestEventPatternInput{EventPattern: new(`{"detail":{"a":[{"numeric":["<",2]}]}}`), Event: &ev})
	if !*got.Result {
		t.Error("does not match")
	}
	for _, bad := range []string{`{}`, `x`, `[]`, strings.Replace(ev, `"id":"1",`, "", 1)} {
		fails(t, w.root(), api.TestEventPattern, &api.TestEventPatternInput{EventPattern: new(`{"a":["b"]}`), Event: &bad}, "ValidationException", "Parameter Event is not valid.")
	}
	fails(t, w.root(), api.TestEventPattern, &api.TestEventPatternInput{EventPattern: new(`{"a":[]}`), Event: &ev}, "InvalidEventPatternException", "Event pattern is not valid. Reason: Empty arrays are not allowed")
}

// TestQueuedEventsSurvive is E1: what was answered reaches its target though
// nothing ran when it came.
func TestQueuedEventsSurvive(t *testing.T) {
	w := newWorld(t)
	w.rule("", "r", `{"source":["s"]}`, to("f", functionARN("f")))
	w.put(w.root(), entry("s", "t", "{}"), entry("s", "t", "{}"))
	w.start()
	w.run()
	w.took(2)
	w.idle()
}
