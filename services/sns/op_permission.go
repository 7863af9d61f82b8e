package sns

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"

	api "moln.dev/moln/api/sns"
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
	return nil, s.changePolicy(ctx, id, func(t *topic, doc *document) error {
		for _, st := range doc.Statement {
			if sid(st) == *in.Label {
				return invalid("Statement already exists")
			}
		}
		doc.Statement = append(doc.Statement, statement{
			Sid: *in.Label, Effect: "Allow", Principal: map[string]any{"AWS": alone(principals)}, Action: alone(actions), Resource: t.arn(),
		})
		return nil
	})
}

func (s *Service) removePermission(ctx context.Context, c *service.Call, in *api.RemovePermissionInput) (*api.RemovePermissionOutput, error) {
	id, err := parseTopic(c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, s.changePolicy(ctx, id, func(_ *topic, doc *document) error {
		doc.Statement = slices.DeleteFunc(doc.Statement, func(st any) bool { return sid(st) == *in.Label })
		return nil
	})
}

// changePolicy rewrites the statements of a topic's policy. What it does not know
// in a statement stays.
func (s *Service) changePolicy(ctx context.Context, id topicID, change func(*topic, *document) error) error {
	return s.store.changeTopic(ctx, id, func(_ *kv.Tx, t *topic) error {
		var doc struct {
			Version   string
			ID        string `json:"Id"`
			Statement json.RawMessage
		}
		if err := json.Unmarshal([]byte(t.Policy), &doc); t.Policy != "" && err != nil {
			return err
		}
		out := document{Version: doc.Version, ID: doc.ID, Statement: statements(doc.Statement)}
		if out.Version == "" {
			out.Version = "2008-10-17"
		}
		if err := change(t, &out); err != nil {
			return err
		}
		if len(out.Statement) == 0 {
			t.Policy = ""
			return nil
		}
		b, err := json.Marshal(out)
		if err != nil {
			return err
		}
		return attributeFault(t.setPolicy(string(b)))
	})
}

// statements are those of a policy, each as it is written.
func statements(raw json.RawMessage) []any {
	if len(raw) == 0 {
		return nil
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) != nil {
		many = []json.RawMessage{raw}
	}
	out := make([]any, len(many))
	for i, m := range many {
		out[i] = m
	}
	return out
}

func sid(st any) string {
	raw, _ := st.(json.RawMessage)
	var v struct{ Sid string }
	_ = json.Unmarshal(raw, &v) // a statement without one has none
	return v.Sid
}

// alone writes one value without a list.
func alone(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return values
}
