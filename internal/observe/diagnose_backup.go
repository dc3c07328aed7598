package observe

import (
	"fmt"
	"time"

	"hybrid/internal/shell"
)

// Backup is how a database is backed up.
type Backup struct {
	// Number is how many backups there are, and Last when the last one ended; nil if there
	// is none.
	Number int        `json:"number"`
	Last   *time.Time `json:"last,omitempty"`
	// LagSeconds is for how long the first segment of the log has waited for the bucket.
	LagSeconds float64 `json:"lagSeconds"`
	// Gap says that the log in the bucket lacks a part: it is whole again from the next
	// backup on.
	Gap bool `json:"gap,omitempty"`
	// Rehearsed is when a restore was last rehearsed well; nil if never. Unfit is why the
	// last rehearsal has failed.
	Rehearsed *time.Time `json:"rehearsed,omitempty"`
	Unfit     string     `json:"unfit,omitempty"`
	// Error is what went wrong last.
	Error string `json:"error,omitempty"`
}

// backupFacts are what a leader's scripts/pod/backup.py has written down, and by what it
// goes. Both are nil where there is nothing.
type backupFacts struct {
	Backup *struct {
		At      float64 `json:"at"`    // Unix time
		Since   float64 `json:"since"` // since when it has looked
		Backups []struct {
			Stop int64 `json:"stop"`
		} `json:"backups"`
		Error   string  `json:"error"`
		Lag     float64 `json:"lag"`
		Dropped bool    `json:"dropped"`
		// Rehearsed is the Unix time of the last rehearsal that went well; 0: none has.
		Rehearsed int64  `json:"rehearsed"`
		Unfit     string `json:"unfit"`
	} `json:"backup"`
	Schedule struct {
		MaxAgeHours   int `json:"maxAgeHours"` // 0: there are no backups
		MaxLagMinutes int `json:"maxLagMinutes"`
		// RehearsalHours is the time between two rehearsals.
		RehearsalHours int `json:"rehearsalHours"`
	} `json:"schedule"`
}

// firstBackup is how long a new database may be without one, and firstRehearsal how long
// without a rehearsal.
const firstBackup, firstRehearsal = 15 * time.Minute, time.Hour

// backup shows what the leader says of backups.
func (p *diagnosis) backup(s *server) {
	limits, b := s.Schedule, s.Backup
	if limits.MaxAgeHours == 0 || b == nil {
		return
	}
	to := &Backup{Number: len(b.Backups), LagSeconds: b.Lag, Gap: b.Dropped, Error: b.Error, Unfit: b.Unfit}
	p.to.PostgreSQL.Backup = to
	at := time.Unix(int64(b.At), 0)
	why := ""
	if b.Error != "" {
		why = ": " + b.Error
	}
	command := shell.Join("hybrid", "postgres", "backups")
	if n := len(b.Backups); n > 0 {
		last := time.Unix(b.Backups[n-1].Stop, 0).UTC()
		to.Last = &last
		if age := at.Sub(last); age > time.Duration(limits.MaxAgeHours)*time.Hour {
			p.problem(backupOld, "", "", fmt.Sprintf("postgresql: the last backup is %.0f h old, and may be %d%s", age.Hours(), limits.MaxAgeHours, why), command)
		}
	} else if b.At-b.Since > firstBackup.Seconds() {
		p.problem(backupOld, "", "", "postgresql: there is no backup"+why, command)
	}
	switch {
	case b.Lag > float64(limits.MaxLagMinutes)*60:
		p.problem(archiveLags, "", "", fmt.Sprintf("postgresql: what was committed %.0f min ago isn't in the bucket yet%s", b.Lag/60, why), command)
	case b.Dropped:
		p.problem(archiveLags, "", "", "postgresql: the log in the bucket has a gap: more waited than maxWal allows, or went with a leader, and a new backup hasn't been made yet"+why, command)
	}
	rehearse := command + " --rehearse"
	age, limit := b.At-b.Since, firstRehearsal
	if b.Rehearsed > 0 {
		last := time.Unix(b.Rehearsed, 0).UTC()
		to.Rehearsed = &last
		age, limit = at.Sub(last).Seconds(), time.Duration(unrehearsed*limits.RehearsalHours)*time.Hour
	}
	switch {
	case b.Unfit != "":
		p.problem(backupUnfit, "", "", "postgresql: the rehearsal of a restore has failed: "+b.Unfit, rehearse)
	case to.Number > 0 && age > limit.Seconds():
		p.problem(backupUnfit, "", "", fmt.Sprintf("postgresql: no restore has been rehearsed for %.0f h", age/3600), rehearse)
	}
}
