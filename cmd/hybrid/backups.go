package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"hybrid/internal/observe"
	"hybrid/internal/terminal"
)

// backups are what a leader says of them: see workloads/scripts/pod/backup.py.
type backups struct {
	Backups []struct {
		Label  string `json:"label"`
		Type   string `json:"type"`
		Stop   int64  `json:"stop"`  // Unix time
		Bytes  int64  `json:"bytes"` // of the database
		Stored int64  `json:"stored"`
	} `json:"backups"`
	Error   string  `json:"error"`
	Lag     float64 `json:"lag"` // seconds
	Dropped bool    `json:"dropped"`
	// Rehearsed is the Unix time of the last rehearsal that went well; 0: none has.
	Rehearsed int64  `json:"rehearsed"`
	Unfit     string `json:"unfit"` // why the last one has failed
}

func backupsCommand(t *target) *cobra.Command {
	var asJSON, rehearse bool
	var now string
	c := &cobra.Command{
		Use:   "backups",
		Short: "List the database's backups, and what hasn't got to the bucket yet; make or try one",
		Args:  cobra.NoArgs,
		RunE: onDatabase(t, func(ctx context.Context, s *observe.Snapshot, o *observe.Observer, _ []string) error {
			l := s.PostgreSQL.Leader
			if l == nil {
				return fmt.Errorf("%s: it is the leader that knows of backups", s.PostgreSQL.Error)
			}
			if now != "" {
				fmt.Fprintf(os.Stderr, "%s of %s makes a backup\n", l.Pod, l.Cluster)
				if _, err := o.Script(ctx, l.Cluster, l.Namespace, l.Pod, "backup.py", "now", now); err != nil {
					return err
				}
			}
			read := func() (*backups, string, error) { return readBackups(ctx, o, l) }
			if rehearse {
				before := int64(0)
				if b, _, err := read(); err == nil {
					before = b.Rehearsed
				}
				fmt.Fprintf(os.Stderr, "%s of %s restores the last backup and the log beside the database, and throws that away\n", l.Pod, l.Cluster)
				if _, err := o.Script(ctx, l.Cluster, l.Namespace, l.Pod, "restore.py", "rehearse"); err != nil {
					return err
				}
				told := read
				read = func() (*backups, string, error) { return rehearsed(ctx, time.Second, before, told) }
			}
			b, text, err := read()
			if err != nil {
				return err
			}
			if asJSON {
				fmt.Println(text)
			} else if err := b.print(); err != nil {
				return err
			}
			if b.Error != "" || b.Dropped || b.Unfit != "" {
				return errUnhealthy
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it for programs")
	c.Flags().StringVar(&now, "now", "", "make one first: full, or incr, of what has changed since the last one")
	c.Flags().Lookup("now").NoOptDefVal = "incr"
	c.Flags().BoolVar(&rehearse, "rehearse", false, "try a restore first, in a place beside")
	return c
}

// tellLimit is the time until a leader tells of a rehearsal: it reads the bucket every 10
// seconds, and then writes what it tells as often.
const tellLimit = time.Minute

// rehearsed reads, every so often, what is told of backups until that is not the rehearsal of
// before any more, Unix time.
func rehearsed(ctx context.Context, every time.Duration, before int64, read func() (*backups, string, error)) (*backups, string, error) {
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	for {
		b, text, err := read()
		if err != nil || b.Rehearsed != before {
			return b, text, err
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return nil, "", fmt.Errorf("the rehearsal went well, but the leader doesn't tell of it: %w", ctx.Err())
		}
	}
}

func readBackups(ctx context.Context, o *observe.Observer, l *observe.Server) (*backups, string, error) {
	text, err := o.Script(ctx, l.Cluster, l.Namespace, l.Pod, "backup.py", "list")
	if err != nil {
		return nil, "", err
	}
	b := &backups{}
	if err := json.Unmarshal([]byte(text), b); err != nil {
		return nil, "", fmt.Errorf("%s: expected JSON, found %.200q", l.Pod, text)
	}
	return b, text, nil
}

func (b *backups) print() error {
	var rows [][]string
	for _, one := range b.Backups {
		rows = append(rows, []string{one.Label, one.Type, time.Unix(one.Stop, 0).UTC().Format(time.RFC3339), terminal.Bytes(one.Bytes), terminal.Bytes(one.Stored)})
	}
	if err := terminal.Table(os.Stdout, []string{"BACKUP", "TYPE", "AT", "DATABASE", "STORED"}, rows, terminal.Options{All: true}); err != nil {
		return err
	}
	fmt.Printf("the log has waited for the bucket for %.0f s\n", b.Lag)
	if b.Dropped {
		fmt.Println("✗ the log in the bucket has a gap: more waited than maxWal allows, or went with a leader. The next backup closes it")
	}
	if b.Rehearsed > 0 {
		fmt.Printf("a restore was last rehearsed at %s\n", time.Unix(b.Rehearsed, 0).UTC().Format(time.RFC3339))
	}
	if b.Unfit != "" {
		fmt.Println("✗ the last rehearsal has failed: " + b.Unfit)
	}
	if b.Error != "" {
		fmt.Println("✗ " + b.Error)
	}
	return nil
}
