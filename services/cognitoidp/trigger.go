package cognitoidp

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/settings"
)

// A trigger must answer within triggerTimeout and is tried triggerTries times
// where it could not be run at all.
const (
	triggerTimeout   = 5 * time.Second
	triggerTries     = 3
	servicePrincipal = "cognito-idp.amazonaws.com"
	noClient         = "CLIENT_ID_NOT_APPLICABLE"
)

// event is what a trigger is sent and must give back with a response.
type event struct {
	Version       string        `json:"version"`
	TriggerSource string        `json:"triggerSource"`
	Region        string        `json:"region"`
	UserPoolID    string        `json:"userPoolId"`
	UserName      string        `json:"userName"`
	CallerContext callerContext `json:"callerContext"`
	Request       any           `json:"request"`
	Response      any           `json:"response"`
}

type callerContext struct {
	AwsSdkVersion string `json:"awsSdkVersion"`
	ClientID      string `json:"clientId"`
}

// triggerUser is the part of the request that all triggers share.
func triggerUser(u *user) map[string]string {
	out := maps.Clone(u.Attributes)
	if out == nil {
		out = map[string]string{}
	}
	if u.Sub != "" {
		out[settings.AttributeSub] = u.Sub
	}
	if u.Status != "" {
		out["cognito:user_status"] = u.Status
	}
	return out
}

// trigger invokes a pool's function and decodes its response into out; nothing
// happens where the pool has none. name is the trigger's, for messages.
func (s *Service) trigger(ctx context.Context, c *service.Call, p place, fn *string, name, source, clientID, username string, request, out any) error {
	prefix := name
	if name == "PreTokenGeneration" {
		prefix = "TokenGeneration"
	}
	if smithy.Val(fn) == "" {
		return nil
	}
	payload, err := json.Marshal(event{
		Version: "1", TriggerSource: prefix + "_" + source, Region: p.Region, UserPoolID: p.Pool, UserName: username,
		CallerContext: callerContext{AwsSdkVersion: "aws-sdk-unknown-unknown", ClientID: firstOf(clientID, noClient)},
		Request:       request, Response: out,
	})
	if err != nil {
		return err
	}
	res, err := s.invoke(ctx, functions.Request{
		Caller:  identity.Service(servicePrincipal, p.Account, p.arn()),
		Account: p.Account, Region: p.Region, RequestID: c.RequestID, Depth: c.Depth + 1, FunctionARN: *fn, Payload: payload,
	}, name)
	if err != nil {
		return err
	}
	if res.FunctionError != "" {
		return triggerFault(name, res.Payload)
	}
	var answer struct {
		Response json.RawMessage `json:"response"`
	}
	if err := json.Unmarshal(res.Payload, &answer); err != nil || answer.Response == nil {
		return api.ErrInvalidLambdaResponseException("Unrecognizable lambda output")
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Response, out); err != nil {
		return api.ErrInvalidLambdaResponseException("Unrecognizable lambda output")
	}
	return nil
}

// invoke tries again where the function could not be run; where it ran and
// failed, it is not run again.
func (s *Service) invoke(ctx context.Context, req functions.Request, name string) (functions.Response, error) {
	var res functions.Response
	var err error
	for range triggerTries {
		var limited context.Context
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, triggerTimeout)
		res, err = s.d.Functions.Invoke(limited, req)
		timedOut := limited.Err() != nil
		cancel()
		if err == nil || timedOut || !fault.Is(err, "TooManyRequestsException", "ServiceException") {
			break
		}
	}
	if err == nil {
		return res, nil
	}
	s.d.Log.Warn("cognito trigger was not run", "trigger", name, "function", req.FunctionARN, "err", err)
	if fault.Is(err, "AccessDeniedException") {
		return res, api.ErrUnexpectedLambdaException("%s invocation failed due to error AccessDeniedException.", name)
	}
	if f := fault.As(err); f != nil {
		return res, api.ErrUnexpectedLambdaException("%s invocation failed due to error %s.", name, f.Message)
	}
	return res, api.ErrUnexpectedLambdaException("%s invocation failed due to error: the function did not answer.", name)
}

func triggerFault(name string, payload []byte) error {
	var e struct {
		ErrorMessage string `json:"errorMessage"`
	}
	_ = json.Unmarshal(payload, &e) // a crash has no message; the text says so
	return api.ErrUserLambdaValidationException("%s failed with error %s.", name, firstOf(e.ErrorMessage, "the function failed"))
}

type preSignUpRequest struct {
	UserAttributes map[string]string `json:"userAttributes"`
	ValidationData map[string]string `json:"validationData"`
	ClientMetadata map[string]string `json:"clientMetadata,omitempty"`
}

type preSignUpResponse struct {
	AutoConfirmUser bool `json:"autoConfirmUser"`
	AutoVerifyEmail bool `json:"autoVerifyEmail"`
	AutoVerifyPhone bool `json:"autoVerifyPhone"`
}

// preSignUp asks whether a user may be made.
func (s *Service) preSignUp(ctx context.Context, c *service.Call, p place, up *pool, source, clientID string, u *user, validation []api.AttributeType, metadata map[string]string) (preSignUpResponse, error) {
	data, err := settings.AttributeMap(validation)
	if err != nil {
		return preSignUpResponse{}, err
	}
	attributes := triggerUser(u)
	delete(attributes, settings.AttributeSub)
	delete(attributes, "cognito:user_status")
	var out preSignUpResponse
	err = s.trigger(ctx, c, p, up.Settings.LambdaConfig.PreSignUp, "PreSignUp", source, clientID, u.Username,
		preSignUpRequest{attributes, data, metadata}, &out)
	if err != nil {
		return preSignUpResponse{}, err
	}
	if out.AutoVerifyEmail && u.Attributes[settings.AttributeEmail] == "" || out.AutoVerifyPhone && u.Attributes[settings.AttributePhone] == "" {
		return preSignUpResponse{}, api.ErrInvalidLambdaResponseException("Auto verification is not possible: the user has no such attribute")
	}
	return out, nil
}

type userRequest struct {
	UserAttributes map[string]string `json:"userAttributes"`
	ClientMetadata map[string]string `json:"clientMetadata,omitempty"`
}

func (s *Service) postConfirmation(ctx context.Context, c *service.Call, p place, up *pool, source, clientID string, u *user, metadata map[string]string) error {
	return s.trigger(ctx, c, p, up.Settings.LambdaConfig.PostConfirmation, "PostConfirmation", source, clientID, u.Username,
		userRequest{triggerUser(u), metadata}, &struct{}{})
}

type preAuthenticationRequest struct {
	UserAttributes map[string]string `json:"userAttributes"`
	ValidationData map[string]string `json:"validationData,omitempty"`
	UserNotFound   bool              `json:"userNotFound,omitempty"`
}

// preAuthentication is told of users that do not exist only where the client
// hides that they do not.
func (s *Service) preAuthentication(ctx context.Context, c *service.Call, a *app, u *user, name string, metadata map[string]string) error {
	req := preAuthenticationRequest{ValidationData: metadata, UserAttributes: map[string]string{}, UserNotFound: u == nil}
	if u != nil {
		name, req.UserAttributes = u.Username, triggerUser(u)
	}
	return s.trigger(ctx, c, a.place, a.pool.Settings.LambdaConfig.PreAuthentication, "PreAuthentication", "Authentication", a.client.ID(), name, req, &struct{}{})
}

type postAuthenticationRequest struct {
	UserAttributes map[string]string `json:"userAttributes"`
	NewDeviceUsed  bool              `json:"newDeviceUsed"`
	ClientMetadata map[string]string `json:"clientMetadata,omitempty"`
}

func (s *Service) postAuthentication(ctx context.Context, c *service.Call, a *app, u *user, metadata map[string]string) error {
	return s.trigger(ctx, c, a.place, a.pool.Settings.LambdaConfig.PostAuthentication, "PostAuthentication", "Authentication", a.client.ID(), u.Username,
		postAuthenticationRequest{UserAttributes: triggerUser(u), ClientMetadata: metadata}, &struct{}{})
}

type groupConfiguration struct {
	GroupsToOverride   []string `json:"groupsToOverride"`
	IamRolesToOverride []string `json:"iamRolesToOverride"`
	PreferredRole      *string  `json:"preferredRole"`
}

type preTokenRequest struct {
	UserAttributes     map[string]string  `json:"userAttributes"`
	GroupConfiguration groupConfiguration `json:"groupConfiguration"`
	ClientMetadata     map[string]string  `json:"clientMetadata,omitempty"`
}

type preTokenResponse struct {
	ClaimsOverrideDetails *struct {
		ClaimsToAddOrOverride map[string]string   `json:"claimsToAddOrOverride"`
		ClaimsToSuppress      []string            `json:"claimsToSuppress"`
		GroupOverrideDetails  *groupConfiguration `json:"groupOverrideDetails"`
	} `json:"claimsOverrideDetails"`
}

func (s *Service) preToken(ctx context.Context, c *service.Call, a *app, u *user, source string, g grants, metadata map[string]string) (overrides, error) {
	groups, roles := g.groups, g.roles
	if groups == nil {
		groups = []string{}
	}
	if roles == nil {
		roles = []string{}
	}
	conf := groupConfiguration{GroupsToOverride: groups, IamRolesToOverride: roles}
	if g.preferred != "" {
		conf.PreferredRole = &g.preferred
	}
	var out preTokenResponse
	err := s.trigger(ctx, c, a.place, a.pool.Settings.LambdaConfig.PreTokenGeneration, "PreTokenGeneration", source, a.client.ID(), u.Username,
		preTokenRequest{triggerUser(u), conf, metadata}, &out)
	if err != nil || out.ClaimsOverrideDetails == nil {
		return overrides{}, err
	}
	d := out.ClaimsOverrideDetails
	o := overrides{add: d.ClaimsToAddOrOverride, suppress: d.ClaimsToSuppress}
	if d.GroupOverrideDetails != nil {
		o.grants = &grants{d.GroupOverrideDetails.GroupsToOverride, d.GroupOverrideDetails.IamRolesToOverride, smithy.Val(d.GroupOverrideDetails.PreferredRole)}
	}
	return o, nil
}
