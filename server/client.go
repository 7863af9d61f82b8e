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
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	// The proxy variables that moln itself sets must not lead back to it.
	client := &http.Client{Timeout: askTimeout, Transport: &http.Transport{Proxy: nil}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, askBytesMax))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %s", endpoint, resp.Status, strings.TrimSpace(string(body)))
	}
	return body, nil
}
