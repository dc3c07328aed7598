package workloads

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parameters are PostgreSQL's own, which takes all values as text.
type Parameters map[string]string

// UnmarshalJSON reads strings, and numbers, true and false as they are written. They
// come on top of those that are there.
func (p *Parameters) UnmarshalJSON(text []byte) error {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	if *p == nil {
		*p = Parameters{}
	}
	for name, raw := range values {
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return err
		}
		switch value := value.(type) {
		case string:
			(*p)[name] = value
		case float64, bool:
			(*p)[name] = string(raw)
		default:
			return fmt.Errorf("%s is %s: expected %s", name, raw, p.Expected())
		}
	}
	return nil
}

// Expected describes what UnmarshalJSON takes.
func (p Parameters) Expected() string { return "an object of strings, numbers, true and false" }

// A parameter of PostgreSQL's, perhaps an extension's.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// ownParameters belong to the program: other values would break what it does.
var ownParameters = map[string]string{
	// Always: it counts from a server's start only, and what the command does follows from
	// what is mounted.
	"archive_mode": "on", "archive_command": "sh /etc/psql/scripts/pgbackrest-push.sh %p", "archive_timeout": "0",
	"hot_standby":   "on",
	"wal_log_hints": "on",
	// Each member keeps a slot for each other.
	"max_replication_slots": "40",
	// Who connects shows a certificate of this authority, or a password.
	"ssl": "on", "ssl_ca_file": "/etc/psql/tls/ca.crt", "ssl_cert_file": "/etc/psql/tls/tls.crt", "ssl_key_file": "/etc/psql/tls/tls.key",
	"ssl_min_protocol_version": "TLSv1.2", "password_encryption": "scram-sha-256",
	// A peer that is gone without a word is noticed in seconds.
	"wal_receiver_timeout": "10s", "wal_receiver_status_interval": "2s", "wal_retrieve_retry_interval": "500ms", "wal_sender_timeout": "5s",
	"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "3", "tcp_keepalives_count": "3", "tcp_user_timeout": "10s",
	// Errors would otherwise show statements, and some have passwords.
	"log_min_error_statement": "panic",
	"log_timezone":            "UTC", "lc_messages": "C", "logging_collector": "off",
}

// restoreCommand is PostgreSQL's, in recovery.
const restoreCommand = `sh /etc/psql/scripts/pgbackrest-get.sh %f "%p"`

// patronis are parameters that Patroni sets itself, or that would lead it astray.
var patronis = strings.Fields(`cluster_name config_file data_directory default_transaction_read_only external_pid_file
	hba_file ident_file include include_dir include_if_exists listen_addresses log_destination log_line_prefix port primary_conninfo
	primary_slot_name recovery_target_timeline restore_command synchronous_standby_names unix_socket_directories wal_level`)

// own says whether a parameter is the program's to set. PostgreSQL doesn't mind case.
func own(name string) bool {
	name = strings.ToLower(name)
	_, ok := ownParameters[name]
	return ok || slices.Contains(patronis, name)
}

// least are values in place of less than which Patroni silently takes defaults of its own:
// CMDLINE_OPTIONS in its patroni/postgresql/config.py. For max_wal_senders replicas ask for
// more: Settings.Problems.
var least = map[string]string{
	"max_connections": "25", "max_locks_per_transaction": "32", "max_worker_processes": "2", "wal_keep_size": "16MB",
}

// size is a number as PostgreSQL takes it, perhaps with a unit of memory.
var size = regexp.MustCompile(`^\s*([^\sA-Za-z]+)\s*(B|kB|MB|GB|TB|)\s*$`)

// megabytes are what the units are. A size without one is in MB: wal_keep_size's unit.
var megabytes = map[string]float64{"B": 1.0 / (1 << 20), "kB": 1.0 / (1 << 10), "": 1, "MB": 1, "GB": 1 << 10, "TB": 1 << 20}

// amount reads a number, or a size in MB.
func amount(value string) (n float64, ok bool) {
	found := size.FindStringSubmatch(value)
	if found == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(found[1], 64)
	return n * megabytes[found[2]], err == nil
}

// tooLittle returns the least value of a parameter whose value is less, or nothing. What is
// no number is left to PostgreSQL to refuse.
func tooLittle(name, value string) string {
	want := least[strings.ToLower(name)]
	bound, is := amount(want)
	if n, ok := amount(value); !is || !ok || n >= bound {
		return ""
	}
	return want
}

// text are the parameters in PostgreSQL's own format.
func (p Parameters) text() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&text, "%s = '%s'\n", name, strings.ReplaceAll(p[name], "'", "''"))
	}
	return text.String()
}

func (p Parameters) problems() []string {
	var out []string
	// A member that left its leader's log is rewound with its own, from the last checkpoint
	// before. It takes a copy of the database where that is gone.
	keep, kept := amount(p["wal_keep_size"])
	if between, ok := amount(p["max_wal_size"]); ok && kept && keep < between {
		out = append(out, fmt.Sprintf("parameters: wal_keep_size is %s, and max_wal_size %s: expected no less than that, for a former leader needs its log since its last checkpoint to follow without a new copy", p["wal_keep_size"], p["max_wal_size"]))
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !parameterName.MatchString(name) {
			out = append(out, fmt.Sprintf("parameters: %q is no name of a parameter of PostgreSQL", name))
		} else if own(name) {
			out = append(out, fmt.Sprintf("parameters: %s is set by the program: leave it out", name))
		} else if want := tooLittle(name, p[name]); want != "" {
			out = append(out, fmt.Sprintf("parameters: %s is %s: expected at least %s, for Patroni takes a default of its own in place of less", name, p[name], want))
		}
		if strings.ContainsAny(p[name], "\n\r\\") {
			out = append(out, fmt.Sprintf("parameters: %s has a backslash or line break: expected one line without", name))
		}
	}
	return out
}
