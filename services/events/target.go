package events

import (
	"encoding/json"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/events/send"
	"moln.dev/moln/services/events/transform"
)

// Limits of a rule's targets.
//
// Source: EventBridge quotas; RetryPolicy in the API reference.
const (
	targetsPerRuleMax = 5
	retriesMax        = 185
	ageMaxS           = 24 * 60 * 60
)

// checkTarget says why events of a rule cannot be sent to a target.
func checkTarget(k ruleKey, t *api.Target) error {
	a, err := arn.Parse(*t.Arn)
	if err != nil {
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", *t.Arn)
	}
	if err := checkParameters(t); err != nil {
		return err
	}
	kind, ok := send.Parse(a)
	if !ok {
		return unsupported("targets of this kind: " + *t.Arn)
	}
	if err := checkKind(k, t, kind); err != nil {
		return err
	}
	if err := checkDeadLetter(t.DeadLetterConfig); err != nil {
		return err
	}
	return checkInput(t)
}

// checkKind checks what one kind of target needs and others may not have.
func checkKind(k ruleKey, t *api.Target, kind send.Kind) error {
	a, _ := arn.Parse(*t.Arn)
	hasGroup := t.SqsParameters != nil && smithy.Val(t.SqsParameters.MessageGroupId) != ""
	switch {
	case kind == send.Bus && smithy.Val(t.RoleArn) == "":
		return invalid("RoleArn is required for target %s.", *t.Arn)
	case kind == send.Bus && *t.Arn == k.busKey.arn():
		return invalid("Parameter %s is not valid. Reason: The event bus of a rule cannot be its target.", *t.Arn)
	case kind == send.FIFO && !hasGroup:
		return invalid("Parameter(s) SqsParameters must be specified for target: %s.", *t.Id)
	case kind != send.FIFO && hasGroup && kind != send.Queue:
		return invalid("Parameter(s) SqsParameters are not valid for target: %s.", *t.Id)
	case kind == send.Topic && a.Account != k.account && smithy.Val(t.RoleArn) == "":
		return invalid("RoleArn is required for target %s.", *t.Arn)
	case kind == send.Bus && (t.Input != nil || t.InputPath != nil || t.InputTransformer != nil):
		return unsupported("Input, InputPath and InputTransformer for an event bus: " + *t.Arn)
	case kind == send.Group && a.Account != k.account:
		return invalid("Parameter %s is not valid. Reason: The log group must be in the account of the rule.", *t.Arn)
	}
	return nil
}

// checkParameters refuses the parameters of targets that there are none of here.
func checkParameters(t *api.Target) error {
	for name, is := range map[string]bool{
		"KinesisParameters": t.KinesisParameters != nil, "RunCommandParameters": t.RunCommandParameters != nil, "EcsParameters": t.EcsParameters != nil,
		"BatchParameters": t.BatchParameters != nil, "HttpParameters": t.HttpParameters != nil, "RedshiftDataParameters": t.RedshiftDataParameters != nil,
		"SageMakerPipelineParameters": t.SageMakerPipelineParameters != nil, "AppSyncParameters": t.AppSyncParameters != nil,
	} {
		if is {
			return unsupported(name)
		}
	}
	return nil
}

// checkInput checks what the target is to be given instead of the event.
func checkInput(t *api.Target) error {
	given := 0
	for _, is := range []bool{t.Input != nil, t.InputPath != nil, t.InputTransformer != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return invalid("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", *t.Id)
	case t.Input != nil && !json.Valid([]byte(*t.Input)):
		return invalid("JSON syntax error in input for target %s.", *t.Id)
	}
	if _, err := shapeOf(t); err != nil {
		return invalid("%s", err.Error())
	}
	return nil
}

// shapeOf compiles what a target is given.
func shapeOf(t *api.Target) (*transform.Shape, error) {
	s := transform.Spec{Target: *t.Id, Input: t.Input, Path: t.InputPath}
	if tr := t.InputTransformer; tr != nil {
		s.Paths, s.Template = tr.InputPathsMap, tr.InputTemplate
	}
	return transform.Compile(s)
}
