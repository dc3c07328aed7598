// Package browser opens pages in a Chromium without a screen, for tests.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"hybrid/lab/system/docker"
)

// startLimit bounds Chromium's start on a busy machine.
const startLimit = time.Minute

// names are Chromium's on different systems.
var names = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// ensure finds Chromium, or installs it where that can be done.
func ensure(ctx context.Context, say func(string)) (string, error) {
	find := func() string {
		for _, n := range names {
			if path, err := exec.LookPath(n); err == nil {
				return path
			}
		}
		return ""
	}
	if path := find(); path != "" {
		return path, nil
	}
	// With a font, or nothing has a width.
	if err := docker.AptInstall(ctx, say, "chromium", "fonts-dejavu-core"); err != nil {
		return "", fmt.Errorf("this test needs Chromium: install the package chromium: %w", err)
	}
	if path := find(); path != "" {
		return path, nil
	}
	return "", errors.New("the package chromium is installed, and there is no program of that name")
}

// Page is an open page.
type Page struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex
	requests []string
	errors   []string
}

// Open opens an address in a new Chromium, until the test ends.
func Open(t testing.TB, address string) *Page {
	t.Helper()
	path, err := ensure(t.Context(), func(line string) { fmt.Println("   ", line) })
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1400, 1000), chromedp.WSURLReadTimeout(startLimit))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to make one for root
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() { cancel(); stop() })
	p := &Page{TB: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listen)
	p.Do(network.Enable(), log.Enable(), chromedp.Navigate(address))
	return p
}

func (p *Page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			p.errors = append(p.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// Requests are the addresses that the page has asked for.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// Errors are what scripts have thrown and what the browser has refused.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.errors...)
}

// Do does something with the page.
func (p *Page) Do(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.Fatalf("in the browser: %v", err)
	}
}

// Keys presses keys.
func (p *Page) Keys(keys string) {
	p.Helper()
	p.Do(chromedp.KeyEvent(keys))
}

// Text is what a JavaScript expression is, as text.
func (p *Page) Text(expression string) string {
	p.Helper()
	var text string
	p.Do(chromedp.Evaluate("String("+expression+")", &text))
	return text
}

// Count is the number of elements of the page that a selector finds.
func (p *Page) Count(selector string) int {
	p.Helper()
	var n int
	p.Do(chromedp.Evaluate(fmt.Sprintf("document.querySelectorAll(%q).length", selector), &n))
	return n
}

// Within waits until a JavaScript expression is true.
func (p *Page) Within(limit time.Duration, expression string) {
	p.Helper()
	for start := time.Now(); p.Text(expression) != "true"; time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > limit {
			p.Fatalf("after %s not yet: %s; the page says: %s", limit, expression, strings.Join(strings.Fields(p.Text("document.body.innerText")), " "))
		}
	}
}
