package docker

import (
	"fmt"
	"os"
	"strings"
)

// Program is the name of the program that a process runs, or "" if there is no such
// process. A number in a file alone says little: the kernel gives it to another process
// later, and a process that has ended keeps it, as a zombie, until its parent looks.
func Program(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return running(string(text))
}

// running reads the name from a line such as "4711 (dockerd) S 1 ..." (proc_pid_stat(5)).
// The name itself may have spaces and parentheses.
func running(stat string) string {
	_, rest, _ := strings.Cut(stat, "(")
	end := strings.LastIndex(rest, ") ")
	if end < 0 || strings.HasPrefix(rest[end:], ") Z") || strings.HasPrefix(rest[end:], ") X") {
		return ""
	}
	return rest[:end]
}
