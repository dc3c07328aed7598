package faults

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind is what happens.
type Kind string

// The kinds of faults. A pod's are of one member of the database, a machine's of the one
// that it runs on.
const (
	KillPod        Kind = "kill a pod's processes"
	PausePod       Kind = "pause a pod"
	RestartPod     Kind = "restart a pod"
	KillMachine    Kind = "switch a machine off"
	PauseMachine   Kind = "pause a machine"
	RestartMachine Kind = "restart a machine"
	CutCloud       Kind = "cut a cloud off"
	CutBoth        Kind = "cut two clouds off from each other"
	CutOneWay      Kind = "cut one way between two clouds"
	KillCloud      Kind = "switch a cloud off"
	PauseCloud     Kind = "pause a cloud"
)

// Fault is one thing that happens, lasts, and ends.
type Fault struct {
	Kind Kind
	// Cloud is where. Leader says that it is where the leader is then, and that the
	// leader is the pod.
	Cloud  string
	Leader bool
	// To is the other cloud of a cut between two.
	To string
	// Pick chooses one of the cloud's members: their number is known only then.
	Pick int
	// Lasts is how long until it is mended, Rest how long until the next one.
	Lasts, Rest time.Duration
}

func (f Fault) String() string {
	where := "of " + f.Cloud
	if f.Leader {
		where = "of the leader"
	}
	if f.To != "" {
		where += " to " + f.To
	}
	return fmt.Sprintf("%s, %s, for %s", f.Kind, where, f.Lasts)
}

// weights say how often each kind comes: those most often that only a whole cloud's loss
// shows.
var weights = []struct {
	kind   Kind
	weight int
	least  time.Duration // that it lasts
	most   time.Duration
}{
	{KillPod, 3, 0, 0},
	{PausePod, 2, 3 * time.Second, 30 * time.Second},
	{RestartPod, 2, 0, 0},
	{KillMachine, 2, 5 * time.Second, 30 * time.Second},
	{PauseMachine, 2, 3 * time.Second, 30 * time.Second},
	{RestartMachine, 1, 0, 0},
	{CutCloud, 4, 5 * time.Second, 40 * time.Second},
	{CutBoth, 2, 5 * time.Second, 40 * time.Second},
	{CutOneWay, 4, 5 * time.Second, 40 * time.Second},
	{KillCloud, 2, 15 * time.Second, 40 * time.Second},
	{PauseCloud, 2, 5 * time.Second, 30 * time.Second},
}

// The pause between two faults: often too short for all to be well again.
const (
	leastRest = 2 * time.Second
	mostRest  = 20 * time.Second
)

// Schedule makes so many faults. clouds are all that there are, homes those with members
// of the database. The same seed makes the same.
func Schedule(seed uint64, clouds, homes []string, faults int) []Fault {
	random := rand.New(rand.NewPCG(seed, seed))
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	var all []Fault
	for range faults {
		n := random.IntN(total)
		i := 0
		for ; n >= weights[i].weight; i++ {
			n -= weights[i].weight
		}
		w := weights[i]
		f := Fault{Kind: w.kind, Leader: random.IntN(2) == 0, Pick: random.IntN(1 << 16),
			Lasts: between(random, w.least, w.most), Rest: between(random, leastRest, mostRest)}
		from := clouds
		if w.kind.ofPod() {
			from = homes
		}
		f.Cloud = from[random.IntN(len(from))]
		if w.kind == CutBoth || w.kind == CutOneWay {
			// Of a fixed pair; which way is random too.
			f.Leader = false
			for f.To = f.Cloud; f.To == f.Cloud; {
				f.To = clouds[random.IntN(len(clouds))]
			}
		}
		all = append(all, f)
	}
	return all
}

func (k Kind) ofPod() bool {
	switch k {
	case KillPod, PausePod, RestartPod, KillMachine, PauseMachine, RestartMachine:
		return true
	}
	return false
}

func between(random *rand.Rand, least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return (least + time.Duration(random.Int64N(int64(most-least)))).Round(100 * time.Millisecond)
}
