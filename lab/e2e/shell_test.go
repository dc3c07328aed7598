package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"k8s.io/client-go/tools/clientcmd"

	"hybrid/lab/browser"
)

// shellLimit bounds the time until a shell shows what it was told to.
const shellLimit = 30 * time.Second

// The newest pane, in JavaScript: its rows, and what is said of its session.
const (
	newest = `[...document.querySelectorAll(".pane")].at(-1)`
	rows   = `[...` + newest + `?.querySelectorAll(".row") ?? []].map(r => r.textContent.trimEnd())`
	state  = newest + `?.querySelector(".pane-state").textContent`
)

// openPane opens a session in a pod's container: who looks picks the pod, and then what to run.
func openPane(page *browser.Page, cluster, namespace, pod, container, kind string) {
	page.Helper()
	there := fmt.Sprintf(`document.getElementById(%q)`, "p:"+cluster+"/"+namespace+"/"+pod)
	page.Within(shellLimit, there+` !== null`)
	page.Do(chromedp.Evaluate(there+`.dispatchEvent(new MouseEvent("click", {bubbles: true}))`, nil))
	button := fmt.Sprintf(`button[data-kind=%q][aria-label$="container %s"]`, kind, container)
	page.Within(shellLimit, fmt.Sprintf(`document.querySelector("#about h2").textContent === %q && document.querySelector(%q) !== null`, "pod "+pod, button))
	page.Do(chromedp.Click(button, chromedp.ByQuery))
}

// says waits until the newest pane shows a text.
func says(page *browser.Page, text string) {
	page.Helper()
	page.Within(shellLimit, fmt.Sprintf(rows+`.join("\n").includes(%q)`, strings.TrimRight(text, " ")))
}

// closePane closes the newest pane. The one before it is then typed into.
func closePane(page *browser.Page) {
	page.Helper()
	before := page.Count(".pane")
	page.Do(chromedp.Evaluate(newest+`.querySelector("header button:last-child").click()`, nil))
	page.Within(shellLimit, fmt.Sprintf(`document.querySelectorAll(".pane").length === %d`, before-1))
	page.Do(chromedp.Evaluate(newest+`?.querySelector("textarea").focus()`, nil))
}

// walkthroughInThePage does what the last screenshots of the first walkthrough show, in
// the page alone: pick
// the master's pod, create a database and insert rows; pick one of the replicas' pods in
// the other cloud, and read them.
func walkthroughInThePage(l *lab, page *browser.Page) {
	s := l.shows(time.Minute, "all healthy", isHealthy)
	leader, replica := s.PostgreSQL.Leader, s.PostgreSQL.Replicas[0]
	for _, r := range s.PostgreSQL.Replicas {
		if r.Cluster == "frankfurt" {
			replica = r
		}
	}
	openPane(page, leader.Cluster, leader.Namespace, leader.Pod, "postgres", "psql")
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
	openPane(page, replica.Cluster, replica.Namespace, replica.Pod, "postgres", "psql")
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
	page.Within(shellLimit, state+` === "✕ it has ended"`)
	closePane(page)
	page.Keys("\\c postgres\r")
	page.Keys("drop database federation;\r")
	says(page, "DROP DATABASE")
	closePane(page)
	if errs := page.Errors(); len(errs) > 0 {
		l.Errorf("the page's errors: %q", errs)
	}
}

// much is how many bytes a program prints, and frozen for how long the page may do nothing
// but draw meanwhile, beside six machines.
const (
	much   = 10 << 20
	frozen = 2 * time.Second
)

// terminals has programs draw on the whole screen, in a pod that has some, and one print
// much.
func terminals(l *lab, page *browser.Page) {
	inLondon := map[string][]string{"london": want["london"]}
	p := l.tools(inLondon)[0]
	openPane(page, "london", "default", p.name, "tools", "shell")
	says(page, "# ")
	page.Keys("top -d 1\r")
	// Its summary is at the top, its table below, and both stay there when it draws again.
	drawn := `(r => /^top - .* load average: /.test(r[0]) && /^Tasks: +\d+ total/.test(r[1]) && /^ *PID USER .* COMMAND/.test(r[6]) && r.slice(7).some(x => x.endsWith(" socat")))(` + rows + `)`
	page.Within(shellLimit, drawn)
	first := page.Text(rows + "[0]")
	page.Within(shellLimit, fmt.Sprintf(rows+"[0] !== %q && ", first)+drawn)
	page.Keys("q")
	prompts(page)
	page.Keys("vi /verse\r")
	// An empty file: every line but the last is beyond its end.
	page.Within(shellLimit, `(r => r[0] === "" && r.length > 5 && r.slice(1, -1).every(x => x === "~"))(`+rows+`)`)
	page.Keys("ihello, hybrid" + kb.Escape + "yyp0cwgoodbye" + kb.Escape)
	page.Within(shellLimit, `(r => r[0] === "hello, hybrid" && r[1] === "goodbye, hybrid" && r.slice(2, -1).every(x => x === "~"))(`+rows+`)`)
	page.Keys(":wq\r")
	prompts(page)
	page.Keys("cat /verse; echo e''nd\r")
	says(page, "hello, hybrid\ngoodbye, hybrid\nend")

	page.Text(`(() => { let last = performance.now(); window.longest = 0;
		setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; }, 10); })()`)
	start := time.Now()
	page.Keys(fmt.Sprintf("yes all work and no play makes Jack a dull boy | head -c %d; echo that was m''uch\r", much))
	page.Within(2*time.Minute, rows+`.join("\n").includes("that was much")`)
	longest, err := strconv.ParseFloat(page.Text("longest"), 64)
	if err != nil {
		l.Fatal(err)
	}
	fmt.Printf("--- %d MB in %s, the page busy for at most %.0f ms\n", much>>20, time.Since(start).Round(100*time.Millisecond), longest)
	if longest > float64(frozen.Milliseconds()) {
		l.Errorf("the page was frozen for %.0f ms, want at most %s", longest, frozen)
	}
	closePane(page)
	if _, err := l.kube("", "london", "delete", "daemonset", "tools"); err != nil {
		l.Fatal(err)
	}
}

// prompts waits until the shell is back. A program that is about to end takes the keys that
// come too soon.
func prompts(page *browser.Page) {
	page.Within(shellLimit, rows+`.findLast(r => r !== "") === "#"`)
}

// othersGetNoShell asks `hybrid view --shell` as other pages and other users would.
func othersGetNoShell(l *lab, page *browser.Page) {
	own, err := url.Parse(page.Text("location.href"))
	if err != nil {
		l.Fatal(err)
	}
	session := "session?id=" + url.QueryEscape("p:london/default/psql-master-0") + "&container=postgres&kind=shell&columns=80&rows=24"
	token := own.Path
	for name, x := range map[string]struct{ path, host, origin string }{
		"another origin":    {token, own.Host, "http://evil.example"},
		"another host name": {token, "evil.example", "http://evil.example"},
		"no token":          {"/", own.Host, "http://" + own.Host},
		"a wrong token":     {"/" + strings.Repeat("A", len(token)-2) + "/", own.Host, "http://" + own.Host},
	} {
		for _, what := range []string{"", "events", session} {
			request, err := http.NewRequestWithContext(l.ctx, http.MethodGet, "http://"+own.Host+x.path+what, nil)
			if err != nil {
				l.Fatal(err)
			}
			request.Host = x.host
			for key, value := range map[string]string{
				"Origin": x.origin, "Connection": "Upgrade", "Upgrade": "websocket",
				"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "c2VjcmV0c2VjcmV0c2VjcmU=",
			} {
				request.Header.Set(key, value)
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				l.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusForbidden {
				l.Errorf("%s, /%s: %s, want 403", name, what, answer.Status)
			}
		}
	}
}

// mayOnlyLook opens the page with an account that may look and run nothing.
func mayOnlyLook(l *lab) {
	role := filepath.Join(l.stack.Project, "monitoring", "view-role.yaml")
	for _, args := range [][]string{
		{"apply", "-f", role},
		{"create", "serviceaccount", "-n", "kube-system", "hybrid-view"},
		{"create", "clusterrolebinding", "hybrid-view", "--clusterrole", "hybrid-view", "--serviceaccount", "kube-system:hybrid-view"},
	} {
		if _, err := l.kube("", "london", args...); err != nil {
			l.Fatal(err)
		}
	}
	token, err := l.kube("", "london", "create", "token", "-n", "kube-system", "hybrid-view")
	if err != nil {
		l.Fatal(err)
	}
	kubeconfig, err := clientcmd.LoadFromFile(l.stack.Kubeconfig())
	if err != nil {
		l.Fatal(err)
	}
	for name := range kubeconfig.Contexts {
		if name != "london" {
			delete(kubeconfig.Contexts, name)
		}
	}
	user := kubeconfig.AuthInfos[kubeconfig.Contexts["london"].AuthInfo]
	user.Token, user.ClientCertificateData, user.ClientKeyData = token, nil, nil
	file := filepath.Join(l.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*kubeconfig, file); err != nil {
		l.Fatal(err)
	}
	page := viewPage(l, l, "--shell", "--kubeconfig", file)
	page.Within(shellLimit, `document.querySelector("#picture .pod") !== null`)
	for _, kind := range []string{"shell", "logs"} {
		openPane(page, "london", "default", "psql-master-0", "postgres", kind)
		page.Within(shellLimit, state+`.includes("refused: your account may not do that")`)
		closePane(page)
	}
	for _, args := range [][]string{
		{"delete", "-f", role},
		{"delete", "serviceaccount", "-n", "kube-system", "hybrid-view"},
		{"delete", "clusterrolebinding", "hybrid-view"},
	} {
		if _, err := l.kube("", "london", args...); err != nil {
			l.Fatal(err)
		}
	}
}
