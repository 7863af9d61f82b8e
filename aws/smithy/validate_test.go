package smithy

import (
	"slices"
	"strings"
	"testing"
)

type keyElement struct {
	AttributeName *string
	KeyType       *string
}

type createInput struct {
	TableName  *string
	KeySchema  []keyElement
	Tags       map[string]string
	Modes      []string
	Count      *int32
	Rate       *float64
	Secret     *string
	AWSAccount *string
	Nested     map[string]keyElement
	Batches    map[string][]keyElement
}

// Indices of the shapes in testService.
const (
	tString ShapeID = iota
	tName
	tKeyType
	tElement
	tSchema
	tTags
	tModes
	tCount
	tRate
	tSecret
	tInput
	tNested
	tBatch
	tBatches
)

var testService = Service{Shapes: []Shape{
	tString:  {Name: "String"},
	tName:    {Name: "Name", Constraints: &Constraints{Min: 3, HasMin: true, Max: 10, HasMax: true, Pattern: "[a-z]+"}},
	tKeyType: {Name: "KeyType", Constraints: &Constraints{Enum: []string{"HASH", "RANGE"}}},
	tElement: {Name: "KeySchemaElement", Kind: KindStructure, Members: []Member{
		{Name: "AttributeName", Shape: tName, Field: 0, Flags: Required},
		{Name: "KeyType", Shape: tKeyType, Field: 1},
	}},
	tSchema: {Name: "KeySchema", Kind: KindList, Constraints: &Constraints{Min: 1, HasMin: true, Max: 2, HasMax: true},
		Members: []Member{{Name: "member", Shape: tElement}}},
	tTags:   {Name: "Tags", Kind: KindMap, Members: []Member{{Name: "key", Shape: tName}, {Name: "value", Shape: tKeyType}}},
	tModes:  {Name: "Modes", Kind: KindList, Members: []Member{{Name: "member", Shape: tKeyType}}},
	tCount:  {Name: "Count", Kind: KindInteger, Constraints: &Constraints{Min: 1, HasMin: true, Max: 9, HasMax: true}},
	tRate:   {Name: "Rate", Kind: KindDouble, Constraints: &Constraints{Max: 1, HasMax: true}},
	tSecret: {Name: "Secret", Flags: Sensitive, Constraints: &Constraints{Min: 8, HasMin: true}},
	tInput: {Name: "CreateInput", Kind: KindStructure, Members: []Member{
		{Name: "TableName", Shape: tName, Field: 0, Flags: Required},
		{Name: "KeySchema", Shape: tSchema, Field: 1},
		{Name: "Tags", Shape: tTags, Field: 2},
		{Name: "Modes", Shape: tModes, Field: 3},
		{Name: "Count", Shape: tCount, Field: 4},
		{Name: "Rate", Shape: tRate, Field: 5},
		{Name: "Secret", Shape: tSecret, Field: 6},
		{Name: "AWSAccount", Shape: tName, Field: 7},
		{Name: "Nested", Shape: tNested, Field: 8},
		{Name: "Batches", Shape: tBatches, Field: 9},
	}},
	tNested: {Name: "Nested", Kind: KindMap, Members: []Member{{Name: "key", Shape: tString}, {Name: "value", Shape: tElement}}},
	tBatch: {Name: "Batch", Kind: KindList, Constraints: &Constraints{Max: 25, HasMax: true, Min: 1, HasMin: true},
		Members: []Member{{Name: "member", Shape: tElement}}},
	tBatches: {Name: "Batches", Kind: KindMap, Members: []Member{{Name: "key", Shape: tString}, {Name: "value", Shape: tBatch}}},
}}

func TestValidate(t *testing.T) {
	const (
		one    = "1 validation error detected: "
		failed = "failed to satisfy constraint: "
		name   = "[Member must have length less than or equal to 10, Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: [a-z]+]"
	)
	ok := new("table")
	for _, tt := range []struct {
		about string
		in    createInput
		want  string
	}{
		{"nothing wrong", createInput{TableName: ok, KeySchema: []keyElement{{AttributeName: ok, KeyType: new("HASH")}}}, ""},
		{"required", createInput{}, one + "Value null at 'tableName' " + failed + "Member must not be null"},
		{"two of one value", createInput{TableName: new("A")}, "2 validation errors detected: Value 'A' at 'tableName' " + failed +
			"Member must satisfy regular expression pattern: [a-z]+; Value 'A' at 'tableName' " + failed +
			"Member must have length greater than or equal to 3"},
		{"pattern matches the whole value", createInput{TableName: new("abc\n")}, one + "Value 'abc\n' at 'tableName' " + failed +
			"Member must satisfy regular expression pattern: [a-z]+"},
		{"length counts characters", createInput{TableName: ok, AWSAccount: new("ééé")}, one + "Value 'ééé' at 'aWSAccount' " + failed +
			"Member must satisfy regular expression pattern: [a-z]+"},
		{"empty list", createInput{TableName: ok, KeySchema: []keyElement{}}, one + "Value '[]' at 'keySchema' " + failed +
			"Member must have length greater than or equal to 1"},
		{"long list", createInput{TableName: ok, KeySchema: []keyElement{{AttributeName: ok}, {AttributeName: ok}, {AttributeName: ok}}},
			one + "Value '[KeySchemaElement(attributeName=table), KeySchemaElement(attributeName=table), KeySchemaElement(attributeName=table)]' at 'keySchema' " +
				failed + "Member must have length less than or equal to 2"},
		{"inside a list", createInput{TableName: ok, KeySchema: []keyElement{{AttributeName: ok}, {KeyType: new("X")}}},
			"2 validation errors detected: Value null at 'keySchema.2.member.attributeName' " + failed + "Member must not be null; " +
				"Value 'X' at 'keySchema.2.member.keyType' " + failed + "Member must satisfy enum value set: [HASH, RANGE]"},
		{"element of a list", createInput{TableName: ok, Modes: []string{"HASH", "x"}}, one + "Value '[HASH, x]' at 'modes' " + failed +
			"Member must satisfy constraint: [Member must satisfy enum value set: [HASH, RANGE]]"},
		{"key of a map", createInput{TableName: ok, Tags: map[string]string{"K": "HASH"}}, one + "Value '{K=HASH}' at 'tags' " + failed +
			"Map keys must satisfy constraint: " + name},
		{"value of a map", createInput{TableName: ok, Tags: map[string]string{"key": "v"}}, one + "Value '{key=v}' at 'tags' " + failed +
			"Map value must satisfy constraint: [Member must satisfy enum value set: [HASH, RANGE]]"},
		{"empty list in a map", createInput{TableName: ok, Batches: map[string][]keyElement{"a": {}}}, one + "Value '{a=[]}' at 'batches' " +
			failed + "Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]"},
		{"inside a map", createInput{TableName: ok, Nested: map[string]keyElement{"k": {}}}, one +
			"Value null at 'nested.k.member.attributeName' " + failed + "Member must not be null"},
		{"inside a list in a map", createInput{TableName: ok, Batches: map[string][]keyElement{"k": {{}}}}, one +
			"Value null at 'batches.k.member.1.member.attributeName' " + failed + "Member must not be null"},
		{"small number", createInput{TableName: ok, Count: new(int32(0))}, one + "Value '0' at 'count' " + failed +
			"Member must have value greater than or equal to 1"},
		{"large fraction", createInput{TableName: ok, Rate: new(1.5)}, one + "Value '1.5' at 'rate' " + failed +
			"Member must have value less than or equal to 1.0"},
		{"secret is not shown", createInput{TableName: ok, Secret: new("short")}, one + "Value at 'secret' " + failed +
			"Member must have length greater than or equal to 8"},
	} {
		if got := Message(new(Validator).Validate(&testService, tInput, &tt.in)); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.about, got, tt.want)
		}
	}
}

func TestValidateStopsAtManyViolations(t *testing.T) {
	in := createInput{TableName: new("table"), Nested: map[string]keyElement{}}
	for i := range 3 * maxViolations {
		in.Nested[strings.Repeat("k", i+1)] = keyElement{}
	}
	if n := len(new(Validator).Validate(&testService, tInput, &in)); n != maxViolations {
		t.Errorf("%d violations, want %d", n, maxViolations)
	}
}

func TestPlainShapes(t *testing.T) {
	plain := plainShapes(&testService)
	for id, want := range map[ShapeID]bool{tString: true, tName: true, tElement: false, tInput: false, tModes: false} {
		if plain[id] != want {
			t.Errorf("plain[%s] = %t", testService.Shapes[id].Name, plain[id])
		}
	}
}

func TestCompilePattern(t *testing.T) {
	for _, tt := range []struct {
		pattern  string
		yes, not []string
	}{
		{`[a-zA-Z0-9_.-]+`, []string{"a.b"}, []string{"", "a b", "a\n"}},
		{`a|b`, []string{"a", "b"}, []string{"ab"}},
		{`[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*`, []string{"", "aé\U0001F600\n"}, []string{"\x00"}},
		{`[\w+=,.@\-]*`, []string{"a+b@c-d"}, []string{"a b"}},
		{`[\p{L}\p{M}\p{S}\p{N}\p{P}]+`, []string{"Ünïcode!"}, []string{" "}},
		{`\p{Alnum}+[\p{Punct}]`, []string{"ab1!"}, []string{"!"}},
		{`x{1,2500}`, []string{"x", strings.Repeat("x", 2500)}, []string{"", strings.Repeat("x", 2501)}},
		{`(ab){0,1500}c`, []string{"c", strings.Repeat("ab", 1500) + "c"}, []string{strings.Repeat("ab", 1501) + "c"}},
		{`[a-z]{1200}`, []string{strings.Repeat("q", 1200)}, []string{strings.Repeat("q", 1199)}},
		{`.{1200,}`, []string{strings.Repeat("q", 3000)}, []string{strings.Repeat("q", 1199)}},
		{`[\S\s]{1,1000000}`, []string{"a\nb"}, []string{""}},
		{`[^\]]a++`, []string{"baa"}, []string{"]aa"}},
		{`[[a]+`, []string{"[a"}, []string{"b"}},
		{`^(?!\s*$).+`, []string{" a "}, []string{"", "  "}},
		{`[0-9A-Za-z\.\-_]*(?<!\.)`, []string{"", "a.b"}, []string{"a.", "."}},
		{`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`, []string{"a-b-c"}, []string{"a--b", "-ab", "ab-"}},
		{`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, []string{"1a", "live", "1-1"}, []string{"12", ""}},
		{`^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$`, []string{"1a1", "a"}, []string{"12", ""}},
		{`(?:a|b)?c`, []string{"ac", "c"}, []string{"abc"}},
	} {
		re, err := CompilePattern(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		for _, s := range tt.yes {
			if !re.MatchString(s) {
				t.Errorf("%s does not match %.40q", tt.pattern, s)
			}
		}
		for _, s := range tt.not {
			if re.MatchString(s) {
				t.Errorf("%s matches %.40q", tt.pattern, s)
			}
		}
	}
	for _, bad := range []string{`(?!aws)x`, `[a-z&&[^b]]`, `(a)\1`, `[a`, `\`, `\uD800`} {
		if _, err := CompilePattern(bad); err == nil {
			t.Errorf("%s compiles", bad)
		}
	}
}

func FuzzCompilePattern(f *testing.F) {
	for _, s := range []string{`[a-z]{1,2500}`, `(a|[\p{L}])+?`, `\uD83D\uDE00`, `x{,`, `a{9999999}`, `)`, `[^]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 200 {
			return
		}
		if re, err := CompilePattern(s); err == nil {
			re.MatchString(s)
		}
	})
}

func TestLowerFirst(t *testing.T) {
	got := []string{lowerFirst("TableName"), lowerFirst("AWSAccountId"), lowerFirst("name"), lowerFirst("")}
	if want := []string{"tableName", "aWSAccountId", "name", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func BenchmarkValidate(b *testing.B) {
	in := createInput{
		TableName: new("table"), KeySchema: []keyElement{{AttributeName: new("key"), KeyType: new("HASH")}},
		Tags: map[string]string{"owner": "HASH"}, Batches: map[string][]keyElement{"k": {{AttributeName: new("key")}}},
	}
	va := NewValidator()
	b.ReportAllocs()
	for b.Loop() {
		if v := va.Validate(&testService, tInput, &in); v != nil {
			b.Fatal(Message(v))
		}
	}
}
