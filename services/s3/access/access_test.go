package access

import (
	"testing"
)

func TestPublicPolicies(t *testing.T) {
	for _, tt := range []struct {
		statement string
		want      bool
	}{
		{`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}`, true},
		{`{"Effect":"Allow","Principal":{"AWS":"*"}}`, true},
		{`{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","*"]}}`, true},
		{`{"Effect":"Deny","Principal":"*"}`, false},
		{`{"Effect":"Allow","Principal":{"AWS":"111122223333"}}`, false},
		{`{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"}}`, false},
		{`{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`, false},
		{`{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/0"]}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}}`, false},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:SourceVpce":"vpce-*"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringEqualsIfExists":{"aws:SourceVpce":"vpce-1"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:Referer":"https://x/*"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:userid":"AROAX:*"}}}`, false},
		{`[{"Effect":"Deny","Principal":"*"},{"Effect":"Allow","Principal":"*"}]`, true},
		{`"garbage"`, true},
	} {
		if got := IsPublic([]byte(`{"Statement":` + tt.statement + `}`)); got != tt.want {
			t.Errorf("%s: %v", tt.statement, got)
		}
	}
}

func FuzzIsPublic(f *testing.F) {
	f.Add([]byte(`{"Statement":{"Effect":"Allow","Principal":"*"}}`))
	f.Fuzz(func(_ *testing.T, doc []byte) {
		IsPublic(doc)
		OwnResources(doc, "abc")
		Applies(doc)
		Fault(doc)
	})
}

func TestOwnResources(t *testing.T) {
	for resource, want := range map[string]bool{
		"arn:aws:s3:::mine": true, "arn:aws:s3:::mine/*": true, "arn:aws:s3:::mi*": true, "arn:aws:s3:::other/*": false, "arn:aws:s3:::*": true, "*": false, "arn:aws:s3:::mine2": false,
	} {
		if got := OwnResources([]byte(`{"Statement":[{"Resource":"`+resource+`"}]}`), "mine"); got != want {
			t.Errorf("%s: %v", resource, got)
		}
	}
}
