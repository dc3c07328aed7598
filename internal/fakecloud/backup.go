package fakecloud

import (
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// script does what a member's script is told, and says what it is told to say: the time
// of a restore, or how backups are.
func (c *Cloud) script(p *corev1.Pod, argv []string) []byte {
	ran := path.Base(argv[0]) + " " + strings.Join(argv[1:], " ")
	c.Ran = append(c.Ran, p.Name+": "+ran)
	switch {
	case ran == "backup.py list":
		return []byte(c.Backups)
	case strings.HasPrefix(ran, "restore.py mark "):
		return []byte("2026-11-26T14:05:00+00:00\n")
	case ran == "restore.py take", ran == "restore.py undo":
		c.Leader = p.Name
	}
	return []byte{}
}
