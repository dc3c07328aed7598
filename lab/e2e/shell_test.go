package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"hybrid/lab/browser"
)

// shellLimit bounds the time until a shell shows what it was told to.
const shellLimit = 30 * time.Second

// session opens one in a pod's container: who looks picks the pod, and then what to run.
func session(page *browser.Page, cluster, namespace, pod, container, kind string) {
	page.Helper()
	page.Do(chromedp.Evaluate(fmt.Sprintf(`document.getElementById(%q).dispatchEvent(new MouseEvent("click", {bubbles: true}))`,
		"p:"+cluster+"/"+namespace+"/"+pod), nil))
	button := fmt.Sprintf(`button[data-kind=%q][aria-label$="container %s"]`, kind, container)
	page.Within(shellLimit, fmt.Sprintf(`document.querySelector("#about h2").textContent === %q && document.querySelector(%q) !== null`, "pod "+pod, button))
	page.Do(chromedp.Click(button, chromedp.ByQuery))
}

// says waits until the newest pane shows a text.
func says(page *browser.Page, text string) {
	page.Helper()
	page.Within(shellLimit, fmt.Sprintf(`[...[...document.querySelectorAll(".pane")].at(-1)?.querySelectorAll(".row") ?? []].map(r => r.textContent).join("\n").includes(%q)`, text))
}

// walkthroughInThePage does what the last screenshots of the first walkthrough show, in
// the page alone: pick
// the master's pod, create a database and insert rows; pick one of the replicas' pods in
// the other cloud, and read them.
func walkthroughInThePage(t *testing.T, l *lab) {
	s, _, _, err := l.status()
	if err != nil || s.PostgreSQL.Leader == nil {
		l.Fatalf("%v, the leader is %+v", err, s)
	}
	leader, replica := s.PostgreSQL.Leader, s.PostgreSQL.Replicas[0]
	for _, r := range s.PostgreSQL.Replicas {
		if r.Cluster == "frankfurt" {
			replica = r
		}
	}
	page := viewPage(t, l, "--shell")
	page.Within(20*time.Second, pageHealthy)
	session(page, leader.Cluster, leader.Namespace, leader.Pod, "postgres", "psql")
	for _, step := range [][2]string{
		{"", "postgres=# "},
		{"create database federation;", "CREATE DATABASE"},
		{`\c federation`, `You are now connected to database "federation"`},
		{"create table hello (number int primary key, word text);", "CREATE TABLE"},
		{"insert into hello values (1, 'hello'), (2, 'hybrid'), (3, 'cloud');", "INSERT 0 3"},
	} {
		if step[0] != "" {
			page.Keys(step[0] + "\r")
		}
		says(page, step[1])
	}
	session(page, replica.Cluster, replica.Namespace, replica.Pod, "postgres", "psql")
	says(page, "postgres=# ")
	page.Keys("\\c federation\r")
	says(page, "federation=# ")
	page.Keys("select pg_is_in_recovery() as replica, word from hello order by number;\r")
	says(page, " t       | hybrid")
	says(page, "(3 rows)")
	// A replica takes no writes.
	page.Keys("delete from hello;\r")
	says(page, "cannot execute DELETE in a read-only transaction")
	page.Keys("\\q\r")
	page.Within(shellLimit, `[...document.querySelectorAll(".pane-state")].at(-1).textContent === "✕ it has ended"`)
	page.Do(chromedp.Evaluate(`[...document.querySelectorAll(".pane")].at(-1).querySelector("header button:last-child").click()`, nil))
	page.Do(chromedp.Evaluate(`document.querySelector(".pane textarea").focus()`, nil))
	page.Keys("\\c postgres\r")
	page.Keys("drop database federation;\r")
	says(page, "DROP DATABASE")
	if errs := page.Errors(); len(errs) > 0 {
		l.Errorf("the page's errors: %q", errs)
	}
}
