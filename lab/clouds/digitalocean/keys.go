package digitalocean

import (
	"regexp"
	"strconv"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"
	"golang.org/x/crypto/ssh"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// keyBase is where the IDs of SSH keys start, as they look in real accounts.
const keyBase = 40_000_000

func sshKey() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: digitalocean.SshKeyArgs{}, Outputs: digitalocean.SshKey{}, Name: "name",
			Supported: []string{"name"},
			ForceNew:  []string{"publicKey"},
		},
		Check: func(_ *provider.Call, in props) failures {
			if provider.Known(in, "publicKey") && fingerprint(provider.Str(in, "publicKey")) == "" {
				return failures{provider.Failure("publicKey", "422 key invalid, key should be of the format `type key [comment]`")}
			}
			return nil
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			print := fingerprint(provider.Str(in, "publicKey"))
			if other := tx.Find(typeSSHKey, "fingerprint", print); other != nil {
				return "", nil, apiError(422, "SSH Key is already in use on your account (%s)", other.ID)
			}
			return strconv.Itoa(tx.NewNumber(keyBase)), provider.Merge(in, provider.From(map[string]any{"fingerprint": print})), nil
		},
	}
}

// fingerprint is the MD5 one, or "" if the text is no public key.
func fingerprint(authorized string) string {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(authorized))
	if err != nil {
		return ""
	}
	return ssh.FingerprintLegacyMD5(key)
}

var tagName = regexp.MustCompile(`^[a-zA-Z0-9:_-]{1,255}$`)

// checkTagNames checks names as the vendor's provider does before it asks.
func checkTagNames(in props, key string) (f failures) {
	for _, name := range provider.Strs(in, key) {
		if !tagName.MatchString(name) {
			f = append(f, badTag(key, name))
		}
	}
	return f
}

func badTag(key, name string) failure {
	return provider.Failure(key, "tags may only contain lowercase letters, numbers, colons, dashes, and underscores, and have 1 to 255 characters: %q", name)
}

func tag() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: digitalocean.TagArgs{}, Outputs: digitalocean.Tag{}, Name: "name",
			Supported: []string{"name"},
			ForceNew:  []string{"name"},
		},
		Check: func(_ *provider.Call, in props) failures {
			if n := provider.Str(in, "name"); provider.Known(in, "name") && !tagName.MatchString(n) {
				return failures{badTag("name", n)}
			}
			return nil
		},
		// The API takes a tag that exists for created.
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			name := provider.Str(in, "name")
			if implicit := tx.Get(typeTag, name); implicit != nil && implicit.URN == "" {
				delete(tx.Objects, name)
			} else if implicit != nil {
				return "", nil, apiError(422, "tag %q already exists: a second resource would delete the first one's", name)
			}
			return name, in, nil
		},
		View: func(s *cloud.State, o *cloud.Object) props {
			n := len(tagged(s, o.ID))
			return provider.From(map[string]any{
				"dropletsCount": n, "totalResourceCount": n, "databasesCount": 0, "imagesCount": 0, "volumesCount": 0, "volumeSnapshotsCount": 0,
			})
		},
		// A tag comes off what carries it.
		Leave: func(tx *cloud.Tx, o *cloud.Object) error {
			for _, typ := range []string{typeDroplet, typeFirewall} {
				for _, other := range tx.All(typ) {
					untag(other, o.ID)
				}
			}
			return nil
		},
	}
}
