package policy

import "testing"

func TestConditions(t *testing.T) {
	keys := Keys{
		"s:one": {"abc"}, "s:many": {"a", "b"}, "s:empty": {}, "s:blank": {""}, "s:star": {"*"}, "n:five": {"5"}, "n:big": {"9007199254740993"}, "n:bad": {"five"},
		"d:at": {"2024-06-01T12:00:00Z"}, "d:epoch": {"1717243200"}, "b:yes": {"TRUE"}, "b:bad": {"1"}, "x:bin": {"QmluYXJ5"},
		"ip:four": {"10.1.2.3"}, "ip:six": {"2001:db8::1"}, "ip:mapped": {"::ffff:10.1.2.3"}, "ip:bad": {"host"},
		"r:topic": {"arn:aws:sns:us-east-1:111111111111:a:b"}, "aws:principaltag/team": {"red"}, "aws:username": {"abc"},
	}
	tests := []struct {
		cond string
		want bool
	}{
		{`"StringEquals":{"s:one":"abc"}`, true}, {`"StringEquals":{"s:one":"ABC"}`, false}, {`"StringEquals":{"S:One":"abc"}`, true},
		{`"StringEquals":{"s:one":["x","abc"]}`, true}, {`"StringEquals":{"s:one":"ab*"}`, false}, {`"stringequals":{"s:one":"abc"}`, true},
		{`"StringEquals":{"s:blank":""}`, true}, {`"StringEquals":{"s:none":"abc"}`, false}, {`"StringEquals":{"s:empty":"abc"}`, false},
		{`"StringEquals":{"s:one":[]}`, false}, {`"StringNotEquals":{"s:one":[]}`, true},
		{`"StringEqualsIfExists":{"s:none":"abc"}`, true}, {`"StringEqualsIfExists":{"s:one":"x"}`, false},
		{`"StringNotEquals":{"s:one":"x"}`, true}, {`"StringNotEquals":{"s:one":["x","abc"]}`, false}, {`"StringNotEquals":{"s:none":"abc"}`, true},
		{`"StringNotEqualsIfExists":{"s:none":"abc"}`, true}, {`"StringNotEqualsIfExists":{"s:one":"abc"}`, false},
		{`"StringEqualsIgnoreCase":{"s:one":"ABC"}`, true}, {`"StringNotEqualsIgnoreCase":{"s:one":"ABC"}`, false},
		{`"StringLike":{"s:one":"a?c"}`, true}, {`"StringLike":{"s:one":"a*"}`, true}, {`"StringLike":{"s:one":"b*"}`, false}, {`"StringLike":{"s:none":"*"}`, false},
		{`"StringNotLike":{"s:one":"a*"}`, false}, {`"StringNotLike":{"s:one":"b*"}`, true}, {`"StringNotLike":{"s:none":"*"}`, true},
		{`"StringEquals":{"s:many":"b"}`, true}, {`"StringNotEquals":{"s:many":"b"}`, false},

		{`"ForAllValues:StringEquals":{"s:many":["a","b","c"]}`, true}, {`"ForAllValues:StringEquals":{"s:many":["a"]}`, false},
		{`"ForAllValues:StringEquals":{"s:none":"a"}`, true}, {`"ForAllValues:StringEquals":{"s:empty":"a"}`, true}, {`"ForAllValues:StringLike":{"s:many":"?"}`, true},
		{`"ForAllValues:StringNotEquals":{"s:many":"c"}`, true}, {`"ForAllValues:StringNotEquals":{"s:many":"a"}`, false}, {`"ForAllValues:StringEquals":{"s:one":"abc"}`, true},
		{`"ForAnyValue:StringEquals":{"s:many":["b","z"]}`, true}, {`"ForAnyValue:StringEquals":{"s:many":["z"]}`, false}, {`"ForAnyValue:StringEquals":{"s:none":"a"}`, false},
		{`"ForAnyValue:StringEquals":{"s:empty":"a"}`, false}, {`"ForAnyValue:StringNotEquals":{"s:many":["a"]}`, true}, {`"ForAnyValue:StringNotEquals":{"s:many":["a","b"]}`, false},
		{`"ForAnyValue:StringNotEquals":{"s:none":"a"}`, false}, {`"ForAnyValue:StringEqualsIfExists":{"s:none":"a"}`, true}, {`"foranyvalue:StringEquals":{"s:many":"a"}`, true},

		{`"Null":{"s:none":"true"}`, true}, {`"Null":{"s:none":"false"}`, false}, {`"Null":{"s:one":"true"}`, false}, {`"Null":{"s:one":false}`, true}, {`"Null":{"s:empty":true}`, true}, {`"Null":{"s:one":["true","false"]}`, true},

		{`"NumericEquals":{"n:five":5}`, true}, {`"NumericEquals":{"n:five":"5.0"}`, true}, {`"NumericEquals":{"n:big":"9007199254740992"}`, false},
		{`"NumericNotEquals":{"n:five":6}`, true}, {`"NumericNotEquals":{"n:none":6}`, true}, {`"NumericLessThan":{"n:five":6}`, true}, {`"NumericLessThan":{"n:five":5}`, false},
		{`"NumericLessThanEquals":{"n:five":5}`, true}, {`"NumericGreaterThan":{"n:five":4}`, true}, {`"NumericGreaterThanEquals":{"n:five":6}`, false},
		{`"NumericLessThan":{"n:bad":6}`, false}, {`"NumericEquals":{"n:bad":"five"}`, false}, {`"NumericNotEquals":{"n:bad":"5"}`, true}, {`"NumericLessThan":{"n:five":"1e999999999"}`, false}, {`"NumericLessThan":{"n:none":6}`, false},

		{`"DateEquals":{"d:at":"2024-06-01T12:00:00Z"}`, true}, {`"DateEquals":{"d:at":"2024-06-01T14:00:00+02:00"}`, true}, {`"DateEquals":{"d:at":1717243200}`, true}, {`"DateEquals":{"d:epoch":"2024-06-01T12:00:00Z"}`, true},
		{`"DateNotEquals":{"d:at":"2024-06-01"}`, true}, {`"DateLessThan":{"d:at":"2024-06-02"}`, true}, {`"DateGreaterThan":{"d:at":"2024-06-01T12:00Z"}`, false}, {`"DateGreaterThanEquals":{"d:at":"2024"}`, true},
		{`"DateLessThanEquals":{"d:at":"yesterday"}`, false}, {`"DateLessThan":{"d:none":"2030-01-01T00:00:00Z"}`, false},

		{`"Bool":{"b:yes":"true"}`, true}, {`"Bool":{"b:yes":true}`, true}, {`"Bool":{"b:yes":"false"}`, false}, {`"Bool":{"b:bad":"1"}`, false}, {`"Bool":{"b:none":"false"}`, false}, {`"BoolIfExists":{"b:none":"true"}`, true},
		{`"BinaryEquals":{"x:bin":"QmluYXJ5"}`, true}, {`"BinaryEquals":{"x:bin":"QmluYXJ6"}`, false}, {`"BinaryEquals":{"x:bin":"!"}`, false},

		{`"IpAddress":{"ip:four":"10.0.0.0/8"}`, true}, {`"IpAddress":{"ip:four":"10.1.2.3"}`, true}, {`"IpAddress":{"ip:four":"10.1.2.4"}`, false}, {`"IpAddress":{"ip:four":["192.168.0.0/16","10.9.9.9/8"]}`, true},
		{`"IpAddress":{"ip:mapped":"10.0.0.0/8"}`, true}, {`"IpAddress":{"ip:six":"2001:db8::/32"}`, true}, {`"IpAddress":{"ip:six":"10.0.0.0/8"}`, false}, {`"IpAddress":{"ip:bad":"0.0.0.0/0"}`, false}, {`"IpAddress":{"ip:four":"10.0.0.0/33"}`, false},
		{`"NotIpAddress":{"ip:four":"10.0.0.0/8"}`, false}, {`"NotIpAddress":{"ip:four":"11.0.0.0/8"}`, true}, {`"NotIpAddress":{"ip:none":"11.0.0.0/8"}`, true},

		{`"ArnLike":{"r:topic":"arn:aws:sns:*:111111111111:*"}`, true}, {`"ArnEquals":{"r:topic":"arn:aws:sns:*:*:a*"}`, true}, {`"ArnLike":{"r:topic":"arn:aws:sns:*:a:b"}`, false}, {`"ArnLike":{"r:topic":"arn:aws:*"}`, false}, {`"ArnLike":{"r:topic":"*"}`, true},
		{`"ArnLike":{"s:one":"*"}`, false}, {`"ArnNotLike":{"r:topic":"arn:aws:sns:*:111111111111:*"}`, false}, {`"ArnNotEquals":{"r:none":"arn:aws:sns:*:*:*"}`, true}, {`"ArnEquals":{"r:topic":"${r:topic}"}`, true}, {`"ArnLike":{"r:topic":"arn:aws:sns:*:*:${s:one}"}`, false},

		{`"StringEquals":{"s:one":"${aws:username}"}`, true}, {`"StringEquals":{"s:one":"${AWS:UserName}"}`, true}, {`"StringEquals":{"s:one":"x${aws:username}"}`, false}, {`"StringLike":{"s:one":"${s:star}"}`, false}, {`"StringLike":{"s:star":"${s:star}"}`, true},
		{`"StringEquals":{"s:one":"${s:none}"}`, false}, {`"StringNotEquals":{"s:one":"${s:none}"}`, true}, {`"StringEquals":{"s:one":"${s:none, 'abc'}"}`, true}, {`"StringEquals":{"s:one":"${s:none,'ab'}c"}`, true}, {`"StringEquals":{"s:one":"${s:many, 'abc'}"}`, true},
		{`"StringEquals":{"s:star":"${*}"}`, true}, {`"StringLike":{"s:one":"${*}"}`, false}, {`"StringLike":{"s:one":"a${?}c"}`, false}, {`"StringEquals":{"aws:PrincipalTag/Team":"red"}`, true}, {`"NumericEquals":{"n:five":"${n:five}"}`, false},
		{`"StringLike":{"s:one":"${s:none, '}'}*"}`, false}, {`"StringEquals":{"s:one":"${broken"}`, false}, {`"Bool":{"b:yes":"${b:yes}"}`, true},

		{`"StringEquals":{"s:one":"abc","s:blank":"x"}`, false}, {`"StringEquals":{"s:one":"abc"},"Bool":{"b:yes":"false"}`, false}, {`"StringEquals":{"s:one":"abc"},"Bool":{"b:yes":"true"}`, true},
	}
	for _, tt := range tests {
		p := mustParse(t, Identity, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{`+tt.cond+`}}`)
		req := Request{Principal: Principal{Kind: User, AccountID: "1"}, Action: "a:b", Resource: "*", Context: keys}
		if got := Evaluate(req, Set{Identity: []*Policy{p}}).Allowed; got != tt.want {
			t.Errorf("%s = %v, want %v", tt.cond, got, tt.want)
		}
	}
	t.Logf("%d conditions", len(tests))
}

func TestOldVersionHasNoVariables(t *testing.T) {
	p, err := Parse([]byte(`{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}/*"}}`), Identity)
	if err != nil {
		t.Fatal(err)
	}
	req := Request{Principal: Principal{Kind: User, AccountID: "1"}, Action: "s3:GetObject", Resource: "arn:aws:s3:::${aws:username}/k", Context: Keys{"aws:username": {"ann"}}}
	if !Evaluate(req, Set{Identity: []*Policy{p}}).Allowed {
		t.Error("the text ${aws:username} does not match itself in 2008-10-17")
	}
	req.Resource = "arn:aws:s3:::ann/k"
	if Evaluate(req, Set{Identity: []*Policy{p}}).Allowed {
		t.Error("a variable was replaced in 2008-10-17")
	}
}
