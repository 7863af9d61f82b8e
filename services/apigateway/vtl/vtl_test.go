package vtl

import (
	"strings"
	"testing"
)

func TestTemplates(t *testing.T) {
	body := `{"a":{"b":[1,2,{"c":"x"}]},"s":"it's \"q\"","n":null,"items":[{"id":1,"k":"a"},{"id":2,"k":"b"}]}`
	cases := []struct{ src, want string }{
		{`plain $ # text`, `plain $ # text`},
		{`$missing $!missing ${missing}.`, `$missing  ${missing}.`},
		{`#set($x = 1 + 2 * 3)$x`, `7`},
		{"#set($x = 'a')\nb$x", `ba`},
		{`#set($x = "v")"$x-${x}y" '$x'`, `"$x-vy" 'v'`},
		{`#set($s = "in $x")$s#set($x = 'd')#set($s = "in $x")$s`, `in $xin d`},
		{`#if($missing)a#elseif(1 == 1)b#else c#end`, `b`},
		{`#if("" == "" && !false)yes#end`, `yes`},
		{`#if(!$missing || $x.y)n#{else}z#end`, `n`},
		{`#foreach($i in [1..3])$i#if($foreach.hasNext),#end#end`, `1,2,3`},
		{`#foreach($i in $input.path('$.items'))$i.id$i.k#if($foreach.last).#break#end#end`, `1a2b.`},
		{`#foreach($k in {"a": 1, "b": 2}.keySet())$k#end`, ``},
		{`#set($m = {"a": 1, "b": [1, "t"]})$m #foreach($k in $m.keySet())$k=$m.get($k);#end`, `{a=1, b=[1, t]} a=1;b=[1, t];`},
		{`$input.json('$.a')`, `{"b":[1,2,{"c":"x"}]}`},
		{`$input.json('$.a.b[2].c') $input.path('$.a.b[2].c') $input.json('$.nope')`, `"x" x ""`},
		{`$input.json("$..id") $input.json('$.items[?(@.k == "b")].id') $input.json('$.a.b[0:2]') $input.json("$.a.b[-1]")`, `[1,2] [2] [1,2] {"c":"x"}`},
		{`$input.params('id') $input.params().header.get('H') $input.params('none')|`, `7 v |`},
		{`$util.escapeJavaScript($input.path('$.s'))`, `it\'s \"q\"`},
		{`$util.escapeJavaScript("it's").replaceAll("\\'", "'")`, `it's`},
		{`$util.base64Decode($util.base64Encode("hé")) $util.urlEncode("a b&") $util.parseJson('{"z":[1]}').z[0]`, `hé a+b%26 1`},
		{`#define($loop){#foreach($k in $map.keySet())"$k":"$map.get($k)"#if($foreach.hasNext),#end#end}#end#set($map = $input.params().header)$loop`, `{"H":"v"}`},
		{`#macro(twice $a)$a$a#end#twice("x")#twice('y')`, `xxyy`},
		{`a## comment` + "\nb#* c *#d#[[ $raw #if ]]#", `abd $raw #if `},
		{`#set($l = [])#set($d = $l.add("p"))$l.size() $l.isEmpty()`, `1 false`},
		{`#set($context.responseOverride.header.Access-Control-Allow-Origin = "o")$context.responseOverride.header`, `{Access-Control-Allow-Origin=o}`},
		{`a#stop b`, `a`},
		{`"abc".length() #set($s = "abc")$s.length() $s.substring(1) $s.split("b").get(1) $s.matches("a.*")`, `"abc".length() 3 bc c true`},
		{`\$x`, `$x`},
	}
	for _, c := range cases {
		tpl, err := Parse(c.src)
		if err != nil {
			if c.want != "" {
				t.Errorf("%s: %v", c.src, err)
			}
			continue
		}
		got, err := tpl.Execute(map[string]any{
			"input":   &Input{Body: body, Path: NewMap().Put("id", "7"), Header: NewMap().Put("H", "v")},
			"util":    Util{},
			"context": NewMap().Put("responseOverride", NewMap().Put("header", NewMap())),
		})
		if err != nil || got != c.want {
			t.Errorf("%s\n got %q, %v\nwant %q", c.src, got, err, c.want)
		}
	}
}

func TestUnsupportedTemplatesFail(t *testing.T) {
	for _, src := range []string{`#if($a)`, `#end`, `#parse("x")`, `#include('x')`, `#set($a)`, `#foreach($a of $b)#end`, `#set($a = )`, `#evaluate($x)`, `#define(x)#end`} {
		if _, err := Parse(src); err == nil {
			t.Errorf("%s parses", src)
		}
	}
	for _, src := range []string{`#set($s = "x")$s.getClass()`, `#foreach($i in [1..2000])#end`, `#macro(m)#m()#end#m()`, `#set($s = "x")#foreach($i in [1..60])#set($s = $s + $s)#end`, `#set($l = [1])#foreach($i in [1..60])#set($x = $l.addAll($l))#end`, `$util.nope("x")`, `$input.json("$[?(@.a && @.b)]")`} {
		tpl, err := Parse(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if out, err := tpl.Execute(map[string]any{"util": Util{}, "input": &Input{}}); err == nil {
			t.Errorf("%s gives %q", src, out)
		}
	}
}

func TestMapsInThemselvesEnd(t *testing.T) {
	for _, src := range []string{`#set($m = {})#set($x = $m.put("a", $m))$m`, `#set($m = $input.path('$'))#set($x = $m.put("a", $m))$input.json('$..b')`} {
		tpl, err := Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tpl.Execute(map[string]any{"input": &Input{Body: `{"b":1}`}}); err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
	if _, err := ParseJSON([]byte(strings.Repeat("[", 1_000_000))); err == nil {
		t.Error("a million brackets are JSON")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`#set($x = {"a": [1..3]})$!{x.a.get(0)}`, `#if($a == 'b')x#else y#end`, `#foreach($i in $l)$i#end`, `#macro(a $b)$b#end#a("c")`, `$input.json('$..a[?(@.b==1)]')`, `#define($x)#end$x`, `"$a\"b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		tpl, err := Parse(src)
		if err != nil {
			return
		}
		_, _ = tpl.Execute(map[string]any{"input": &Input{Body: `{"a":[1,{"b":1}]}`}, "util": Util{}, "l": &List{Items: []any{"x", int64(1)}}})
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"$.a['b'][0]", "$..c", "$[?(@.d == 'e')]", "$[1:-1]", "a.b", "$['x','y'][*]"} {
		f.Add(s)
	}
	root, err := ParseJSON([]byte(`{"a":{"b":[1,2]},"c":[{"d":"e"}]}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if p, err := ParsePath(src); err == nil {
			v, _ := p.Find(root)
			_ = JSON(v)
		}
	})
}
