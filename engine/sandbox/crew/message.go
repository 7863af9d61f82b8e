package crew

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
)

// lineBytesMax bounds one message; environments are the largest part.
const lineBytesMax = 1 << 20

// order is what the host asks of the supervisor: to start a program, or else to
// signal one.
type order struct {
	Name    string   `json:",omitempty"`
	Command []string `json:",omitempty"`
	Env     []string `json:",omitempty"`
	Dir     string   `json:",omitempty"`
	Files   []int    `json:",omitempty"` // descriptors to become 0, 1, 2 …
	Signal  int      `json:",omitempty"`
}

// notice is what the supervisor says about a program.
type notice struct {
	Name    string
	Started bool   `json:",omitempty"`
	Refused string `json:",omitempty"` // why it could not be started
	Errno   int    `json:",omitempty"` // of the refusal
	Exited  bool   `json:",omitempty"`
	Status  int    `json:",omitempty"`
	Signal  int    `json:",omitempty"`
}

func encode(message any) ([]byte, error) {
	line, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	if len(line) >= lineBytesMax {
		return nil, fmt.Errorf("crew: a message of %d bytes", len(line))
	}
	return append(line, '\n'), nil
}

// decode reads one message, whoever wrote it.
func decode(r *bufio.Reader, message any) error {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return errors.New("crew: the message is too long")
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(line, message)
}

func newReader(r interface{ Read([]byte) (int, error) }) *bufio.Reader {
	return bufio.NewReaderSize(r, lineBytesMax)
}
