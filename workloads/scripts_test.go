package workloads

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/internal/scripttest"
)

func TestMain(m *testing.M) { scripttest.Main(m) }

func TestScriptsAreShell(t *testing.T) {
	files, err := scripts.ReadDir("scripts/pod")
	if err != nil || len(files) != 18 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".sh") {
			continue
		}
		if out, err := exec.Command("sh", "-n", "scripts/pod/"+f.Name()).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", f.Name(), err, out)
		}
	}
	for name, script := range map[string]string{"up": up, "keep": keep} {
		scripttest.Check(t, name, clouds.Compose(script, map[string]string{"MASTER": "it's\n$(two) lines"}))
	}
}

// What Patroni says of the leader gets to pg_basebackup as it is.
func TestCopy(t *testing.T) {
	text, err := scripts.ReadFile("scripts/pod/copy.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sync, want string }{{"", ""}, {"--no-sync", " --no-sync"}} {
		m := scripttest.New(t)
		m.Program("pg_basebackup", `echo "$PGOPTIONS" >`+m.Dir+`/options; exit 3`)
		args := append([]string{"-c", string(text), "copy.sh"}, strings.Fields(c.sync)...)
		cmd := exec.Command("sh", append(args, "--scope=psql", "--role=replica", "--datadir=/data", "--connstring=host=10.32.0.7 user='replicator'")...)
		cmd.Env = []string{"PATH=" + m.Dir + "/bin"}
		if _ = cmd.Run(); cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("it ended with %d, not as pg_basebackup does", cmd.ProcessState.ExitCode())
		}
		calls, err := os.ReadFile(m.Dir + "/calls")
		want := "pg_basebackup --pgdata=/data --dbname=host=10.32.0.7 user='replicator' --wal-method=stream --checkpoint=fast --compress=server-zstd:1 --no-manifest" + c.want + "\n"
		if err != nil || string(calls) != want {
			t.Errorf("called %q, %v, want %q", calls, err, want)
		}
		if options, err := os.ReadFile(m.Dir + "/options"); err != nil || string(options) != "-c wal_sender_timeout=60s\n" {
			t.Errorf("options %q, %v", options, err)
		}
	}
}

// listed is what list.py prints.
const listed = `london leader running 
london quorum_standby streaming 
frankfurt quorum_standby streaming 
frankfurt replica streaming 
`

func TestUp(t *testing.T) {
	changed := strings.NewReplacer
	for name, c := range map[string]struct {
		list, later, mesh, try, edit, want string
		fails                              bool
	}{
		"up":                        {list: listed},
		"one is missing":            {list: changed("replica streaming", "replica creating-replica").Replace(listed), mesh: "-> x established encrypted sleeve (frankfurt-1)", fails: true, want: "1 of 2 members in frankfurt lead or follow"},
		"not following":             {list: changed("replica streaming", "replica running").Replace(listed), mesh: "-> x established encrypted sleeve (frankfurt-1)", fails: true, want: "1 of 2 members in frankfurt lead or follow"},
		"cut off":                   {list: changed("frankfurt", "nowhere").Replace(listed), mesh: "-> x retrying no route(frankfurt-1)"},
		"no leader":                 {list: changed("leader", "replica").Replace(listed), fails: true, want: "there is no leader"},
		"wrong parameter":           {list: listed, try: "unrecognized configuration parameter", fails: true, want: "PostgreSQL refuses hybrid:postgres.parameters: unrecognized configuration parameter"},
		"etcd is away for a moment": {list: listed, edit: "[ -e DIR/asked ] || { : >DIR/asked; echo Etcd is not responding properly; exit 1; }"},
		"wrong settings":            {list: listed, edit: "echo of course; exit 1", fails: true, want: "Patroni does not take its settings: of course"},
		"a restart is due": {list: changed("running ", "running restart", "replica streaming ", "replica streaming restart").Replace(listed),
			want: "members take some of the parameters at their next start: kubectl --context london exec psql-master-0 -- patronictl restart psql --force"},
		"Patroni finds that later": {list: listed, later: changed("running ", "running restart").Replace(listed), want: "at their next start"},
	} {
		t.Run(name, func(t *testing.T) {
			m := scripttest.New(t, "kubectl")
			m.File("list", c.list)
			m.File("mesh", c.mesh+"\n")
			m.File("try", c.try)
			m.File("later", c.later)
			m.Program("kubectl", "case $* in *try.sh*) cat "+m.Dir+"/try; [ ! -s "+m.Dir+"/try ] ;; *edit-config*) :; "+strings.ReplaceAll(c.edit, "DIR", m.Dir)+"\n;; *HTTPSConnection*) cat "+m.Dir+"/list ;; "+
				strings.ReplaceAll("*patroni.dynamic.json*) [ ! -s DIR/later ] || { cp DIR/later DIR/list; : >DIR/later; exit 1; } ;; esac", "DIR", m.Dir))
			m.Program("curl", "cat "+m.Dir+"/mesh")
			_, stderr, calls, err := m.Run(clouds.Compose(up, map[string]string{
				"MASTER": "london", "WANT": "frankfurt 2\nlondon 2", "PARAMETERS": "work_mem = '4MB'\n", "DYNAMIC": "{}", "ETCD": "london", "LIST": listScript,
			}), "postgres-streaming", "create")
			if (err != nil) != c.fails || !strings.Contains(stderr, c.want) {
				t.Errorf("found %v: %s\nwant %q", err, stderr, c.want)
			}
			said := strings.Join(calls, "\n")
			// Nothing is changed by what PostgreSQL refuses, and what isn't up hasn't been.
			if strings.Contains(said, "edit-config") == (c.try != "" || name == "no leader") || strings.Contains(said, "create configmap psql-initialized") == c.fails {
				t.Errorf("called:\n%s", said)
			}
		})
	}
}

// Members of etcd that are to go leave it first, and no others.
func TestKeep(t *testing.T) {
	const members = `30a69044f5555af2, started, psql-etcd-frankfurt, https://psql-etcd-frankfurt:2380, https://psql-etcd-frankfurt:2379, false
84b7ce9cf243a659, started, psql-etcd-america, https://psql-etcd-america:2380, https://psql-etcd-america:2379, false
eb81b2f811ca747b, started, psql-etcd-london, https://psql-etcd-london:2380, https://psql-etcd-london:2379, false
`
	for name, c := range map[string]struct {
		now, list, remove string
		removed           int
		want              string
	}{
		"the first time":       {list: "fail"},
		"another master's":     {list: members, removed: 1},
		"as it is":             {now: "america london", list: members},
		"two go":               {now: "america frankfurt london paris", list: members, removed: 1},
		"etcd can't be asked":  {now: "frankfurt london", list: "fail", want: "can't be asked"},
		"it can't be spared":   {now: "frankfurt london", list: members, remove: "echo unhealthy cluster; exit 1", removed: 3, want: "the member of PostgreSQL's etcd in frankfurt can't be taken out: unhealthy cluster"},
		"one comes, none goes": {now: "london", list: "eb81b2f811ca747b, started, psql-etcd-london, https://psql-etcd-london:2380, https://psql-etcd-london:2379, false\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m := scripttest.New(t, "kubectl")
			m.File("list", c.list)
			m.Program("kubectl", `case $* in *"get configmap"*) printf '%s' '`+c.now+`' ;; *"member list"*) cat `+m.Dir+`/list; [ "$(cat `+m.Dir+`/list)" != fail ] ;; *"member remove"*) `+c.remove+"\n;; esac")
			_, stderr, calls, err := m.Run(clouds.Compose(keep, map[string]string{"MASTER": "london", "ETCD": "america london"}), "etcd-members", "create")
			if (err != nil) != (c.want != "") || !strings.Contains(stderr, c.want) {
				t.Errorf("found %v: %s\nwant %q", err, stderr, c.want)
			}
			said := strings.Join(calls, "\n")
			if got := strings.Count(said, "member remove 30a69044f5555af2"); got != c.removed || strings.Count(said, "member remove") != got {
				t.Errorf("called:\n%s\nwant %d removals of frankfurt's", said, c.removed)
			}
		})
	}
	// One that is dead leaves before one that runs, whose leaving would end the majority.
	for dead, want := range map[string]string{"frankfurt": "30a69044f5555af2 84b7ce9cf243a659", "america": "84b7ce9cf243a659 30a69044f5555af2"} {
		m := scripttest.New(t, "kubectl")
		m.File("list", members)
		m.Program("kubectl", `case $* in *"get configmap"*) echo all ;; *"member list"*) cat `+m.Dir+`/list ;; *psql-etcd-`+dead+`:2379*) exit 1 ;; esac`)
		_, stderr, calls, err := m.Run(clouds.Compose(keep, map[string]string{"MASTER": "london", "ETCD": "london"}), "etcd-members", "create")
		if err != nil {
			t.Errorf("%v: %s", err, stderr)
		}
		var removed []string
		for _, call := range calls {
			if _, id, found := strings.Cut(call, "member remove "); found {
				removed = append(removed, id)
			}
		}
		if got := strings.Join(removed, " "); got != want {
			t.Errorf("without %s: removed %s, want %s", dead, got, want)
		}
	}
}

// Parameters are tried with segments of the database's size, or those that it is to have:
// some are refused with others.
func TestTriedWithTheSameSegments(t *testing.T) {
	first, err := scripts.ReadFile("scripts/pod/first.sh")
	if err != nil || !strings.Contains(string(first), " --wal-segsize=1 ") {
		t.Errorf("first.sh: want initdb with segments of 1 MB: %v", err)
	}
	for said, want := range map[string]string{
		"Bytes per WAL segment:                4194304": " --wal-segsize=4 ",
		"Bytes per WAL segment:                1048576": " --wal-segsize=1 ",
		"": " --wal-segsize=1 ",
	} {
		m := scripttest.New(t)
		m.Program("pg_controldata", "echo '"+said+"'")
		m.Program("initdb", `mkdir "$2"`)
		m.Program("pg_ctl", "")
		out, err := inPod(t, m, "try.sh")
		calls, _ := os.ReadFile(m.Dir + "/calls")
		if err != nil || !strings.Contains(string(calls), want) || !strings.Contains(string(calls), "pg_controldata -D "+m.Dir+"/var/lib/psql/data\n") {
			t.Errorf("%q: %v: %s\ncalled\n%s\nwant %s", said, err, out, calls, want)
		}
	}
}
