package sns

import (
	"context"
	"regexp"
	"slices"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

var accountForm = regexp.MustCompile(`^\d{12}$`)

func (s *Service) addPermission(ctx context.Context, c *service.Call, in *api.AddPermissionInput) (*api.AddPermissionOutput, error) {
	id, err := parseTopic(c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	for _, a := range in.AWSAccountId {
		if !accountForm.MatchString(a) {
			return nil, invalid("Policy Error: PrincipalNotFound")
		}
	}
	var actions, principals []string
	for _, a := range in.ActionName {
		if a != "*" && !slices.Contains(policyActions, a) {
			return nil, invalid("Policy statement action out of service scope!")
		}
		actions = append(actions, "SNS:"+a)
	}
	for _, a := range in.AWSAccountId {
		principals = append(principals, "arn:aws:iam::"+a+":root")
	}
	if len(actions) == 0 || len(principals) == 0 {
		return nil, invalid("Policy Error: null")
	}
	return nil, s.changePolicy(ctx, id, func(t *topic, doc *policy.Draft) error {
		if doc.Index(func(sid string) bool { return sid == *in.Label }) >= 0 {
			return invalid("Statement already exists")
		}
		return doc.Add(policy.Grant{
			Sid: *in.Label, Effect: policy.Allow, Principal: map[string]any{"AWS": policy.Alone(principals)}, Action: policy.Alone(actions), Resource: t.arn(),
		})
	})
}

func (s *Service) removePermission(ctx context.Context, c *service.Call, in *api.RemovePermissionInput) (*api.RemovePermissionOutput, error) {
	id, err := parseTopic(c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, s.changePolicy(ctx, id, func(_ *topic, doc *policy.Draft) error {
		for {
			at := doc.Index(func(sid string) bool { return sid == *in.Label })
			if at < 0 {
				return nil
			}
			doc.Statement = slices.Delete(doc.Statement, at, at+1)
		}
	})
}

// changePolicy rewrites the statements of a topic's policy.
func (s *Service) changePolicy(ctx context.Context, id topicID, change func(*topic, *policy.Draft) error) error {
	return s.store.changeTopic(ctx, id, func(_ *kv.Tx, t *topic) error {
		doc := policy.Draft{Version: policy.Version2008}
		if err := doc.Read(t.Policy); err != nil {
			return err
		}
		if err := change(t, &doc); err != nil {
			return err
		}
		text, err := doc.Text()
		if err != nil {
			return err
		}
		if text == "" {
			t.Policy = ""
			return nil
		}
		return attributeFault(t.setPolicy(text))
	})
}
