package sns

import (
	"errors"
	"fmt"
)

// flaw is what is wrong with an attribute, without the words that operations put
// before it.
type flaw struct{ text string }

func (f *flaw) Error() string { return f.text }

func reason(format string, args ...any) error { return &flaw{fmt.Sprintf(format, args...)} }

// errAttributeName: there is no such attribute.
var errAttributeName = errors.New("sns: no such attribute")

// attributesFault words a flaw for operations that set many attributes.
func attributesFault(name string, err error) error {
	if f := (*flaw)(nil); errors.As(err, &f) {
		return invalid("Attributes Reason: %s", f.text)
	}
	if errors.Is(err, errAttributeName) {
		return invalid("Attributes Reason: Unknown attribute: %s", name)
	}
	return err
}

// attributeFault words a flaw for operations that set one attribute.
func attributeFault(err error) error {
	if f := (*flaw)(nil); errors.As(err, &f) {
		return invalid("%s", f.text)
	}
	if errors.Is(err, errAttributeName) {
		return invalid("AttributeName")
	}
	return err
}
