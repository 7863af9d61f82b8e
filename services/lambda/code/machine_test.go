package code

import (
	"testing"

	"moln.dev/moln/services/lambda/fn"
)

func TestCheckMachine(t *testing.T) {
	const x86, arm = "x86_64", "arm64"
	for _, c := range []struct {
		says, host string
		code       fn.Code
		layer      fn.Code
		fits       bool
	}{
		{x86, x86, fn.Code{X86: true}, fn.Code{}, true},
		{x86, x86, fn.Code{ARM: true}, fn.Code{}, true}, // wrong by its own word
		{arm, x86, fn.Code{}, fn.Code{}, true},
		{arm, x86, fn.Code{ARM: true}, fn.Code{}, false},
		{arm, x86, fn.Code{ARM: true, X86: true}, fn.Code{}, true},
		{arm, x86, fn.Code{}, fn.Code{ARM: true}, false},
		{x86, arm, fn.Code{X86: true}, fn.Code{}, false},
		{arm, arm, fn.Code{ARM: true}, fn.Code{}, true},
		{arm, "", fn.Code{ARM: true}, fn.Code{}, true},
	} {
		g := &fn.Config{Architectures: []string{c.says}, Code: c.code, Layers: []fn.LayerUse{{Code: c.layer}}}
		if err := checkMachine(g, c.host); (err == nil) != c.fits {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
