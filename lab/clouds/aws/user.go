package aws

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"

	"hybrid/lab/buckets"
	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// user is one of IAM's.
func user() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: iam.UserArgs{}, Outputs: iam.User{}, Name: "name",
			Supported: []string{"forceDestroy", "name", "path", "tags"},
			Defaults:  map[string]any{"forceDestroy": false, "path": "/"},
		},
		Check: onlyTags,
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			name := provider.Str(in, "name")
			if tx.Get(typeUser, name) != nil {
				return "", nil, fmt.Errorf("EntityAlreadyExists: User with name %s already exists", name)
			}
			return name, provider.Merge(in, tagsAll(in), provider.From(map[string]any{
				"arn": fmt.Sprintf("arn:aws:iam::%s:user%s%s", account, provider.Str(in, "path"), name), "uniqueId": "AIDA" + strings.ToUpper(cloud.RandomHex(17)),
			})), nil
		},
		Change: retag,
	}
}

// document is a policy as IAM takes it, as far as the lab knows what it means.
type document struct {
	Version   string
	Statement []struct {
		Effect   string
		Action   any
		Resource any
	}
}

// words are a string, or a list of them.
func words(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			text, _ := e.(string)
			out = append(out, text)
		}
	}
	return out
}

func readPolicy(text string) (*document, error) {
	d := &document{}
	if err := json.Unmarshal([]byte(text), d); err != nil {
		return nil, fmt.Errorf("MalformedPolicyDocument: Syntax errors in policy: %w", err)
	}
	for _, s := range d.Statement {
		if s.Effect != "Allow" || len(words(s.Action)) == 0 || len(words(s.Resource)) == 0 {
			return nil, fmt.Errorf("MalformedPolicyDocument: the lab simulates statements that allow actions on resources only")
		}
	}
	return d, nil
}

// userPolicy is what a user may do.
func userPolicy() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: iam.UserPolicyArgs{}, Outputs: iam.UserPolicy{}, Name: "name",
			Supported: []string{"name", "policy", "user"},
			ForceNew:  []string{"name", "user"},
			Computed:  []string{"namePrefix"},
		},
		Check: func(_ *provider.Call, in props) (f failures) {
			if provider.Known(in, "policy") {
				if _, err := readPolicy(provider.Str(in, "policy")); err != nil {
					f = append(f, provider.Failure("policy", "%v", err))
				}
			}
			return f
		},
		Refs: ofUser,
		Place: func(_ *cloud.Tx, in props) (string, props, error) {
			return provider.Str(in, "user") + ":" + provider.Str(in, "name"), provider.Merge(in, provider.From(map[string]any{"namePrefix": ""})), nil
		},
	}
}

func ofUser(p props) []cloud.Ref {
	return []cloud.Ref{{Property: "user", Type: typeUser, ID: provider.Str(p, "user")}}
}

// mostKeys is how many keys a user may have: IAM's quota, which can't be raised.
const mostKeys = 2

// accessKey is by what a user is known.
func accessKey() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: iam.AccessKeyArgs{}, Outputs: iam.AccessKey{},
			Supported: []string{"user"},
			ForceNew:  []string{"user"},
			Secret:    []string{"secret", "sesSmtpPasswordV4"},
		},
		Refs: ofUser,
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			name := provider.Str(in, "user")
			others := slices.DeleteFunc(tx.All(typeAccessKey), func(o *cloud.Object) bool { return provider.Str(o.Props, "user") != name })
			if len(others) >= mostKeys {
				return "", nil, fmt.Errorf("LimitExceeded: Cannot exceed quota for AccessKeysPerUser: %d", mostKeys)
			}
			return "AKIA" + strings.ToUpper(cloud.RandomHex(16)), provider.Merge(in, provider.From(map[string]any{
				"secret": cloud.RandomHex(40), "sesSmtpPasswordV4": cloud.RandomHex(44), "status": "Active", "createDate": "2026-01-01T00:00:00Z",
			})), nil
		},
	}
}

// publish says what there is of buckets, and who may enter them.
func publish(s *cloud.State, dir string) error {
	has := buckets.New()
	keys := map[string][]string{} // by user
	for _, o := range s.All(typeAccessKey) {
		has.Keys[o.ID] = provider.Str(o.Props, "secret")
		name := provider.Str(o.Props, "user")
		keys[name] = append(keys[name], o.ID)
	}
	for _, o := range s.All(typeBucket) {
		has.Buckets[o.ID] = nil
	}
	for _, o := range s.All(typeUserPolicy) {
		d, err := readPolicy(provider.Str(o.Props, "policy"))
		if err != nil {
			return err
		}
		for _, statement := range d.Statement {
			for _, resource := range words(statement.Resource) {
				name, _, _ := strings.Cut(strings.TrimPrefix(resource, "arn:aws:s3:::"), "/")
				if users := keys[provider.Str(o.Props, "user")]; len(users) > 0 {
					has.Allow(name, buckets.Statement{
						Effect: "Allow", Principal: map[string][]string{"AWS": users}, Action: words(statement.Action), Resource: []string{resource},
					})
				}
			}
		}
	}
	return buckets.Write(dir, "aws", has)
}
