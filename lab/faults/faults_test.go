package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var clouds = []string{"america", "frankfurt", "london"}

func TestSchedule(t *testing.T) {
	homes := []string{"frankfurt", "london"}
	if a, b := Schedule(7, clouds, homes, 50), Schedule(7, clouds, homes, 50); !slices.Equal(a, b) {
		t.Error("the same seed makes two schedules")
	}
	if slices.Equal(Schedule(7, clouds, homes, 50), Schedule(8, clouds, homes, 50)) {
		t.Error("two seeds make the same schedule")
	}
	kinds, leaders := map[Kind]int{}, 0
	for _, f := range Schedule(1, clouds, homes, 1000) {
		kinds[f.Kind]++
		if f.Leader {
			leaders++
		}
		if (f.To != "") != (f.Kind == CutBoth || f.Kind == CutOneWay) || f.To == f.Cloud || f.Kind.ofPod() && f.Cloud == "america" || f.Rest < leastRest || f.Rest > mostRest {
			t.Errorf("%+v", f)
		}
	}
	if len(kinds) != len(weights) || leaders < 300 {
		t.Errorf("kinds: %v, %d of the leader", kinds, leaders)
	}
}

// database is made up: a server in each cloud, of which one leads. When the leader's
// cloud is cut off, another one leads after a while, and the old one follows when the
// cut ends.
type database struct {
	sync.Mutex
	// waits says that commits wait for a copy in another cloud, which an old leader
	// can't have. fenced says that an old leader knows when it is none any more.
	waits, fenced bool

	leader   string
	timeline map[string]int
	rows     map[string][]int64 // by server, in their order
	cut      string
	next     int64
}

const election = 5 * time.Second

func newDatabase(waits, fenced bool) *database {
	d := &database{waits: waits, fenced: fenced, leader: "london", timeline: map[string]int{"london": 1}, rows: map[string][]int64{}}
	for _, c := range clouds {
		d.rows[c] = nil
	}
	return d
}

// write is a client's try in a cloud to write to a server.
func (d *database) write(client, server string) (row int64, timeline int, err error) {
	d.Lock()
	defer d.Unlock()
	alone := d.cut == server
	switch {
	case client != server && (alone || d.cut == client):
		return 0, 0, errors.New("no answer")
	case d.timeline[server] == 0:
		return 0, 0, errors.New("it takes no writes")
	case alone && d.waits:
		return 0, 0, errors.New("no replica has it")
	}
	d.next++
	d.rows[server] = append(d.rows[server], d.next)
	for other := range d.rows {
		if other != server && !alone && d.cut != other {
			d.rows[other] = slices.Clone(d.rows[server])
		}
	}
	return d.next, d.timeline[server], nil
}

// Begin cuts a cloud off.
func (d *database) Begin(ctx context.Context, f Fault) (string, func(context.Context) error, error) {
	d.Lock()
	defer d.Unlock()
	if f.Leader {
		f.Cloud = d.leader
	}
	d.cut = f.Cloud
	var elected *time.Timer
	if d.cut == d.leader {
		elected = time.AfterFunc(election, func() { d.elect(f.Cloud) })
	}
	return f.Cloud, func(context.Context) error {
		if elected != nil {
			elected.Stop()
		}
		d.Lock()
		defer d.Unlock()
		d.cut = ""
		for server := range d.rows {
			if server != d.leader {
				d.timeline[server] = 0
				d.rows[server] = slices.Clone(d.rows[d.leader])
			}
		}
		return nil
	}, nil
}

func (d *database) elect(old string) {
	d.Lock()
	defer d.Unlock()
	timeline := d.timeline[old] + 1
	if d.fenced {
		d.timeline[old] = 0
	}
	d.leader = slices.DeleteFunc(slices.Clone(clouds), func(c string) bool { return c == old })[0]
	d.timeline[d.leader] = timeline
}

// clients write to all servers, from all clouds, until ctx ends.
func (d *database) clients(ctx context.Context, h *History) *sync.WaitGroup {
	var all sync.WaitGroup
	for _, client := range clouds {
		for _, server := range clouds {
			all.Go(func() {
				for wait(ctx, 50*time.Millisecond) == nil {
					if row, timeline, err := d.write(client, server); err == nil {
						h.Add(Event{Kind: Acked, Client: client, Target: ByName, Server: server, Timeline: timeline, Row: row, At: time.Now()})
					}
				}
			})
		}
	}
	return &all
}

// The judge finds what a database does wrong, and nothing else.
func TestJudge(t *testing.T) {
	faults := []Fault{
		{Kind: CutCloud, Cloud: "frankfurt", Lasts: 20 * time.Second, Rest: 3 * time.Second},
		{Kind: CutCloud, Leader: true, Lasts: 20 * time.Second, Rest: 3 * time.Second},
		{Kind: CutCloud, Leader: true, Lasts: 2 * time.Second, Rest: 3 * time.Second},
	}
	for _, c := range []struct {
		name           string
		waits, fenced  bool
		lost, overlaps bool
	}{
		{"a good one", true, true, false, false},
		{"no fencing, and no need of it", true, false, false, false},
		{"commits don't wait", false, true, true, false},
		{"two leaders", false, false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, h := newDatabase(c.waits, c.fenced), &History{}
				ctx, cancel := context.WithCancel(t.Context())
				writing := d.clients(ctx, h)
				time.Sleep(time.Second)
				if err := Run(ctx, d, faults, t.Logf); err != nil {
					t.Error(err)
				}
				cancel()
				writing.Wait()
				has := map[int64]bool{}
				for _, row := range d.rows[d.leader] {
					has[row] = true
				}
				v := h.Judge(has)
				t.Log(v)
				if (len(v.Lost) > 0) != c.lost || (len(v.Overlaps) > 0) != c.overlaps || (v.Err() != nil) != (c.lost || c.overlaps) {
					t.Errorf("%d lost, %d overlaps, %v", len(v.Lost), len(v.Overlaps), v.Err())
				}
				// The leader was cut off once for longer than an election takes.
				longest := slices.MaxFunc(v.Pauses, func(a, b Pause) int { return int(a.Lasted - b.Lasted) })
				if longest.Lasted < election {
					t.Errorf("the longest pause is %s", longest.Lasted)
				}
			})
		})
	}
}

// broken can't make a fault, or end one.
type broken struct{ ended []string }

func (b *broken) Begin(_ context.Context, f Fault) (string, func(context.Context) error, error) {
	if f.Cloud == "unmakeable" {
		return "", nil, errors.New("no such thing")
	}
	return f.Cloud, func(ctx context.Context) error {
		b.ended = append(b.ended, f.Cloud)
		if f.Cloud == "unmendable" {
			return errors.New("it stays so")
		}
		return ctx.Err()
	}, nil
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broken{}
		err := Run(t.Context(), b, []Fault{{Cloud: "unmakeable"}, {Cloud: "unmendable"}, {Cloud: "well"}}, t.Logf)
		if err == nil || !strings.Contains(err.Error(), "no such thing") || !strings.Contains(err.Error(), "it stays so") || !slices.Equal(b.ended, []string{"unmendable", "well"}) {
			t.Errorf("%v; ended: %q", err, b.ended)
		}
		// What has begun is ended when time is up.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b = &broken{}
		err = Run(ctx, b, []Fault{{Cloud: "long", Lasts: time.Hour}, {Cloud: "never"}}, t.Logf)
		if !errors.Is(err, context.DeadlineExceeded) || !slices.Equal(b.ended, []string{"long"}) {
			t.Errorf("%v; ended: %q", err, b.ended)
		}
	})
}

func TestFollow(t *testing.T) {
	h := &History{}
	if err := h.Follow(strings.NewReader(`{"kind":"acked","row":1,"server":"a","timeline":1}` + "\n" + `{"kind":"read"}` + "\n" + `{"kind":"re`)); err != nil || len(h.Events(Acked)) != 1 {
		t.Errorf("%v, %v", err, h.events)
	}
	if err := h.Follow(strings.NewReader("hello\n{}\n")); err == nil {
		t.Error("no error for what is no event")
	}
	if err := h.Judge(maps.Collect(func(func(int64, bool) bool) {})).Err(); err == nil || !strings.Contains(err.Error(), "1 of 1 acknowledged rows are lost") {
		t.Error(err)
	}
	if err := (&History{}).Judge(nil).Err(); err == nil {
		t.Error("no error although nothing was written")
	}
	if text := fmt.Sprint(Fault{Kind: CutOneWay, Cloud: "london", To: "america", Lasts: time.Second}); text != "cut one way between two clouds, of london to america, for 1s" {
		t.Error(text)
	}
}
