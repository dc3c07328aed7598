package workloads

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
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
var parameterName = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)?$`)

// ownParameters belong to the program: other values would break what it does.
var ownParameters = strings.Fields(`archive_mode cluster_name config_file data_directory default_transaction_read_only external_pid_file
	hba_file hot_standby ident_file include include_dir include_if_exists lc_messages listen_addresses log_destination log_line_prefix
	log_min_error_statement log_timezone logging_collector password_encryption port primary_conninfo recovery_target_timeline ssl
	ssl_ca_file ssl_cert_file ssl_key_file ssl_min_protocol_version synchronous_standby_names tcp_keepalives_count tcp_keepalives_idle
	tcp_keepalives_interval unix_socket_directories wal_level wal_receiver_status_interval wal_receiver_timeout
	wal_retrieve_retry_interval wal_sender_timeout`)

func (p Parameters) problems() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !parameterName.MatchString(name) {
			out = append(out, fmt.Sprintf("parameters: %q is no name of a parameter of PostgreSQL", name))
		} else if slices.Contains(ownParameters, name) {
			out = append(out, fmt.Sprintf("parameters: %s is set by the program: leave it out", name))
		}
		if strings.ContainsAny(p[name], "\n\r\\") {
			out = append(out, fmt.Sprintf("parameters: %s has a backslash or line break: expected one line without", name))
		}
	}
	return out
}
