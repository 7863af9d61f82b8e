package archive

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"strings"
)

//go:embed cfn-response.js
var inlineNode string

//go:embed cfnresponse.py
var inlinePython string

// inlineMax is the largest source that a template may hold.
const inlineMax = 4 << 20

// Inline packages a template's source text as CloudFormation does: a file
// index, and the module by which custom resources answer.
func Inline(runtime, text string) ([]byte, error) {
	names := [2]string{"index.js", "cfn-response.js"}
	module := inlineNode
	switch {
	case strings.HasPrefix(runtime, "python"):
		names, module = [2]string{"index.py", "cfnresponse.py"}, inlinePython
	case !strings.HasPrefix(runtime, "nodejs"):
		return nil, Fault("ZipFile can only be used when Runtime is set to either of nodejs or python runtimes.")
	}
	if len(text) > inlineMax {
		return nil, Fault(fmt.Sprintf("ZipFile must be at most %d bytes", inlineMax))
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, content := range []string{text, module} {
		// No time in the header: the same text gives the same package.
		f, err := z.CreateHeader(&zip.FileHeader{Name: names[i], Method: zip.Deflate})
		if err != nil {
			return nil, err
		}
		if _, err := f.Write([]byte(content)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}
