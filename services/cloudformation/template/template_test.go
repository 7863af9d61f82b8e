package template

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const minimal = "Resources:\n  R: {Type: 'AWS::SNS::Topic'}\n"

func testEnv() Env {
	return Env{
		Account: "123456789012", Region: "eu-central-1", Partition: "aws", URLSuffix: "amazonaws.com",
		StackName: "st", StackID: "arn:stack", NotificationARNs: []string{"n1"},
		Parameters: map[string]any{"P": "pv", "L": []any{"a", "b"}, "Env": "prod"},
		Ref:        func(id string) (any, error) { return "phys-" + id, nil },
		GetAtt: func(id, att string) (any, error) {
			if att == "Later" {
				return Unknown{}, nil
			}
			return id + "/" + att, nil
		},
		Import: func(name string) (any, error) {
			if name == "exp" {
				return "imported", nil
			}
			return nil, errorf("No export named %s found", name)
		},
		Zones: func(region string) []string { return []string{region + "a", region + "b"} },
	}
}

func withValue(value string) string {
	return `
Transform: AWS::LanguageExtensions
Parameters:
  P: {Type: String, Default: x}
  L: {Type: CommaDelimitedList, Default: "a,b"}
  Env: {Type: String, Default: prod}
Mappings:
  M: {eu-central-1: {size: big, list: [x, y]}}
Conditions:
  Prod: !Equals [!Ref Env, prod]
  Not: !Not [!Condition Prod]
  Both: !And [!Condition Prod, !Equals [1, "1"]]
  Any: !Or [!Condition Not, !Equals [a, b]]
Resources:
  R: {Type: 'AWS::SNS::Topic'}
  Gone: {Type: 'AWS::SNS::Topic', Condition: Not}
  T:
    Type: AWS::SNS::Topic
    Properties:
      V: ` + value + "\n"
}

func TestIntrinsics(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"ref parameter", "!Ref P", `"pv"`},
		{"ref list", "!Ref L", `["a","b"]`},
		{"ref resource", "!Ref R", `"phys-R"`},
		{"pseudo", `[!Ref 'AWS::Region', !Ref 'AWS::AccountId', !Ref 'AWS::Partition', !Ref 'AWS::URLSuffix', !Ref 'AWS::StackName', !Ref 'AWS::StackId', !Ref 'AWS::NotificationARNs']`,
			`["eu-central-1","123456789012","aws","amazonaws.com","st","arn:stack",["n1"]]`},
		{"no value in object", "{a: !Ref 'AWS::NoValue', b: 1}", `{"b":1}`},
		{"no value in list", "[!Ref 'AWS::NoValue', 1]", `[1]`},
		{"getatt dotted", "!GetAtt R.Arn", `"R/Arn"`},
		{"getatt deep", "!GetAtt R.Outputs.X", `"R/Outputs.X"`},
		{"getatt list", "{'Fn::GetAtt': [R, Arn]}", `"R/Arn"`},
		{"getatt pieces", "{'Fn::GetAtt': [R, Outputs, X]}", `"R/Outputs.X"`},
		{"sub", "!Sub 'a-${P}-${R.Arn}-${AWS::Region}-${!Lit}-$x-${R}'", `"a-pv-R/Arn-eu-central-1-${Lit}-$x-phys-R"`},
		{"sub map", "!Sub ['${X}${P}', {X: !Join ['-', [1, true]]}]", `"1-truepv"`},
		{"sub unclosed", "!Sub 'a${P'", `"a${P"`},
		{"join", "!Join [',', [a, !Ref P, 3]]", `"a,pv,3"`},
		{"join list parameter", "!Join ['+', !Ref L]", `"a+b"`},
		{"select", "!Select ['1', !Ref L]", `"b"`},
		{"split", "!Select [2, !Split ['-', 'x-y-z']]", `"z"`},
		{"find in map", "!FindInMap [M, !Ref 'AWS::Region', size]", `"big"`},
		{"find in map default", "!FindInMap [M, nowhere, size, {DefaultValue: small}]", `"small"`},
		{"if true", "!If [Prod, yes1, !GetAtt R.Arn]", `"yes1"`},
		{"if false", "!If [Any, a, !Ref 'AWS::NoValue']", `null`},
		{"and", "!If [Both, a, b]", `"a"`},
		{"import", "{'Fn::ImportValue': !Sub 'e${X}'}", ``},
		{"import value", "!ImportValue exp", `"imported"`},
		{"base64", "!Base64 {'Fn::Sub': 'x${P}'}", `"eHB2"`},
		{"cidr", "!Cidr ['10.0.0.0/16', 2, 8]", `["10.0.0.0/24","10.0.1.0/24"]`},
		{"cidr v6", "!Cidr ['2001:db8::/56', 2, 64]", `["2001:db8::/64","2001:db8:0:1::/64"]`},
		{"zones", "!GetAZs ''", `["eu-central-1a","eu-central-1b"]`},
		{"to json", "!ToJsonString {b: [1, true], a: !Ref P}", `"{\"a\":\"pv\",\"b\":[1,true]}"`},
		{"length", "!Length [a, b, c]", `3`},
		{"numbers keep their digits", "[1.0, 5, 012, 1e3, true, 2020-01-01]", `[1.0,5,"012","1e3",true,"2020-01-01"]`},
		{"unknown spreads", "[!Join ['', [a, !GetAtt R.Later]], !Sub 'x${R.Later}', !GetAtt R.Later]", `["` + KnownAfterApply + `","` + KnownAfterApply + `","` + KnownAfterApply + `"]`},
		{"ref beside others is data", "{Ref: x, b: 1}", `{"Ref":"x","b":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				if _, err := Parse(withValue(tt.value)); err == nil {
					t.Fatal("an undefined variable was accepted")
				}
				return
			}
			tpl, err := Parse(withValue(tt.value))
			if err != nil {
				t.Fatal(err)
			}
			got, err := NewEvaluator(tpl, testEnv()).Value(tpl.Resources["T"].Properties["V"])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, JSON(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIntrinsicFaults(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"select beyond", "!Select [7, [a]]", "Template error: Fn::Select cannot select nonexistent value at index 7"},
		{"join form", "!Join [a]", string(errJoin)},
		{"split form", "!Split ['', a]", string(errSplit)},
		{"no mapping", "!FindInMap [Nope, a, b]", "Template error: Mapping named 'Nope' is not present in the 'Mappings' section of template."},
		{"no mapping key", "!FindInMap [M, a, b]", "Template error: Unable to get mapping for M::a::b"},
		{"no export", "!ImportValue nope", "No export named nope found"},
		{"undefined ref", "!Ref Nope", "Template format error: Unresolved resource dependencies [Nope] in the Resources block of the template"},
		{"undefined getatt", "!GetAtt Nope.Arn", "Template error: instance of Fn::GetAtt references undefined resource Nope"},
		{"getatt form", "!GetAtt Nope", string(errGetAttForm)},
		{"sub chars", "!Sub '${a-b}'", string(errSubChars)},
		{"conditioned out", "!Ref Gone", "Template format error: Unresolved resource dependencies [Gone] in the Resources block of the template"},
		{"unknown tag", "!Nope x", "Template format error: YAML not well-formed. (line 20, column 10) Unknown tag !Nope."},
		{"unknown function", "{'Fn::Nope': x}", "Template format error: Encountered unsupported function: Fn::Nope"},
		{"transform", "{'Fn::Transform': {Name: X}}", "Template format error: Fn::Transform (macros and AWS::Include) is not supported."},
		{"unknown condition", "!If [Nope, a, b]", "Template format error: Unresolved condition dependency Nope in the Resources block of the template"},
		{"null", "~", "[/Resources/T/Properties/V] 'null' values are not allowed in templates"},
		{"function beside others", "{'Fn::Sub': x, b: 1}", "Template error: Fn::Sub must be the only member of its object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tpl, err := Parse(withValue(tt.value))
			if err == nil {
				_, err = NewEvaluator(tpl, testEnv()).Value(tpl.Resources["T"].Properties["V"])
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			var e Error
			if !errors.As(err, &e) {
				t.Errorf("%T is no template.Error", err)
			}
		})
	}
}

func TestParseFaults(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"empty", "", "Template format error: unsupported structure."},
		{"text", "hello", "Template format error: unsupported structure."},
		{"bad json", "{\"a\": \n }", "Template format error: JSON not well-formed. (line 2, column 2)"},
		{"no resources", "Description: x", "Template format error: At least one Resources member must be defined."},
		{"unknown section", "Resourses: {}\n" + minimal, "Invalid template property or properties [Resourses]"},
		{"no type", "Resources: {A: {Properties: {}}}", "Template format error: [/Resources/A] Every Resources object must contain a Type member."},
		{"bad attribute", "Resources: {A: {Type: X, Propertys: {}}}", "Invalid template resource property 'Propertys'"},
		{"bad name", "Resources: {a-b: {Type: X}}", "Template format error: Resource name a-b is non alphanumeric."},
		{"creation policy", "Resources: {A: {Type: X, CreationPolicy: {}}}", "Template format error: [/Resources/A/CreationPolicy] CreationPolicy is not supported."},
		{"serverless transform", "Transform: AWS::Serverless-2016-10-31\n" + minimal, "Template format error: the transform AWS::Serverless-2016-10-31 is not supported; package the template into plain CloudFormation first."},
		{"version", "AWSTemplateFormatVersion: 2011-01-01\n" + minimal, "Template format error: unsupported value for AWSTemplateFormatVersion."},
		{"depends", "Resources: {A: {Type: X, DependsOn: B}}", "Template format error: Unresolved resource dependencies [B] in the Resources block of the template"},
		{"output", minimal + "Outputs: {A: {Description: x}}", "Template format error: Every Outputs member must contain a Value object"},
		{"output ref", minimal + "Outputs: {A: {Value: !Ref Nope}}", "Template format error: Unresolved resource dependencies [Nope] in the Outputs block of the template"},
		{"resource in condition", minimal + "Conditions: {C: !Equals [!Ref R, x]}", "Template format error: Unresolved dependencies [R]. Cannot reference resources in the Conditions block of the template"},
		{"duplicate key", "{\"Resources\":{\"A\":{\"Type\":\"X\"},\"A\":{\"Type\":\"X\"}}}", "Template format error: JSON not well-formed. (line 1, column 35) Duplicate key A."},
		{"alias", "Metadata: {a: &x {b: c}, d: *x}\n" + minimal, "Template format error: YAML not well-formed. (line 1, column 15) Aliases are not supported."},
		{"parameter type", "Parameters: {A: {Type: Nope}}\n" + minimal, "Template format error: Unrecognized parameter type: Nope"},
		{"default breaks constraint", "Parameters: {A: {Type: Number, Default: x}}\n" + minimal, "Template format error: Parameter 'A' must be a number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.body)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	number := func(n float64) *float64 { return &n }
	tests := []struct {
		name string
		p    Parameter
		in   string
		want string // JSON of the value, or the fault
	}{
		{"string", Parameter{Type: "String"}, "x", `"x"`},
		{"list", Parameter{Type: "CommaDelimitedList"}, "a, b", `["a","b"]`},
		{"empty list", Parameter{Type: "CommaDelimitedList"}, "", `[]`},
		{"ec2 list", Parameter{Type: "List<AWS::EC2::Subnet::Id>"}, "s-1,s-2", `["s-1","s-2"]`},
		{"number list", Parameter{Type: "List<Number>"}, "1,x", "Parameter 'P' must be a number"},
		{"low", Parameter{Type: "Number", MinValue: number(3)}, "2", "Parameter 'P' must be a number not less than 3"},
		{"high", Parameter{Type: "Number", MaxValue: number(3)}, "4", "Parameter 'P' must be a number not greater than 3"},
		{"short", Parameter{Type: "String", MinLength: number(2)}, "é", "Parameter 'P' must contain at least 2 characters"},
		{"long", Parameter{Type: "String", MaxLength: number(1)}, "ab", "Parameter 'P' must contain at most 1 characters"},
		{"allowed", Parameter{Type: "String", AllowedValues: []string{"a"}}, "b", "Parameter 'P' must be one of AllowedValues"},
		{"described", Parameter{Type: "String", AllowedValues: []string{"a"}, ConstraintDescription: "only a"}, "b", "Parameter 'P' failed to satisfy constraint: only a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.p.Name = "P"
			v, err := tt.p.Value(tt.in)
			got := JSON(v)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	tpl, err := Parse("Parameters: {A: {Type: String}, B: {Type: String, Default: b}}\n" + minimal)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		given    map[string]Given
		previous map[string]string
		want     string
	}{
		{"missing", nil, nil, "Parameters: [A] must have values"},
		{"unknown", map[string]Given{"A": {Value: "1"}, "Z": {}}, nil, "Parameters: [Z] do not exist in the template"},
		{"default", map[string]Given{"A": {Value: "1"}}, nil, `{"A":"1","B":"b"}`},
		{"previous", map[string]Given{"A": {UsePrevious: true}}, map[string]string{"A": "old", "B": "x"}, `{"A":"old","B":"b"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tpl.Choose(tt.given, tt.previous)
			text := JSON(got)
			if err != nil {
				text = err.Error()
			}
			if text != tt.want {
				t.Errorf("got %s, want %s", text, tt.want)
			}
		})
	}
}

func TestRules(t *testing.T) {
	body := `
Parameters: {V: {Type: String, Default: "3"}}
Rules:
  Check:
    RuleCondition: !Not [!Equals [!Ref V, skip]]
    Assertions:
      - Assert: {'Fn::Not': [{'Fn::Contains': [["1", "2"], !Ref V]}]}
        AssertDescription: too old
` + minimal
	tpl, err := Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{"3": "", "skip": "", "1": "Template error: rule Check failed: too old"} {
		err := NewEvaluator(tpl, Env{Parameters: map[string]any{"V": value}}).CheckRules()
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: got %v, want %s", value, err, want)
		}
	}
}

func TestGraph(t *testing.T) {
	tests := []struct{ name, resources, want string }{
		{"order", "A: {Type: X, Properties: {v: !Ref B}}, B: {Type: X, DependsOn: C}, C: {Type: X}", "C B A"},
		{"sub and getatt", "A: {Type: X, Properties: {v: !Sub '${C.Arn}-${B}'}}, B: {Type: X}, C: {Type: X}", "B C A"},
		{"circle", "A: {Type: X, Properties: {v: !Ref B}}, B: {Type: X, DependsOn: A}", "Circular dependency between resources: [A, B]"},
		{"self", "A: {Type: X, Properties: {v: !Ref A}}", "Circular dependency between resources: [A]"},
		{"condition out", "A: {Type: X, DependsOn: B}, B: {Type: X, Condition: No}", "A"},
		{"branch not taken", "A: {Type: X, Properties: {v: !If [No, !Ref B, 1]}}, B: {Type: X, Condition: No}", "A"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tpl, err := Parse("Conditions: {No: !Equals [a, b]}\nResources: {" + tt.resources + "}")
			if err != nil {
				t.Fatal(err)
			}
			g, err := NewEvaluator(tpl, Env{}).Graph()
			got := strings.Join(g.Order(), " ")
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	body := `
Parameters: {P: {Type: String, Default: x}}
Resources:
  Same: {Type: X, Properties: {v: 5}}
  InPlace: {Type: X, Properties: {v: !Ref P}}
  Replaced: {Type: X, Properties: {name: new}}
  Follows: {Type: X, Properties: {v: !Ref Replaced}}
  Reads: {Type: X, Properties: {v: !GetAtt InPlace.Arn}}
  Added: {Type: X}
  Meta: {Type: X, Metadata: {a: 2}}
`
	tpl, err := Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	deployed := func(props map[string]any) Deployed {
		return Deployed{Type: "X", PhysicalID: "id", Ref: "id", Properties: props, Attributes: map[string]any{"Arn": "arn"}}
	}
	old := map[string]Deployed{
		"Same": deployed(map[string]any{"v": "5"}), "InPlace": deployed(map[string]any{"v": "was"}),
		"Replaced": deployed(map[string]any{"name": "old"}), "Follows": deployed(map[string]any{"v": "id"}),
		"Reads": deployed(map[string]any{"v": "arn"}), "Meta": deployed(nil), "Gone": deployed(nil),
	}
	changes, err := NewEvaluator(tpl, Env{Parameters: map[string]any{"P": "x"}}).Diff(old, func(_, p string) bool { return p == "name" }, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range changes {
		line := string(c.Action) + " " + strings.Join(c.Scope, ",")
		if c.Replace {
			line += " replace"
		}
		for _, d := range c.Details {
			line += " " + d.Property
			if d.Static {
				line += "!"
			}
			for _, cause := range d.Causes {
				line += "<" + cause.Source + " " + cause.Entity + ">"
			}
		}
		got[c.LogicalID] = strings.TrimSpace(line)
	}
	want := map[string]string{
		"InPlace": "Modify Properties v<ParameterReference P>", "Replaced": "Modify Properties replace name!",
		"Follows": "Modify Properties v<ResourceReference Replaced>", "Added": "Add", "Meta": "Modify Metadata", "Gone": "Remove",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecode(t *testing.T) {
	type inner struct {
		Key   string `json:"key"`
		Count int
	}
	type props struct {
		Name    string
		Size    *int32
		On      *bool
		Ratio   float64
		List    []string
		Inner   *inner
		Inners  []inner
		Map     map[string]string
		Any     any
		When    *time.Time
		private string
	}
	five, yes := int32(5), true
	tests := []struct {
		name, in, fault string
		want            props
	}{
		{"conversions", `{"Name":5,"Size":"5","On":"true","Ratio":"1.5","List":["a",1,true]}`, "", props{Name: "5", Size: &five, On: &yes, Ratio: 1.5, List: []string{"a", "1", "true"}}},
		{"whole float", `{"Size":5.0}`, "", props{Size: &five}},
		{"nested", `{"Inner":{"key":"k","Count":"2"},"Inners":[{"key":"x"}],"Map":{"a":1}}`, "", props{Inner: &inner{"k", 2}, Inners: []inner{{Key: "x"}}, Map: map[string]string{"a": "1"}}},
		{"any", `{"Any":{"a":[1]}}`, "", props{Any: map[string]any{"a": []any{json.Number("1")}}}},
		{"unknown", `{"Foo":1,"Name":"x"}`, "#: extraneous key [Foo] is not permitted", props{Name: "x"}},
		{"unknown deep", `{"Inners":[{"Key":"x"}]}`, "#/Inners/0: extraneous key [Key] is not permitted", props{Inners: []inner{{}}}},
		{"case", `{"name":"x"}`, "#: extraneous key [name] is not permitted", props{}},
		{"private", `{"private":"x"}`, "#: extraneous key [private] is not permitted", props{}},
		{"type", `{"Size":"x","List":"a","Inner":"b"}`, "#/Inner: expected type: JSONObject, found: String\n#/List: expected type: JSONArray, found: String\n#/Size: expected type: Number, found: String", props{Size: new(int32), Inner: &inner{}}},
		{"overflow", `{"Size":3000000000}`, "#/Size: expected type: Number, found: Number", props{Size: new(int32)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := parseJSON(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			var got props
			err = Decode(in.(map[string]any), &got)
			fault := ""
			if err != nil {
				fault = err.Error()
			}
			if fault != tt.fault {
				t.Errorf("fault %q, want %q", fault, tt.fault)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(props{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	tests := []struct{ body, want string }{
		{minimal, ""},
		{"Resources: {A: {Type: 'AWS::IAM::Role'}}", "CAPABILITY_IAM"},
		{"Resources: {A: {Type: 'AWS::IAM::Role', Properties: {RoleName: x}}}", "CAPABILITY_NAMED_IAM"},
	}
	for _, tt := range tests {
		tpl, err := Parse(tt.body)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := tpl.Capabilities(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.body, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(minimal)
	f.Add(withValue("!Sub 'x${P}'"))
	f.Add(`{"Resources":{"A":{"Type":"X","Properties":{"v":{"Fn::Join":["",["a",{"Ref":"A"}]]}}}}}`)
	f.Add("Resources:\n  A:\n    Type: X\n    Properties:\n      v: !If [a, b\n")
	f.Fuzz(func(t *testing.T, body string) {
		tpl, err := Parse(body)
		if err != nil {
			var e Error
			if !errors.As(err, &e) {
				t.Fatalf("%T is no Error", err)
			}
			return
		}
		e := NewEvaluator(tpl, testEnv())
		if _, err := e.Graph(); err != nil {
			return
		}
		for _, id := range tpl.IDs() {
			if _, err := e.Value(tpl.Resources[id].Properties); err != nil {
				return
			}
		}
	})
}

func FuzzSub(f *testing.F) {
	f.Add("a${b}${!c}$d${e.f}")
	f.Fuzz(func(t *testing.T, s string) {
		pieces, err := parseSub(s)
		if err != nil {
			return
		}
		var back strings.Builder
		for _, p := range pieces {
			if p.variable && !validVariable(p.text) {
				t.Fatalf("variable %q", p.text)
			}
			back.WriteString(p.text)
		}
		if back.Len() > len(s) {
			t.Fatalf("%q grew to %q", s, back.String())
		}
	})
}
