package cognitoidentity

import (
	"slices"
	"strings"

	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/tokens"
)

const (
	roleAuthenticated   = "authenticated"
	roleUnauthenticated = "unauthenticated"

	mappingToken = "Token"
	mappingRules = "Rules"

	ambiguousDeny          = "Deny"
	ambiguousAuthenticated = "AuthenticatedRole"

	rulesMax = 25
)

func errRoles() error {
	return api.ErrInvalidIdentityPoolConfigurationException("Invalid identity pool configuration. Check assigned IAM roles for this pool.")
}

// login is a verified token of a provider.
type login struct {
	provider string
	claims   tokens.Claims
}

// chooseRole picks the role of an identity: the mapping of the login's app
// client decides, where there is one; else the pool's role.
func chooseRole(p *pool, l *login, custom string) (string, error) {
	if l == nil {
		if custom != "" {
			return "", api.ErrInvalidParameterException("CustomRoleArn is not for unauthenticated identities.")
		}
		return assigned(p, roleUnauthenticated)
	}
	m, ok := p.Mappings[l.provider+":"+l.claims.ClientID]
	if !ok {
		if custom != "" {
			return "", api.ErrInvalidParameterException("CustomRoleArn needs a role mapping of type Token.")
		}
		return assigned(p, roleAuthenticated)
	}
	if smithy.Val(m.Type) == mappingRules {
		if custom != "" {
			return "", api.ErrInvalidParameterException("CustomRoleArn needs a role mapping of type Token.")
		}
		for _, r := range smithy.Val(m.RulesConfiguration).Rules {
			if ruleMatches(r, l.claims.All) {
				return smithy.Val(r.RoleARN), nil
			}
		}
		return ambiguous(p, m)
	}
	switch {
	case custom != "" && slices.Contains(l.claims.Roles, custom):
		return custom, nil
	case custom != "":
		return "", api.ErrNotAuthorizedException("CustomRoleArn is not among the roles of the token.")
	case l.claims.PreferredRole != "":
		return l.claims.PreferredRole, nil
	}
	return ambiguous(p, m)
}

func assigned(p *pool, kind string) (string, error) {
	if role := p.Roles[kind]; role != "" {
		return role, nil
	}
	return "", errRoles()
}

func ambiguous(p *pool, m api.RoleMapping) (string, error) {
	if smithy.Val(m.AmbiguousRoleResolution) == ambiguousAuthenticated {
		return assigned(p, roleAuthenticated)
	}
	return "", api.ErrNotAuthorizedException("Access is denied: no role of the token or the rules applies.")
}

// ruleMatches: a rule on a claim that is missing matches never, whatever it
// compares.
func ruleMatches(r api.MappingRule, claims map[string]any) bool {
	got, ok := claimText(claims[smithy.Val(r.Claim)])
	if !ok {
		return false
	}
	want := smithy.Val(r.Value)
	switch smithy.Val(r.MatchType) {
	case "Equals":
		return got == want
	case "Contains":
		return strings.Contains(got, want)
	case "StartsWith":
		return strings.HasPrefix(got, want)
	case "NotEqual":
		return got != want
	}
	return false
}

func claimText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	case []any:
		var parts []string
		for _, item := range v {
			text, ok := claimText(item)
			if !ok {
				return "", false
			}
			parts = append(parts, text)
		}
		return strings.Join(parts, ","), true
	case interface{ String() string }: // json.Number
		return v.String(), true
	}
	return "", false
}

// checkMappings judges SetIdentityPoolRoles.
func checkMappings(roles map[string]string, mappings map[string]api.RoleMapping) error {
	for kind := range roles {
		if kind != roleAuthenticated && kind != roleUnauthenticated {
			return api.ErrInvalidParameterException("Invalid role type: %s", kind)
		}
	}
	for name, m := range mappings {
		if !strings.HasPrefix(name, "cognito-idp.") || !strings.Contains(name, ":") {
			return api.ErrInvalidParameterException("Role mappings are supported for user pools only, as provider:client; not for %s.", name)
		}
		if resolution := smithy.Val(m.AmbiguousRoleResolution); resolution != ambiguousDeny && resolution != ambiguousAuthenticated {
			return api.ErrInvalidParameterException("AmbiguousRoleResolution is required for role mapping %s", name)
		}
		rules := smithy.Val(m.RulesConfiguration).Rules
		switch smithy.Val(m.Type) {
		case mappingRules:
			if len(rules) == 0 || len(rules) > rulesMax {
				return api.ErrInvalidParameterException("Role mapping %s must have 1 to %d rules", name, rulesMax)
			}
		case mappingToken:
			if len(rules) > 0 {
				return api.ErrInvalidParameterException("Role mapping %s of type Token cannot have rules", name)
			}
		}
	}
	return nil
}

// rolesOf lists every role that a configuration can hand out.
func rolesOf(roles map[string]string, mappings map[string]api.RoleMapping) []string {
	var out []string
	for _, r := range roles {
		out = append(out, r)
	}
	for _, m := range mappings {
		for _, r := range smithy.Val(m.RulesConfiguration).Rules {
			out = append(out, smithy.Val(r.RoleARN))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// guestPolicy is the session policy of guests: the services that AWS lets
// unauthenticated identities reach in the enhanced flow.
const guestPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":[` +
	`"appsync:*","cloudwatch:*","cognito-identity:*","cognito-idp:*","cognito-sync:*","comprehend:*","dynamodb:*","execute-api:*",` +
	`"firehose:*","gamelift:*","geo:*","iot:*","kinesisanalytics:*","lambda:*","lex:*","logs:*","machinelearning:*","mobileanalytics:*",` +
	`"mobiletargeting:*","personalize:*","polly:*","rekognition:*","rum:PutRumEvents","s3:*","sagemaker:InvokeEndpoint","sdb:*","ses:*",` +
	`"sns:*","sqs:*","transcribe:*","translate:*",` +
	`"kms:Encrypt","kms:Decrypt","kms:ReEncryptTo","kms:ReEncryptFrom","kms:GenerateDataKey","kms:GenerateDataKeyPair",` +
	`"kms:GenerateDataKeyPairWithoutPlaintext","kms:GenerateDataKeyWithoutPlaintext"]}]}`
