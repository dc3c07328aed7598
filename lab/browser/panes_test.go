package browser

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"hybrid/internal/fakecloud"
	"hybrid/internal/page"
)

// frozen is how long the page may do nothing but draw, on a busy machine.
const frozen = time.Second

func newShellView(t *testing.T) *view {
	t.Helper()
	return newView(t, 3, 2, func(v *view) {
		v.server.Shell = page.NewShell(v.observer)
		v.address = strings.TrimSuffix(v.address, "/") + v.server.Shell.Path()
	})
}

// Shell opens a session in a pod's container, and returns the number of its pane.
func shellIn(p *Page, pod, container, kind string) int {
	p.Helper()
	before := p.Count(".pane")
	p.Do(chromedp.Evaluate(fmt.Sprintf(`document.getElementById(%q).dispatchEvent(new MouseEvent("click", {bubbles: true}))`, pod), nil))
	button := fmt.Sprintf(`button[data-kind=%q][aria-label$=%q]`, kind, container)
	p.Within(10*time.Second, fmt.Sprintf("document.querySelector(%q) !== null", button))
	p.Do(chromedp.Click(button, chromedp.ByQuery))
	p.Within(10*time.Second, fmt.Sprintf("document.querySelectorAll('.pane').length === %d", before+1))
	return before
}

// lines is what a pane shows, in JavaScript.
func lines(pane int) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".pane")[%d].querySelectorAll(".row")].map(r => r.textContent).join("\n")`, pane)
}

func (p *Page) shows(pane int, text string) {
	p.Helper()
	p.Within(3*time.Minute, fmt.Sprintf("%s.includes(%q)", lines(pane), text))
}

func TestPanes(t *testing.T) {
	v := newShellView(t)
	p := Open(t, v.address)
	p.Within(20*time.Second, updates+" >= 1")
	shell := shellIn(p, "p:london/default/psql-master-0", "postgres", "shell")
	p.shows(shell, "psql-master-0$")

	// The program has the size that there is room for, and gets another one.
	size := func() string {
		p.Keys("size\r")
		p.Within(time.Minute, fmt.Sprintf(`/(\d+×\d+)\s+psql-master-0\$ $/.test(%s.trimEnd() + " ")`, lines(shell)))
		all := strings.Split(strings.TrimSpace(p.Text(lines(shell))), "\n")
		_, found, _ := strings.Cut(strings.TrimSpace(all[len(all)-2]), ": ")
		return found
	}
	before := size()
	p.Do(chromedp.EmulateViewport(800, 700))
	p.Within(10*time.Second, fmt.Sprintf("document.querySelectorAll('.pane')[%d].querySelectorAll('.row').length > 0", shell))
	p.Text("document.querySelector('.pane textarea').focus()")
	for start := time.Now(); size() == before; time.Sleep(100 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("the size is still %s", before)
		}
	}

	// Much output freezes nothing, and not every bit of it is drawn.
	p.Text(`(() => { let last = performance.now(); window.longest = 0;
		setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; }, 10); })()`)
	start := time.Now()
	p.Keys("big\r")
	p.shows(shell, "that was much")
	longest, err := strconv.ParseFloat(p.Text("longest"), 64)
	if err != nil {
		t.Fatal(err)
	}
	frames := p.Text("document.querySelector('.pane').dataset.frames")
	fmt.Printf("--- %d MB in %s: %s frames, the page busy for at most %.0f ms\n", fakecloud.BigOutput>>20, time.Since(start).Round(100*time.Millisecond), frames, longest)
	if longest > float64(frozen.Milliseconds()) {
		t.Errorf("the page was frozen for %.0f ms, want at most %s", longest, frozen)
	}

	// A paste, and what has scrolled away.
	p.Text(`(() => { const data = new DataTransfer(); data.setData("text", "from elsewhere\n");
		document.querySelector(".pane textarea").dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})); })()`)
	p.shows(shell, "no from elsewhere")
	p.Text(`document.querySelector(".screen").dispatchEvent(new WheelEvent("wheel", {deltaY: -100, cancelable: true}))`)
	p.Within(10*time.Second, `document.querySelector(".pane-state").textContent === "3 lines back"`)

	// Another one beside it: a log.
	logs := shellIn(p, "p:london/default/psql-master-0", "postgres", "logs")
	p.shows(logs, "the second line of the log")
	p.Do(chromedp.Evaluate(`document.querySelectorAll(".pane")[1].querySelector("header button:last-child").click()`, nil))
	p.Within(10*time.Second, "document.querySelectorAll('.pane').length === 1")

	// Its program ends it.
	p.Text("document.querySelector('.pane textarea').focus()")
	p.Keys("exit\r")
	p.Within(10*time.Second, `document.querySelector(".pane-state").textContent === "✕ it has ended"`)
	if errs := p.Errors(); len(errs) > 0 {
		t.Errorf("the page's errors: %q", errs)
	}
}

// Without a token the page's address shows nothing.
func TestNoToken(t *testing.T) {
	v := newShellView(t)
	p := Open(t, strings.TrimSuffix(v.address, v.server.Shell.Path()[1:]))
	if text := p.Text("document.body.innerText"); !strings.Contains(text, "the address has no token") {
		t.Errorf("the page says %q", text)
	}
}
