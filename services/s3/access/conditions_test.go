package access

import "testing"

func TestConditions(t *testing.T) {
	const combination = "Conditions do not apply to combination of actions and resources in statement"
	for _, tt := range []struct{ action, condition, want string }{
		{`"s3:GetObject"`, `{"StringEquals":{"aws:PrincipalTag/Team":"a","aws:UserAgent":"b"}}`, ""},
		{`"s3:GetObject"`, `{"Bool":{"aws:SecureTransport":"false"},"Null":{"s3:TlsVersion":"true"}}`, ""},
		{`"s3:GetObject"`, `{"ForAnyValue:StringLikeIfExists":{"s3:ExistingObjectTag/a":"b"}}`, ""},
		{`"s3:GetObject"`, `{"StringEquals":{"accounts.google.com:aud":"a","s3:DataAccessPointAccount":"1"}}`, ""},
		{`"s3:*"`, `{"StringEquals":{"s3:prefix":"a"}}`, ""},
		{`["s3:ListBucket","s3:ListBucketVersions"]`, `{"StringLike":{"s3:PREFIX":"a"}}`, ""},
		{`"s3:GetObject"`, `{"StringEquals":{"s3:prefix":"a"}}`, combination},
		{`["s3:PutObject","s3:GetObject"]`, `{"StringEquals":{"s3:x-amz-acl":"private"}}`, combination},
		{`"s3:GetObject"`, `{"stringequals":{"aws:UserAgent":"a"}}`, "Invalid Condition type : stringequals"},
		{`"s3:GetObject"`, `{"NullIfExists":{"aws:UserAgent":"a"}}`, "Invalid Condition type : NullIfExists"},
		{`"s3:GetObject"`, `{"ForSomeValues:StringEquals":{"aws:UserAgent":"a"}}`, "Invalid Condition type : ForSomeValues:StringEquals"},
		{`"s3:GetObject"`, `{"StringEquals":{"aws:Nothing":"a"}}`, "Policy has an invalid condition key"},
		{`"s3:GetObject"`, `{"StringEquals":{"s3:Nothing":"a"}}`, "Policy has an invalid condition key"},
		{`"s3:GetObject"`, `{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","::1"]}}`, ""},
		{`"s3:GetObject"`, `{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","300.1.1.1/40"]}}`, "Invalid IP address in Conditions"},
		{`"s3:GetObject"`, `{"Null":{"aws:SourceIp":true}}`, "Invalid IP address in Conditions"},
	} {
		document := `{"Statement":{"Effect":"Deny","Principal":"*","Resource":"*","Action":` + tt.action + `,"Condition":` + tt.condition + `}}`
		if got := Conditions([]byte(document)); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.action, tt.condition, got, tt.want)
		}
	}
}
