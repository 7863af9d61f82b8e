package main

import (
	"fmt"
	"os"
	"strings"

	"moln.dev/moln/server/push"
)

type imageCmd struct {
	Load imageLoadCmd `cmd:"" help:"Push an image from a file to moln's registry, without a container daemon."`
}

type imageLoadCmd struct {
	target
	Source string `arg:"" help:"An OCI layout (directory or tar) or an archive of docker save." type:"path"`
	Name   string `arg:"" help:"REPOSITORY:TAG to push to. The repository is made if it is missing."`
}

// Run pushes the image and prints its URI.
func (c *imageLoadCmd) Run() error {
	to := push.Target{Endpoint: c.Endpoint, Region: c.Region, AccessKey: c.AccessKey, SecretKey: c.SecretKey}
	// The keys that AWS's tools would use, unless others are named.
	if key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"); c.AccessKey == "test" && key != "" && secret != "" {
		to.AccessKey, to.SecretKey = key, secret
	}
	repository, tag, found := strings.Cut(c.Name, ":")
	if !found {
		tag = "latest"
	}
	uri, err := push.File(to, c.Source, repository, tag)
	if err == nil {
		fmt.Println(uri)
	}
	return err
}
