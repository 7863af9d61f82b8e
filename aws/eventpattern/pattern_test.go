package eventpattern

import (
	"errors"
	"strings"
	"testing"
)

// record is what DynamoDB streams give to functions, shortened.
const record = `{"eventName":"INSERT","eventSource":"aws:dynamodb","dynamodb":{"Keys":{"id":{"S":"A-1"}},"NewImage":{"price":{"N":"12"},"name":{"S":"Widget"},"gone":{"NULL":true},"tags":{"SS":["a","b"]}},"SizeBytes":26}}`

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, event string
		want           bool
	}{
		{`{"eventName":["INSERT"]}`, record, true},
		{`{"eventName":["insert"]}`, record, false},
		{`{"eventName":["MODIFY","INSERT"]}`, record, true},
		{`{"eventName":["INSERT"],"eventSource":["aws:s3"]}`, record, false},
		{`{"dynamodb":{"Keys":{"id":{"S":[{"prefix":"A-"}]}}}}`, record, true},
		{`{"dynamodb":{"Keys":{"id":{"S":[{"suffix":"-2"}]}}}}`, record, false},
		{`{"dynamodb":{"Keys":{"id":{"S":[{"suffix":{"equals-ignore-case":"a-1"}}]}}}}`, record, true},
		{`{"dynamodb":{"NewImage":{"price":{"N":["12"]}}}}`, record, true},
		// DynamoDB's numbers are strings, which numeric does not compare.
		{`{"dynamodb":{"NewImage":{"price":{"N":[{"numeric":["=",12]}]}}}}`, record, false},
		{`{"dynamodb":{"SizeBytes":[{"numeric":[">",25,"<=",26]}]}}`, record, true},
		{`{"dynamodb":{"SizeBytes":[{"numeric":[">",26]}]}}`, record, false},
		{`{"dynamodb":{"SizeBytes":[{"numeric":["=",26.0]}]}}`, record, true},
		{`{"dynamodb":{"NewImage":{"tags":{"SS":["b"]}}}}`, record, true},
		{`{"dynamodb":{"NewImage":{"tags":{"SS":["c"]}}}}`, record, false},
		{`{"dynamodb":{"NewImage":{"gone":{"NULL":[true]}}}}`, record, true},
		{`{"dynamodb":{"OldImage":{"x":{"S":[{"exists":false}]}}}}`, record, true},
		{`{"dynamodb":{"OldImage":{"x":{"S":[{"exists":true}]}}}}`, record, false},
		{`{"dynamodb":{"NewImage":{"name":{"S":[{"exists":true}]}}}}`, record, true},
		// exists works on leaves only.
		{`{"dynamodb":{"NewImage":[{"exists":true}]}}`, record, false},
		{`{"$or":[{"eventName":["REMOVE"]},{"dynamodb":{"Keys":{"id":{"S":["A-1"]}}}}]}`, record, true},
		{`{"eventSource":["aws:dynamodb"],"$or":[{"eventName":["REMOVE"]},{"eventName":["MODIFY"]}]}`, record, false},
		{`{"a":[300]}`, `{"a":300}`, true},
		{`{"a":[300]}`, `{"a":300.0}`, true},
		{`{"a":[300]}`, `{"a":3e2}`, true},
		{`{"a":[null]}`, `{"a":null}`, true},
		{`{"a":[null]}`, `{}`, false},
		{`{"a":[""]}`, `{"a":""}`, true},
		{`{"a":[{"exists":true}]}`, `{"a":null}`, true},
		{`{"a":[{"exists":false}]}`, `{"a":[]}`, true},
		{`{"a":[{"anything-but":"x"}]}`, `{"a":"y"}`, true},
		{`{"a":[{"anything-but":"x"}]}`, `{"a":"x"}`, false},
		{`{"a":[{"anything-but":"x"}]}`, `{}`, false},
		{`{"a":[{"anything-but":["x","y"]}]}`, `{"a":["x","z"]}`, true},
		{`{"a":[{"anything-but":[1,2]}]}`, `{"a":2}`, false},
		{`{"a":[{"equals-ignore-case":"ABC"}]}`, `{"a":"aBc"}`, true},
		{`{"a":[{"prefix":{"equals-ignore-case":"ÄB"}}]}`, `{"a":"äbc"}`, true},
		{`{"a":[{"prefix":{"equals-ignore-case":"ÄBCD"}}]}`, `{"a":"äbc"}`, false},
		{`{"a":[{"numeric":[">=",-1,"<",1]}]}`, `{"a":1}`, false},
		{`{"a":[{"numeric":["<",6e8]}]}`, `{"a":1e99}`, false},
		// All that is asked of an array's element is asked of one of them.
		{`{"l":{"k":["a"],"v":[2]}}`, `{"l":[{"k":"a","v":1},{"k":"b","v":2}]}`, false},
		{`{"l":{"k":["b"],"v":[2]}}`, `{"l":[{"k":"a","v":1},{"k":"b","v":2}]}`, true},
		{`{"$or":["x"]}`, `{"$or":"x"}`, true}, // a field of that name
		{`{"a.b":["x"]}`, `{"a":{"b":"x"}}`, true},
		{`{"a":{"b":["x"]}}`, `{"a.b":"x"}`, true},
		{`{"a":{"b":["x"]}}`, `{"a.b":{"b":"x"}}`, false},
		{`{"a":{"b":["x"],"c":["y"]}}`, `{"a.b":"x","a":{"c":"y"}}`, true},
		{`{"a":["x"]}`, `"x"`, false},
		{`{"a":["x"]}`, `{"a":"x"} 2`, false},
	} {
		p, err := Parse([]byte(c.pattern), Filter)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.Match([]byte(c.event)); got != c.want {
			t.Errorf("%s on %s: %v", c.pattern, c.event, got)
		}
	}
}

func TestMatchOnBuses(t *testing.T) {
	for _, c := range []struct {
		pattern, event string
		want           bool
	}{
		{`{"f":[{"wildcard":"dir/*.png"}]}`, `{"f":"dir/a/b.png"}`, true},
		{`{"f":[{"wildcard":"dir/*.png"}]}`, `{"f":"dir/a.jpg"}`, false},
		{`{"f":[{"wildcard":"*ab*ba*"}]}`, `{"f":"aba"}`, false},
		{`{"f":[{"wildcard":"a\\*b"}]}`, `{"f":"a*b"}`, true},
		{`{"f":[{"wildcard":"a*a"}]}`, `{"f":"a"}`, false},
		{`{"f":[{"anything-but":{"wildcard":"*/lib/*"}}]}`, `{"f":"/usr/lib/x"}`, false},
		{`{"f":[{"anything-but":{"prefix":["us-","eu-"]}}]}`, `{"f":"ap-1"}`, true},
		{`{"f":[{"anything-but":{"suffix":".png"}}]}`, `{"f":"a.png"}`, false},
		{`{"f":[{"anything-but":{"equals-ignore-case":["init"]}}]}`, `{"f":"INIT"}`, false},
		{`{"ip":[{"cidr":"10.0.0.0/24"}]}`, `{"ip":"10.0.0.255"}`, true},
		{`{"ip":[{"cidr":"10.0.0.0/24"}]}`, `{"ip":"10.0.1.0"}`, false},
		{`{"ip":[{"cidr":"2001:db8::/32"}]}`, `{"ip":"2001:db8::1"}`, true},
		{`{"ip":[{"cidr":"10.0.0.0/24"}]}`, `{"ip":"host"}`, false},
		{`{"ip":[{"cidr":"10.0.0.0/24"}]}`, `{"ip":"010.0.0.5"}`, true},
		{`{"ip":[{"cidr":"10.0.0.0/24"}]}`, `{"ip":"::ffff:10.0.0.5"}`, false},
		{`{"ip":[{"cidr":"::ffff:0:0/96"}]}`, `{"ip":"::ffff:a00:5"}`, true},
		{`{"ip":["::1"]}`, `{"ip":"0:0:0:0:0:0:0:1"}`, true},
		{`{"ip":["10.0.0.1"]}`, `{"ip":"10.0.0.2"}`, false},
	} {
		p, err := Parse([]byte(c.pattern), EventBridge)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.Match([]byte(c.event)); got != c.want {
			t.Errorf("%s on %s: %v", c.pattern, c.event, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `{}`, `{"a":{}}`, `{"a":[]}`, `{"a":"x"}`, `{"a":1}`, `{"a":null}`, `{"a":[["x"]]}`, `{"a":["x"]} {}`,
		`{"a":[{"prefix":1}]}`, `{"a":[{"prefix":"x","suffix":"y"}]}`, `{"a":[{}]}`, `{"a":[{"what":"x"}]}`,
		`{"a":[{"exists":"true"}]}`, `{"a":[{"numeric":[]}]}`, `{"a":[{"numeric":["=","1"]}]}`, `{"a":[{"numeric":["!",1]}]}`,
		`{"a":[{"numeric":["=",1,"<",3]}]}`, `{"a":[{"numeric":["<",1,">",3]}]}`, `{"a":[{"numeric":[">",3,"<",1]}]}`, `{"a":[{"numeric":[">",6e9]}]}`,
		`{"a":[{"anything-but":[]}]}`, `{"a":[{"anything-but":["x",1]}]}`, `{"a":[{"anything-but":true}]}`,
		`{"a":[{"anything-but":{"prefix":"x"}}]}`, `{"a":[{"wildcard":"x*"}]}`, `{"a":[{"cidr":"10.0.0.0/8"}]}`,
		`{"$or":[{"a":["x"]},{}]}`,
		strings.Repeat(`{"a":`, depthMax+1) + `["x"]` + strings.Repeat(`}`, depthMax+1),
	} {
		_, err := Parse([]byte(text), Filter)
		if e := new(Error); !errors.As(err, &e) {
			t.Errorf("%.60s: error %v", text, err)
		}
	}
	for _, text := range []string{`{"$or":["x"]}`, `{"$or":[{"a":["x"]}]}`, `{"$or":[{"a":["x"]},{"b":{"prefix":["x"]}}]}`, `{"a":[{"cidr":"10.0.0.1"}]}`, `{"a":[{"cidr":"10.0.0.0/32"}]}`, `{"a":[{"anything-but":{"prefix":""}}]}`, `{"a":[{"anything-but":{"prefix":{"equals-ignore-case":"x"}}}]}`, `{"a":[{"wildcard":"x**"}]}`, `{"a":[{"wildcard":"x\\"}]}`, `{"a":[{"cidr":"10.0.0.0/99"}]}`, `{"a":[{"anything-but":{"numeric":["=",1]}}]}`} {
		if _, err := Parse([]byte(text), EventBridge); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
	one := `{"$or":[{"a":["1"]},{"a":["2"]},{"a":["3"]},{"a":["4"]},{"a":["5"]},{"a":["6"]},{"a":["7"]},{"a":["8"]},{"a":["9"]},{"a":["0"]},{"a":["x"]}]}`
	if _, err := Parse([]byte(`{"p":`+one+`,"q":`+one+`,"r":`+one+`}`), Filter); err == nil {
		t.Error("1331 combinations of $or were taken")
	}
}

func FuzzParseAndMatch(f *testing.F) {
	for _, p := range []string{`{"a":[{"numeric":[">",1,"<",3]}]}`, `{"$or":[{"a":["x"]},{"b":[{"exists":false}]}]}`, `{"a":{"b":[{"anything-but":["x"]},null,1,true]}}`, `{"a":[{"wildcard":"a*b\\*"}]}`} {
		f.Add(p, record)
		f.Add(p, `{"a":{"b":[1,{"b":"x"}]}}`)
	}
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := Parse([]byte(pattern), EventBridge)
		if err != nil {
			return
		}
		if p.Match([]byte(event)) != p.Match([]byte(event)) {
			t.Error("not the same twice")
		}
		if q, err := Parse([]byte(pattern), Filter); err == nil && q.Match([]byte(event)) != p.Match([]byte(event)) {
			t.Error("the dialects differ in what both have")
		}
	})
}
