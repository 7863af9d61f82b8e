package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Limits of the command line's requests to a running server.
const (
	askTimeout  = 10 * time.Second
	askBytesMax = 32 << 20
)

// Ask sends a request to the admin pages of a running server and decodes the
// JSON that it answers with.
func Ask(endpoint, token, method, path string, out any) error {
	body, err := ask(endpoint, token, method, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, out)
}

// FetchAuthority gives the PEM of a running server's certificate authority.
func FetchAuthority(endpoint string) ([]byte, error) {
	return ask(endpoint, "", http.MethodGet, "/_moln/ca.pem")
}

func ask(endpoint, token, method, path string) ([]byte, error) {
	req, err := http.NewRequest(method, strings.TrimSuffix(endpoint, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := askClient(askTimeout).Do(authorized(req, token))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refused(endpoint, resp)
	}
	return io.ReadAll(io.LimitReader(resp.Body, askBytesMax))
}

// askClient makes a client; a timeout of 0 is none.
func askClient(timeout time.Duration) *http.Client {
	// The proxy variables that moln itself sets must not lead back to it.
	return &http.Client{Timeout: timeout, Transport: &http.Transport{Proxy: nil}}
}

func authorized(req *http.Request, token string) *http.Request {
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req
}

// refused is the error of an answer that is none.
func refused(endpoint string, resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, askBytesMax))
	if err != nil {
		return err
	}
	return fmt.Errorf("%s answered %s: %s", endpoint, resp.Status, strings.TrimSpace(string(body)))
}
