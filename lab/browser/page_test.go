package browser

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	corev1 "k8s.io/api/core/v1"

	"hybrid/internal/fakecloud"
	"hybrid/internal/observe"
	"hybrid/internal/observe/observetest"
	"hybrid/internal/page"
)

// scriptLimit bounds the scripting of an update.
const scriptLimit = 100.0 // milliseconds

// view serves the page of a made-up cloud.
type view struct {
	cloud    *fakecloud.Cloud
	observer *observe.Observer
	server   *page.Server
	address  string
}

func newView(t *testing.T, clusters, nodes int, change ...func(*view)) *view {
	t.Helper()
	v := &view{cloud: fakecloud.New(t, clusters, nodes)}
	v.observer = observetest.New(t, v.cloud)
	v.observer.Timeout, v.observer.Around = 30*time.Second, true
	v.server = page.NewServer(v.observer.Kubectl)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v.address = "http://" + l.Addr().String() + "/"
	for _, c := range change {
		c(v)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	v.show(t)
	return v
}

// show shows what there is now.
func (v *view) show(t *testing.T) { v.server.Show(v.observer.Look(t.Context())) }

const updates = "Number(document.documentElement.dataset.updates || 0)"

func TestLargePage(t *testing.T) {
	v := newView(t, 30, 10)
	p := Open(t, v.address)
	p.Within(20*time.Second, updates+" >= 1")
	if n := p.Count("#picture .node"); n != 300 {
		t.Fatalf("%d nodes, want 300", n)
	}
	fmt.Printf("--- the whole picture: %s ms of scripting\n", p.Text("document.documentElement.dataset.took"))
	for i, change := range []func(){
		func() {}, // the time of day
		func() { // a node in each cluster
			for _, x := range v.cloud.Clusters {
				x.Nodes[3].Status.Conditions[0].Status = corev1.ConditionFalse
			}
		},
		func() { v.cloud.Lost = []string{v.cloud.Clusters[4].Name} }, // its links to all others
		func() { // everything is well again
			v.cloud.Lost = nil
			for _, x := range v.cloud.Clusters {
				x.Nodes[3].Status.Conditions[0].Status = corev1.ConditionTrue
			}
		},
	} {
		v.cloud.Lock()
		change()
		v.cloud.Unlock()
		v.show(t)
		p.Within(10*time.Second, fmt.Sprintf("%s >= %d", updates, i+2))
		took, err := strconv.ParseFloat(p.Text("document.documentElement.dataset.took"), 64)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("--- update %d: %.1f ms of scripting\n", i+1, took)
		if took > scriptLimit {
			t.Errorf("update %d took %.1f ms, want at most %.0f", i+1, took, scriptLimit)
		}
	}
}

// What has changed is told.
func TestChanges(t *testing.T) {
	v := newView(t, 3, 2)
	p := Open(t, v.address)
	p.Within(20*time.Second, updates+" >= 1")
	p.Within(10*time.Second, "document.getElementById('changes').hidden")
	v.cloud.Lock()
	v.cloud.Cluster("london").Nodes[1].Status.Conditions[0].Status = corev1.ConditionFalse
	v.cloud.Unlock()
	v.show(t)
	p.Within(10*time.Second, "!document.getElementById('changes').hidden && document.getElementById('changes').textContent.includes('node london-2 of london is not ready')")
}

// A name's pods are lit in all clouds, also where a pod isn't drawn and its node stands for
// it, and after updates; namespaces can be told apart.
func TestServices(t *testing.T) {
	const pick = `document.querySelector('#services button[title=%q]').click()`
	for _, c := range []struct{ clusters, nodes, lit int }{{3, 2, 6}, {30, 10, 6}} {
		v := newView(t, c.clusters, c.nodes)
		p := Open(t, v.address)
		p.Within(20*time.Second, "!document.getElementById('services').hidden")
		p.Text(fmt.Sprintf(pick, "default/psql-replica"))
		lit := fmt.Sprintf("document.querySelectorAll('#picture .pod.lit').length === %d", c.lit)
		p.Within(10*time.Second, lit)
		p.Within(10*time.Second, "document.getElementById('path').textContent.includes('psql-replica-bkx0 of ')")
		v.show(t)
		p.Within(10*time.Second, updates+" >= 2 && "+lit)
		p.Text(fmt.Sprintf(pick, "kube-system/kube-dns"))
		if c.clusters > 3 { // no such pod is drawn
			p.Within(10*time.Second, "document.querySelectorAll('#picture .node.lit').length > 200")
		}
		p.Text(fmt.Sprintf(pick, "kube-system/kube-dns"))
		p.Text(`(() => { const n = document.getElementById("namespace"); n.value = "default"; n.dispatchEvent(new Event("change")); })()`)
		p.Within(10*time.Second, "document.querySelectorAll('#services button').length === 1 && document.querySelectorAll('#picture .pod.replica.faint').length === 0")
		if c.clusters == 3 {
			p.Within(10*time.Second, "document.querySelectorAll('#picture .pod.faint').length > 10")
		}
	}
}

// On a phone, and on a wall, the letters can be read and nothing sticks out.
func TestWidths(t *testing.T) {
	for _, size := range [][2]int{{3, 2}, {30, 10}} {
		v := newView(t, size[0], size[1])
		p := Open(t, v.address)
		for _, width := range []int64{360, 1400, 3840} {
			p.Do(chromedp.EmulateViewport(width, 900), chromedp.Reload())
			p.Within(20*time.Second, updates+" >= 1")
			letters, err := strconv.ParseFloat(p.Text(`parseFloat(getComputedStyle(document.querySelector("#picture .name")).fontSize) * document.getElementById("picture").getBoundingClientRect().width / document.getElementById("picture").viewBox.baseVal.width`), 64)
			if err != nil {
				t.Fatal(err)
			}
			if letters < 10 {
				t.Errorf("%v at %d: a cluster's name is %.1f pixels high", size, width, letters)
			}
			if out := p.Text("document.documentElement.scrollWidth - document.documentElement.clientWidth"); out != "0" {
				t.Errorf("%v at %d: the page sticks out by %s pixels", size, width, out)
			}
		}
	}
}

// The page does without a mouse, and without anybody else.
func TestKeyboard(t *testing.T) {
	v := newView(t, 3, 2)
	p := Open(t, v.address)
	p.Within(20*time.Second, updates+" >= 1")
	p.Within(time.Second, `document.getElementById("health").textContent === "✓ all healthy"`)
	// What is to be lit in the picture is before it.
	p.Keys(kb.Tab)
	p.Within(time.Second, `document.activeElement.closest("#services") !== null`)
	p.Keys(kb.Tab)
	p.Within(time.Second, `document.activeElement.closest("#picture") !== null`)
	// Every thing in the picture is reached by arrows alone.
	focused := "document.activeElement.id"
	p.Do(chromedp.Evaluate(`document.activeElement.blur(), document.getElementById("p:london/default/psql-master-0").dispatchEvent(new MouseEvent("click", {bubbles: true}))`, nil))
	p.Within(2*time.Second, `!document.getElementById("about").hidden`)
	p.Keys(kb.Escape)
	p.Within(time.Second, `document.getElementById("about").hidden && `+focused+` === "p:london/default/psql-master-0"`)
	start := p.Text(focused)
	p.Keys(kb.ArrowLeft)
	if now := p.Text(focused); now == start || now == "" {
		t.Errorf("an arrow has led from %s to %q", start, now)
	}
	p.Keys(kb.ArrowRight)
	p.Keys(kb.Enter)
	p.Within(2*time.Second, `!document.getElementById("about").hidden && document.querySelectorAll("#about code").length >= 3`)
	if n := p.Count(`#picture [tabindex="0"]`); n != 1 {
		t.Errorf("the Tab key reaches %d things in the picture, want 1", n)
	}
	p.Keys(kb.Escape)

	// What has gone wrong is shown, with a command, and goes again.
	v.cloud.Lock()
	v.cloud.Cluster("america").Nodes[1].Status.Conditions[0].Status = corev1.ConditionFalse
	v.cloud.Unlock()
	v.show(t)
	p.Within(2*time.Second, `document.querySelector("#problems code")?.textContent.endsWith("--context america describe node america-2") === true`)
	p.Within(time.Second, `document.getElementById("n:america/america-2").classList.contains("bad")`)

	for _, r := range p.Requests() {
		if !strings.HasPrefix(r, v.address) {
			t.Errorf("the page has asked for %s", r)
		}
	}
	if errs := p.Errors(); len(errs) > 0 {
		t.Errorf("errors: %q", errs)
	}
}

// What was picked last is told, and nothing once it was closed, although the answer about
// what was picked before comes later.
func TestPickedLast(t *testing.T) {
	v := newView(t, 3, 2)
	p := Open(t, v.address)
	p.Within(20*time.Second, updates+" >= 1")
	const slow, quick = "p:london/default/psql-master-0", "n:america/america-2"
	p.Text(fmt.Sprintf(`(() => {
		const asked = window.fetch, late = new Promise((r) => window.release = r);
		window.fetch = async (...a) => {
			const answer = await asked(...a);
			if (!String(a[0]).includes(encodeURIComponent(%q))) return answer;
			await late;
			setTimeout(() => window.released = true);
			return answer;
		};
	})()`, slow))
	pick := func(id string) {
		p.Text(fmt.Sprintf(`document.getElementById(%q).dispatchEvent(new MouseEvent("click", {bubbles: true}))`, id))
	}
	told := `!document.getElementById("about").hidden && document.querySelector("#about h2").textContent === "node america-2"`
	pick(slow)
	pick(quick)
	p.Within(10*time.Second, told)
	pick(slow)
	p.Keys(kb.Escape)
	pick(quick)
	p.Within(10*time.Second, told)
	p.Text("window.release()")
	p.Within(10*time.Second, "window.released === true")
	// The answers are read by now, or with the next one.
	before := p.Text(updates)
	v.show(t)
	p.Within(10*time.Second, updates+" > "+before+" && "+told)
	p.Keys(kb.Escape)
	p.Within(time.Second, `document.getElementById("about").hidden`)
}

// contrast finds the texts of the page that are hard to read, by the rule of WCAG
// 2.2, 1.4.3: a ratio of at least 4.5.
const contrast = `(() => {
  const parse = (c) => c.match(/[\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = parse(c).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const poor = [];
  const check = (what, front, back) => {
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(what + " " + front + " on " + back);
  };
  const body = getComputedStyle(document.body);
  check("page", body.color, body.backgroundColor);
  check("health", getComputedStyle(document.getElementById("health")).color, body.backgroundColor);
  for (const text of document.querySelectorAll("#picture g.pick > text")) {
    check(text.id, getComputedStyle(text).fill, getComputedStyle(text.parentNode.querySelector(".box")).fill);
  }
  const region = getComputedStyle(document.querySelector("#picture .region .box")).fill;
  for (const text of document.querySelectorAll("#titles > text")) check(text.id, getComputedStyle(text).fill, region);
  return poor.join("; ");
})()`

func TestReadableInDarkAndLight(t *testing.T) {
	v := newView(t, 3, 2)
	v.observer.Timeout = time.Second
	p := Open(t, v.address)
	p.Within(20*time.Second, updates+" >= 1")
	v.cloud.Lock()
	v.cloud.Cluster("frankfurt").Silent = true
	v.cloud.Cluster("america").Nodes[1].Status.Conditions[0].Status = corev1.ConditionFalse
	v.cloud.Unlock()
	v.show(t)
	p.Within(5*time.Second, updates+" >= 2")
	backs := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		p.Do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
		if poor := p.Text(contrast); poor != "" {
			t.Errorf("hard to read when %s: %s", scheme, poor)
		}
		backs[p.Text("getComputedStyle(document.body).backgroundColor")] = true
	}
	if len(backs) != 2 {
		t.Errorf("backgrounds: %v, want two", backs)
	}
}
