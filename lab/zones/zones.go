// Package zones is the folder of the DNS zones that the lab's name server knows, one
// master file (RFC 1035) each. The simulated clouds write it, the name server watches
// it: neither needs the other to be there.
package zones

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
)

// Folder is the name of the folder, beside the clouds' own files.
const Folder = "zones"

// prefix begins the names of the files. The zone's domain follows, with its last dot.
const prefix = "db-"

// Pattern matches the files' names; its group is the domain.
const Pattern = `^` + prefix + `(.*\.)$`

// Zone is a domain and the names in it.
type Zone struct {
	Domain      string // with a dot at its end
	NameServers []string
	Records     []Record
}

// Record is all values of one type that a name has.
type Record struct {
	Name string // with a dot at its end
	Type string // as A or CNAME
	TTL  int    // seconds
	Data []string
}

// world is the zone that has all others in it, and nothing else: the lab's internet
// has no names but those of its own zones, and asks no other server.
var world = Zone{Domain: ".", NameServers: []string{"ns.lab.invalid."}}

// S3 is the address of the lab's S3 server, which stands for all vendors'.
const S3 = "198.18.0.9"

// services are the names of what vendors have for everybody, as far as the lab has it.
var services = []Zone{
	service("amazonaws.com.", "*.amazonaws.com."), // s3.<region>, s3.dualstack.<region>
	service("digitaloceanspaces.com.", "*.digitaloceanspaces.com."),
	service("storage.googleapis.com.", "storage.googleapis.com."),
}

func service(domain, name string) Zone {
	return Zone{Domain: domain, NameServers: world.NameServers, Records: []Record{{Name: name, Type: "A", TTL: 60, Data: []string{S3}}}}
}

// Ensure makes the folder, with no zones but the world and the vendors' services.
func Ensure(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, z := range append(services, world) {
		errs = append(errs, write(dir, z))
	}
	return errors.Join(errs...)
}

// Write makes the folder hold these zones and no others. Each file is replaced as a
// whole; one that needn't change isn't touched.
func Write(dir string, all []Zone) error {
	if err := Ensure(dir); err != nil {
		return err
	}
	keep := map[string]bool{file(world): true}
	for _, z := range services {
		keep[file(z)] = true
	}
	for _, z := range all {
		keep[file(z)] = true
		if err := write(dir, z); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		// Others may be writing theirs just now, under names of another form.
		if strings.HasPrefix(e.Name(), prefix) && !keep[e.Name()] {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func file(z Zone) string { return prefix + z.Domain }

func write(dir string, z Zone) error {
	path, text := filepath.Join(dir, file(z)), z.render()
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	fresh, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = fresh.WriteString(text)
	err = errors.Join(err, fresh.Chmod(0o644), fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		os.Remove(fresh.Name())
	}
	return err
}

// render writes the master file. The name server loads it again when the serial is
// another one. The zone isn't transferred, so that need not be a higher one: it is
// made from the contents, and the last one need not be remembered.
func (z Zone) render() string {
	var records strings.Builder
	for _, n := range z.NameServers {
		fmt.Fprintf(&records, "%s 21600 IN NS %s\n", z.Domain, n)
	}
	for _, r := range z.Records {
		for _, d := range r.Data {
			fmt.Fprintf(&records, "%s %d IN %s %s\n", r.Name, r.TTL, r.Type, d)
		}
	}
	// Zero would mean "not loaded yet" to the name server.
	serial := max(1, crc32.ChecksumIEEE([]byte(records.String())))
	// Google's values, but for the last: how long others may remember that there is no
	// such name, in seconds. Those that come into being are to be seen at once.
	return fmt.Sprintf("%s 21600 IN SOA %s cloud-dns-hostmaster.google.com. %d 21600 3600 259200 1\n%s",
		z.Domain, z.NameServers[0], serial, records.String())
}
