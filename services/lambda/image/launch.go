package image

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/runtimes"
	"moln.dev/moln/services/lambda/fn"
)

// LaunchID names what begins images among the launches.
const LaunchID = "image"

// Launch says how an image is begun: its entry point and command, or the
// function's own in their place, in its environment. dir is where.
func Launch(image *fn.Image, c *engine.Config) (l runtimes.Launch, dir string) {
	entry, command := c.Config.Entrypoint, c.Config.Cmd
	if len(image.EntryPoint) > 0 {
		entry = image.EntryPoint
	}
	if len(image.Command) > 0 {
		command = image.Command
	}
	dir = c.Config.WorkingDir
	if image.WorkingDirectory != "" {
		dir = image.WorkingDirectory
	}
	env := map[string]string{
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TZ": ":UTC",
		"LAMBDA_TASK_ROOT": runtimes.TaskRoot, "LAMBDA_RUNTIME_DIR": runtimes.RuntimeDir,
	}
	for _, variable := range c.Config.Env {
		if name, value, found := strings.Cut(variable, "="); found && name != "" {
			env[name] = value
		}
	}
	all := slices.Concat(entry, command)
	if len(all) == 0 {
		all = []string{""} // which fails as a program that is not there
	}
	return runtimes.Launch{ID: LaunchID, Command: all, Env: env}, path.Clean("/" + dir)
}

// Handler is what a runtime of AWS's base images takes for the handler: the
// first word of the command.
func Handler(image *fn.Image, c *engine.Config) string {
	command := c.Config.Cmd
	if len(image.Command) > 0 {
		command = image.Command
	}
	if len(command) == 0 {
		return ""
	}
	return command[0]
}

// Extensions are the names of the external extensions in an image: the files in
// /opt/extensions.
func Extensions(root string) []string {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, err := fs.ReadDir(dir.FS(), strings.TrimPrefix(runtimes.LayerRoot, "/")+"/extensions")
	if err != nil {
		return nil // there are none, or a link leads out of the image
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}
