package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"hybrid/lab/faults"
)

// The limits of a try, and the pauses between two. A connection that is cut must cost
// less than the pause that is measured.
const (
	connectIn    = 2 * time.Second
	answerIn     = 3 * time.Second
	writePause   = 20 * time.Millisecond
	readPause    = 200 * time.Millisecond
	failurePause = 100 * time.Millisecond
)

// readOnly is SQLSTATE's code for a server that takes no writes.
const readOnly = "25006"

// worker asks one target all the time.
type worker struct {
	*client
	target string
	config *pgconn.Config
	failed string // what it has said last
	warned bool   // the server has
}

// worker asks the host. label is what events call it.
func (c *client) worker(label, host string, do func(*worker, *pgconn.PgConn) error) {
	w := &worker{client: c, target: label}
	for ; ; time.Sleep(failurePause) {
		var err error
		if w.config, err = pgconn.ParseConfig("host=" + host + " port=5432 user=postgres dbname=postgres sslmode=require application_name=faults"); err == nil {
			w.config.Password, w.config.ConnectTimeout, w.config.Fallbacks, w.config.TLSConfig = c.Password, connectIn, nil, c.tls
			w.config.LookupFunc = c.resolver.LookupHost
			w.config.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) { w.warned = true }
			err = w.session(do)
		}
		if err != nil && err.Error() != w.failed {
			w.failed = err.Error()
			w.say(faults.Event{Kind: faults.Failed, Client: c.Client, Target: label, Begun: time.Now(), At: time.Now(), Error: w.failed})
		}
	}
}

// session works until something fails. That a server takes no writes is no failure.
func (w *worker) session(do func(*worker, *pgconn.PgConn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), connectIn)
	defer cancel()
	c, err := pgconn.ConnectConfig(ctx, w.config)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for {
		err := do(w, c)
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == readOnly {
			time.Sleep(failurePause)
			continue
		}
		if err != nil {
			return err
		}
	}
}

func (w *worker) write(c *pgconn.PgConn) error {
	e := faults.Event{Kind: faults.Acked, Row: rand.Int64(), Begun: time.Now()}
	w.warned = false
	row, err := one(c, fmt.Sprintf("INSERT INTO faults VALUES (%d) RETURNING host(inet_server_addr()), ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int", e.Row))
	if err != nil {
		return err
	}
	if w.warned {
		e.Kind = faults.Local
	}
	if e.Timeline, err = strconv.Atoi(row[1]); err != nil {
		return err
	}
	w.seen(e, row[0])
	time.Sleep(writePause)
	return nil
}

func (w *worker) read(c *pgconn.PgConn) error {
	e := faults.Event{Kind: faults.Read, Begun: time.Now()}
	row, err := one(c, "SELECT host(inet_server_addr()), pg_is_in_recovery() FROM faults LIMIT 1")
	if err != nil {
		return err
	}
	w.seen(e, row[0])
	time.Sleep(readPause)
	return nil
}

func (w *worker) seen(e faults.Event, server string) {
	e.Client, e.Target, e.Server, e.At = w.Client, w.target, server, time.Now()
	w.failed = ""
	w.say(e)
}

// one runs a statement that returns one row of two columns.
func one(c *pgconn.PgConn, sql string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerIn)
	defer cancel()
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 2 {
		return nil, errors.New("want one row of two columns")
	}
	return []string{string(results[0].Rows[0][0]), string(results[0].Rows[0][1])}, nil
}
