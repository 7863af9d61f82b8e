package gateway

import (
	"net/http"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/protocols"
	"moln.dev/moln/wire/route"
)

// signingKeysMax bounds the cache of derived signing keys.
const signingKeysMax = 4096

// target is a service with what the gateway derives from its schema once.
type target struct {
	def    *service.Definition
	codec  wire.Codec // of the protocol current clients prefer that we speak
	kind   smithy.Protocol
	query  wire.Codec // awsQuery, where the service speaks it; else nil
	router *route.Router
	byName map[string]*smithy.Operation
}

func newTarget(def *service.Definition) *target {
	t := &target{def: def, byName: map[string]*smithy.Operation{}}
	for _, p := range def.Schema.Protocols {
		c, ok := protocols.For(p)
		if !ok {
			continue
		}
		if t.codec == nil {
			t.codec, t.kind = c, p
		}
		if p == smithy.AWSQuery {
			t.query = c
		}
	}
	if t.rest() {
		t.router = route.New(def.Schema)
	}
	for i := range def.Schema.Operations {
		op := &def.Schema.Operations[i]
		t.byName[op.Name] = op
	}
	return t
}

func (t *target) rest() bool { return t.kind == smithy.RESTJSON1 || t.kind == smithy.RESTXML }

func (t *target) json() bool { return t.kind == smithy.AWSJSON10 || t.kind == smithy.AWSJSON11 }

// deniedCode and validationCode are the codes which AWS's front ends use for
// services of each protocol.
func (t *target) deniedCode() (code string, status int) {
	switch t.kind {
	case smithy.AWSJSON10, smithy.AWSJSON11:
		return "AccessDeniedException", http.StatusBadRequest
	case smithy.RESTJSON1:
		return "AccessDeniedException", http.StatusForbidden
	}
	return "AccessDenied", http.StatusForbidden
}

func (t *target) validationCode() string {
	switch t.def.Schema.Name {
	case "cognitoidp", "cognitoidentity", "logs":
		return "InvalidParameterException"
	case "apigateway", "apigatewayv2":
		return "BadRequestException"
	case "s3":
		return "InvalidArgument"
	}
	switch t.kind {
	case smithy.AWSJSON10, smithy.AWSJSON11, smithy.RESTJSON1:
		return "ValidationException"
	}
	return "ValidationError"
}

func notImplemented(op *bound) error {
	f := fault.New("NotImplemented", http.StatusNotImplemented,
		"moln does not implement %s %s: %s", op.target.def.Schema.ID, op.op.Name, op.Note)
	f.Sender = true
	return f
}
