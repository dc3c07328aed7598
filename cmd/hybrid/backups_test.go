package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// What a leader tells is some seconds old: of the rehearsal that has failed before, say.
func TestRehearsedTellsOfThisRehearsal(t *testing.T) {
	asked := 0
	b, text, err := rehearsed(t.Context(), time.Millisecond, 7, func() (*backups, string, error) {
		if asked++; asked < 3 {
			return &backups{Rehearsed: 7, Unfit: "it is damaged"}, "old", nil
		}
		return &backups{Rehearsed: 8}, "new", nil
	})
	if err != nil || b.Unfit != "" || text != "new" {
		t.Errorf("found %+v, %q, %v", b, text, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = rehearsed(ctx, time.Hour, 7, func() (*backups, string, error) { return &backups{Rehearsed: 7}, "", nil })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the rehearsal went well") {
		t.Errorf("found %v", err)
	}
}
