package lock

import "testing"

func TestTakeExcludes(t *testing.T) {
	t.Setenv("HYBRID_LAB_STATE", t.TempDir())
	unlock, err := Take("x")
	if err != nil {
		t.Fatal(err)
	}
	if other, err := Take("y"); err != nil { // another name is another lock
		t.Fatal(err)
	} else {
		other()
	}
	got := make(chan error)
	go func() {
		second, err := Take("x")
		if err == nil {
			second()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("got the lock twice (%v)", err)
	default:
	}
	unlock()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}
