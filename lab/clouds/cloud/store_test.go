package cloud

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hybrid/lab/plugins/provider"
)

func TestStoreKeepsWhatItIsGiven(t *testing.T) {
	s := NewStore(t.TempDir(), "aws")
	want := &Object{
		ID: "vpc-1", Type: "aws:ec2/vpc:Vpc", URN: "urn:x", Phase: Deleting, Recorded: true,
		Config: provider.From(map[string]any{"region": "r"}), Props: provider.From(map[string]any{"n": 1, "l": []any{"a"}, "o": map[string]any{"b": true}}),
	}
	err := s.Update(func(st *State) error {
		st.Objects[want.ID], st.Leases["198.18.64.1"], st.Cursors["p"], st.Serial = want, want.ID, "c", 7
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(func(st *State) error {
		got := st.Objects[want.ID]
		if got.URN != want.URN || got.Type != want.Type || got.Phase != want.Phase || !got.Recorded || !got.Props.DeepEquals(want.Props) || !got.Config.DeepEquals(want.Config) {
			t.Errorf("got %+v; want %+v", got, want)
		}
		if st.Leases["198.18.64.1"] != want.ID || st.Cursors["p"] != "c" || st.Serial != 7 {
			t.Errorf("got %+v", st)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStoreForgetsAFailedChange(t *testing.T) {
	s := NewStore(t.TempDir(), "aws")
	boom := errors.New("boom")
	if err := s.Update(func(st *State) error { st.Serial = 1; return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v; want %v", err, boom)
	}
	if err := s.View(func(st *State) error {
		if st.Serial != 0 {
			t.Error("a change that failed was written")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// What is published is never older than the state: who fails, or is killed, before
// the state is written makes the change again.
func TestStorePublishesFirst(t *testing.T) {
	s := NewStore(t.TempDir(), "gcp")
	published := 0
	boom := errors.New("boom")
	s.publish = func(st *State) error {
		if published = st.Serial; published == 2 {
			return boom
		}
		return nil
	}
	change := func(st *State) error { st.Serial++; return nil }
	if err := s.Update(change); err != nil || published != 1 {
		t.Fatalf("published %d, %v; want 1", published, err)
	}
	if err := s.Update(change); !errors.Is(err, boom) {
		t.Errorf("got %v; want %v", err, boom)
	}
	if err := s.Update(func(*State) error { return boom }); !errors.Is(err, boom) || published != 2 {
		t.Errorf("a change that failed was published: %d, %v", published, err)
	}
	if err := s.View(func(st *State) error {
		if st.Serial != 1 {
			t.Errorf("serial %d was written; want 1: the next could not be told", st.Serial)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A process that is killed while it writes leaves half of the new file.
func TestStoreSurvivesAHalfWrittenFile(t *testing.T) {
	dir := t.TempDir()
	s := NewStore(dir, "aws")
	if err := s.Update(func(st *State) error { st.Serial = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "aws.json.new"), []byte(`{"objects": {"vpc`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(func(st *State) error { st.Serial++; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.View(func(st *State) error {
		if st.Serial != 2 {
			t.Errorf("serial %d; want 2", st.Serial)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestStoreSaysWhatIsWrongWithIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "aws.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := NewStore(dir, "aws").View(func(*State) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "aws.json can't be read") {
		t.Errorf("got %v", err)
	}
}

func TestStoreManyWriters(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	const writers, times = 8, 10
	for range writers {
		s := NewStore(dir, "aws") // as if each were a process of its own
		all.Go(func() {
			for range times {
				if err := s.Update(func(st *State) error { st.Serial++; return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := NewStore(dir, "aws").View(func(st *State) error {
		if st.Serial != writers*times {
			t.Errorf("%d changes are there; want %d", st.Serial, writers*times)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// storeVariable makes the test binary write to a store until it is killed.
const storeVariable = "CLOUD_TEST_STORE"

func TestMain(m *testing.M) {
	dir := os.Getenv(storeVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	s := NewStore(dir, "aws")
	for {
		err := s.Update(func(st *State) error {
			st.Serial++
			id := fmt.Sprint("vpc-", st.Serial%50)
			st.Objects[id] = &Object{ID: id, Phase: Ready, Props: provider.From(map[string]any{"serial": st.Serial, "fill": strings.Repeat("x", 4000)})}
			return nil
		})
		if err != nil {
			os.Exit(1)
		}
	}
}

func TestStoreSurvivesSIGKILL(t *testing.T) {
	dir := t.TempDir()
	before := 0
	for range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), storeVariable+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		serial := func() (n int) {
			if err := NewStore(dir, "aws").View(func(st *State) error { n = st.Serial; return nil }); err != nil {
				t.Fatalf("the state can't be read: %v", err)
			}
			return n
		}
		for deadline := time.Now().Add(time.Minute); serial() < before+20; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the writer doesn't write")
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		before = serial() // readable, and its lock is free
	}
}

func TestLeases(t *testing.T) {
	s := &State{}
	s.init()
	pool := netip.MustParsePrefix("198.18.0.0/30")
	a, err := s.LeasePublic(pool, "a")
	if err != nil || a.String() != "198.18.0.1" {
		t.Fatalf("got %v, %v", a, err)
	}
	s.drop("a")
	// A free address isn't given again as long as there are others.
	if b, _ := s.LeasePublic(pool, "b"); b.String() != "198.18.0.2" {
		t.Errorf("got %v; want 198.18.0.2", b)
	}
	if c, _ := s.LeasePublic(pool, "c"); c.String() != "198.18.0.1" {
		t.Errorf("got %v; want 198.18.0.1 again", c)
	}
	if _, err := s.LeasePublic(pool, "d"); err == nil {
		t.Error("a full pool gave an address")
	}
	net := netip.MustParsePrefix("10.0.0.0/29")
	for _, want := range []string{"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"} {
		if got, err := s.LeasePrivate("n", net, 2, "", "x"); err != nil || got.String() != want {
			t.Errorf("got %v, %v; want %s", got, err, want)
		}
	}
	if _, err := s.LeasePrivate("n", net, 2, "", "x"); err == nil {
		t.Error("a full network gave an address")
	}
	for wanted, want := range map[string]string{"10.0.0.1": "usable range", "10.0.0.6": "usable range", "10.9.0.1": "usable range", "x": "usable range", "10.0.0.2": "in use"} {
		if _, err := s.LeasePrivate("n", net, 2, wanted, "y"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", wanted, err, want)
		}
	}
}
