package digitalocean

import (
	"testing"

	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
)

// A droplet gets another size and the former one back, unless its disk has grown.
func TestAnotherSize(t *testing.T) {
	e := engine(t)
	network(e)
	for _, grows := range []bool{false, true} {
		args := dropletArgs(e, "london-1")
		args["resizeDisk"] = grows
		e.Make(typeDroplet, "london-1", args)
		args["size"] = "s-4vcpu-8gb"
		out, err := e.Update(typeDroplet, "london-1", args)
		if err != nil || provider.Int(out, "memory", 0) != 8192 || (provider.Int(out, "disk", 0) > 80) != grows {
			t.Errorf("disk grows: %v: found %v, %v", grows, out, err)
		}
		args["size"] = "s-2vcpu-4gb"
		if _, err = e.Update(typeDroplet, "london-1", args); grows {
			cloudtest.WantError(t, err, "smaller disk")
		} else if err != nil {
			t.Error(err)
		}
		if err := e.Delete(typeDroplet, "london-1"); err != nil {
			t.Fatal(err)
		}
	}
}
