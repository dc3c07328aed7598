package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// walkthroughLine is a line of the table in docs/commands.md: step, command, answer.
var walkthroughLine = regexp.MustCompile("(?m)^\\| \\d \\| `(.+)` \\| `(.+)` \\|$")

// walkthrough types the commands of docs/commands.md, and looks for their answers.
func walkthrough(l *lab) {
	text, err := os.ReadFile(filepath.Join(l.stack.Project, "docs", "commands.md"))
	if err != nil {
		l.Fatal(err)
	}
	table, _, ok := strings.Cut(string(text), "These have given way")
	lines := walkthroughLine.FindAllStringSubmatch(table, -1)
	if !ok || len(lines) != strings.Count(table, "\n| ")-1 {
		l.Fatalf("found %d commands in docs/commands.md: want one in each line of the first table", len(lines))
	}
	for _, line := range lines {
		cmd := exec.CommandContext(l.ctx, "bash", "-euo", "pipefail", "-c", line[1])
		cmd.Dir, cmd.Env = l.stack.Project, l.stack.Env()
		out, err := cmd.CombinedOutput()
		fmt.Printf("--- %s\n%s\n", line[1], out)
		if found := strings.Join(strings.Fields(string(out)), " "); err != nil || !strings.Contains(found, line[2]) {
			l.Errorf("%s: %v, want %q in\n%s", line[1], err, line[2], out)
		}
	}
}
