// Package form is the language of S3's uploads by HTML form: the multipart
// body with its fields and its file, the policy document that limits what a
// form may upload, and the answers of a form that has done so.
//
// It verifies no signature and stores nothing: the service's handler asks the
// gateway who signed the policy, and lets PutObject do the rest.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html
package form

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// FieldsBytesMax is how much of a form may precede its file.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingHTTPPOST.html
const FieldsBytesMax = 20 << 10

// fieldsMax bounds the number of fields, which would cost memory before their
// bytes are counted.
const fieldsMax = 1000

// aheadBytesMax is what the readers below may look ahead of, and the
// boundaries and headers between fields.
const aheadBytesMax = 64 << 10

// Form is a form up to its file. Names of fields are lower case.
type Form struct {
	fields map[string]string
	// File reads the file to its end; what follows it is ignored, as S3 does.
	File     io.Reader
	FileName string
}

// IsForm reports whether a request could be an upload by form.
func IsForm(r *http.Request) bool {
	if r.Method != http.MethodPost || r.URL.RawQuery != "" {
		return false
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "multipart/form-data")
}

// Read reads a form's fields, up to its file, which must come last. It keeps
// FieldsBytesMax in memory whatever the client sends.
func Read(body io.Reader, contentType string) (*Form, error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil, errMalformed()
	}
	gate := &gate{r: body, left: FieldsBytesMax + aheadBytesMax}
	parts := multipart.NewReader(gate, params["boundary"])
	f := &Form{fields: map[string]string{}}
	for size := 0; ; {
		part, err := parts.NextRawPart()
		if err == io.EOF { // bare: wrapped, the form broke off
			return nil, errNoFile()
		}
		if err != nil {
			return nil, gate.fault(err)
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			gate.open = true
			f.File, f.FileName = &file{part}, baseName(part.FileName())
			return f, f.fill()
		}
		value, err := io.ReadAll(io.LimitReader(part, int64(FieldsBytesMax-size)+1))
		if err != nil {
			return nil, gate.fault(err)
		}
		if size += len(name) + len(value); size > FieldsBytesMax || len(f.fields) >= fieldsMax {
			return nil, errFieldsTooLarge()
		}
		if _, twice := f.fields[name]; twice {
			return nil, errTwice(name)
		}
		if name != "" {
			f.fields[name] = string(value)
		}
	}
}

// gate lets a limited number of bytes through until it is open.
type gate struct {
	r    io.Reader
	left int
	open bool
	full bool
	err  error // of r, but the end
}

// Read implements io.Reader.
func (g *gate) Read(p []byte) (int, error) {
	if !g.open {
		if g.left == 0 {
			g.full = true
			return 0, errFieldsTooLarge()
		}
		p = p[:min(len(p), g.left)]
	}
	n, err := g.r.Read(p)
	if !g.open {
		g.left -= n
	}
	if err != nil && !errors.Is(err, io.EOF) {
		g.err = err
	}
	return n, err
}

// fault says what is wrong: with the connection, the size, or the form.
func (g *gate) fault(error) error {
	switch {
	case g.full:
		return errFieldsTooLarge()
	case g.err != nil:
		return g.err
	}
	return errMalformed()
}

// file reads the file, whose end must be a boundary.
type file struct{ part io.Reader }

// Read implements io.Reader.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errMalformed()
	}
	return n, err
}

// baseName is a file's name without the path that some browsers send.
func baseName(name string) string {
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

// fileNameVariable stands for the name of the uploaded file in every field.
const fileNameVariable = "${filename}"

// raw are the fields whose text is signed, and in which nothing is replaced.
var raw = map[string]bool{"policy": true, "x-amz-signature": true}

// fill checks what every form has, and replaces the variable.
func (f *Form) fill() error {
	if f.fields["key"] == "" {
		return ErrMissing("key")
	}
	for name, v := range f.fields {
		if !raw[name] && strings.Contains(v, fileNameVariable) {
			f.fields[name] = strings.ReplaceAll(v, fileNameVariable, f.FileName)
		}
	}
	return nil
}

// Get is a field's value; name is lower case.
func (f *Form) Get(name string) string { return f.fields[name] }

// Has reports whether the form has a field; name is lower case.
func (f *Form) Has(name string) bool {
	_, ok := f.fields[name]
	return ok
}

// headers are the fields, besides those that begin with x-amz-, that stand for
// PutObject's headers.
var headers = map[string]string{
	"acl": "X-Amz-Acl", "cache-control": "Cache-Control", "content-type": "Content-Type", "content-disposition": "Content-Disposition",
	"content-encoding": "Content-Encoding", "content-language": "Content-Language", "expires": "Expires", "content-md5": "Content-Md5",
}

// noHeaders are the fields that are about who signed, and those that as headers
// would be about a transfer that forms do not have.
var noHeaders = map[string]bool{
	"x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true, "x-amz-signature": true, "x-amz-security-token": true,
	"x-amz-content-sha256": true, "x-amz-decoded-content-length": true, "x-amz-trailer": true, "x-amz-write-offset-bytes": true,
}

// Headers are the headers that a PutObject of the same meaning would have;
// tags are not among them.
func (f *Form) Headers() http.Header {
	out := http.Header{}
	for name, v := range f.fields {
		switch {
		case headers[name] != "":
			out.Set(headers[name], v)
		case strings.HasPrefix(name, "x-amz-") && !noHeaders[name]:
			out.Set(name, v)
		}
	}
	return out
}
