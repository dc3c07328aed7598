package backup

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hybrid/clouds"
	"hybrid/internal/settings"
)

// What pulumi destroy does with a bucket that the program has made.
const (
	Keep   = "keep"   // it stays, with all that is in it
	Delete = "delete" // it goes, with all that is in it
)

// Settings are hybrid:backup.
type Settings struct {
	// Enabled says that there are backups at all.
	Enabled bool `json:"enabled"`
	// Cluster is the one in whose cloud and region the bucket is, if there is no Endpoint.
	// It has no default: that would be another one when clusters are listed in another
	// order.
	Cluster string `json:"cluster"`
	// Existing is the name of a bucket that is there already, and stays. Empty: one is made.
	Existing string `json:"existing"`
	// Endpoint is the URL of an S3 service of others, with the bucket Existing. Empty: that
	// of the cluster's cloud.
	Endpoint string `json:"endpoint"`
	// Region is that of the bucket behind Endpoint.
	Region string `json:"region"`
	// Authority is the certificate, PEM, of who signs the service's. Empty: a public one.
	Authority string `json:"authority"`
	// OnDestroy is Keep or Delete.
	OnDestroy string `json:"onDestroy"`
	// KeyGeneration is counted up to get new access keys.
	KeyGeneration int `json:"keyGeneration"`
	// FullHours is the time between full backups of the database, IncrementalHours that
	// between those of what has changed.
	FullHours        int `json:"fullHours"`
	IncrementalHours int `json:"incrementalHours"`
	// Full is how many full backups are kept, with all that is needed to go on from each.
	Full int `json:"full"`
	// MaxWAL is how much of the database's log waits for a bucket that can't be reached.
	// More is dropped, and a new backup made as soon as it can be.
	MaxWAL string `json:"maxWal"`
	// SnapshotMinutes is the time between two snapshots of the clusters' and the
	// federation's etcd. All of the last day are kept, and one of each day for SnapshotDays.
	SnapshotMinutes int `json:"snapshotMinutes"`
	SnapshotDays    int `json:"snapshotDays"`
	// RehearsalHours is the time between two rehearsals of a restore, of each cluster's and of
	// the database, in a place beside.
	RehearsalHours int `json:"rehearsalHours"`
	// MaxAgeHours is how old the last backup may be, and MaxLagMinutes how old the first
	// change that isn't in the bucket, before hybrid status is not healthy.
	MaxAgeHours   int `json:"maxAgeHours"`
	MaxLagMinutes int `json:"maxLagMinutes"`
}

// DefaultSettings are what hybrid:backup leaves out.
func DefaultSettings() Settings {
	return Settings{
		OnDestroy: Keep, KeyGeneration: 1,
		FullHours: 7 * 24, IncrementalHours: 24, Full: 2,
		MaxWAL:          "4GB",
		SnapshotMinutes: 15, SnapshotDays: 14, RehearsalHours: 24,
		MaxAgeHours: 26, MaxLagMinutes: 5,
	}
}

// Place is the cluster in whose cloud and region the bucket is; none of a name if there is
// no such cluster.
func (s Settings) Place(all []clouds.Settings) clouds.Settings { return named(all, s.Cluster) }

func named(all []clouds.Settings, name string) clouds.Settings {
	for _, c := range all {
		if c.Name == name {
			return c
		}
	}
	return clouds.Settings{}
}

// BucketName says whether a text can be the name of a bucket.
func BucketName(text string) bool { return bucketName.MatchString(text) }

var (
	// As S3 has it, which is the strictest: without dots, which certificates don't cover.
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	regionName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	walSize    = regexp.MustCompile(`^([1-9][0-9]{0,5})(MB|GB)$`)
)

// MaxWALMegabytes is MaxWAL in units of 2²⁰ bytes; 0 if it isn't valid.
func (s Settings) MaxWALMegabytes() int {
	m := walSize.FindStringSubmatch(s.MaxWAL)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	if m[2] == "GB" {
		n *= 1024
	}
	return n
}

// Problems says what is wrong with the settings, one line for each. master is the cluster
// of the data.
func (s Settings) Problems(all []clouds.Settings, master string) []string {
	if !s.Enabled {
		return nil
	}
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if s.Endpoint != "" {
		u, err := url.Parse(s.Endpoint)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			add("endpoint is %q: expected the URL of an S3 service, such as https://s3.example.org", s.Endpoint)
		}
		if s.Existing == "" {
			add("endpoint is set without existing: expected the name of a bucket there")
		}
		if !regionName.MatchString(s.Region) {
			add("region is %q: expected that of the bucket at endpoint, such as us-east-1", s.Region)
		}
		if s.Cluster != "" {
			add("cluster is %q, and endpoint is set: expected one of them", s.Cluster)
		}
	} else {
		var names []string
		for _, c := range all {
			if c.Cloud != named(all, master).Cloud {
				names = append(names, c.Name)
			}
		}
		switch {
		case len(names) == 0:
			add("all clusters are in the cloud of the data: expected endpoint, existing and region of a bucket elsewhere")
		case !slices.Contains(names, s.Cluster):
			add("cluster is %q: expected one in another cloud than the data's, in whose cloud and region the bucket shall be: %s", s.Cluster, strings.Join(names, ", "))
		case s.Place(all).Cloud == clouds.DigitalOcean && slices.Contains(withoutSpaces, s.Place(all).Region):
			add("cluster is %q, in %s, where DigitalOcean has no Spaces: expected another cluster, or endpoint", s.Cluster, s.Place(all).Region)
		}
		if s.Region != "" {
			add("region is %q without endpoint: leave it out, the bucket is in that of its cluster", s.Region)
		}
	}
	if s.Existing != "" && !bucketName.MatchString(s.Existing) {
		add("existing is %q: expected the name of a bucket: 3 to 63 of a-z, 0-9 and -", s.Existing)
	}
	if s.Authority != "" && !certificate(s.Authority) {
		add("authority: expected a certificate in PEM, or none for a public one")
	}
	if s.OnDestroy != Keep && s.OnDestroy != Delete {
		add("onDestroy is %q: expected %s or %s", s.OnDestroy, Keep, Delete)
	}
	within := func(key string, n, least, most int) {
		if n < least || n > most {
			add("%s is %d: expected %d to %d", key, n, least, most)
		}
	}
	within("keyGeneration", s.KeyGeneration, 1, 1_000_000)
	within("fullHours", s.FullHours, 1, 90*24)
	within("incrementalHours", s.IncrementalHours, 1, max(s.FullHours, 1))
	within("full", s.Full, 1, 100)
	within("snapshotMinutes", s.SnapshotMinutes, 1, 24*60)
	within("rehearsalHours", s.RehearsalHours, 1, 365*24)
	within("snapshotDays", s.SnapshotDays, 1, 3650)
	within("maxAgeHours", s.MaxAgeHours, s.IncrementalHours+1, 365*24)
	// A change is sent within a minute, and none when nothing changes.
	within("maxLagMinutes", s.MaxLagMinutes, 2, 24*60)
	if !walSize.MatchString(s.MaxWAL) {
		add("maxWal is %q: expected a number with MB or GB, such as 4GB", s.MaxWAL)
	}
	return out
}

func certificate(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return false
	}
	_, err := x509.ParseCertificate(block.Bytes)
	return err == nil
}

// leastKey is the least length of a key that can't be guessed by who has the bucket:
// 192 bits in base64.
const leastKey = 32

// KeyProblem says what is wrong with hybrid:backupKey, or nothing.
func KeyProblem(key string) string {
	return settings.Chosen(key, leastKey, `'"\`, "spaces, quotes and backslashes")
}

// leastAccess is the least length of a key that can't be guessed on line.
const leastAccess = 12

// AccessProblem says what is wrong with an access key of an S3 service, or nothing.
func AccessProblem(key string) string {
	return settings.Chosen(key, leastAccess, `'"\`, "spaces, quotes and backslashes")
}
