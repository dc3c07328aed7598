package backup

import (
	"slices"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

var all = []clouds.Settings{
	{Name: "london", Cloud: clouds.DigitalOcean, Region: "lon1"},
	{Name: "frankfurt", Cloud: clouds.AWS, Region: "eu-central-1"},
	{Name: "america", Cloud: clouds.GCE, Region: "us-west1"},
}

const key = "0123456789abcdef0123456789abcdef"

// made is what a store makes, and its outputs.
func made(t *testing.T, change func(*Args)) (*mockcloud.Record, map[string]string) {
	t.Helper()
	got := map[string]string{}
	r, err := mockcloud.Run(false, map[string]string{"gcp:project": "lab"}, func(ctx *pulumi.Context) error {
		args := &Args{Settings: DefaultSettings(), Key: pulumi.String(key)}
		args.Enabled, args.Cluster = true, "frankfurt"
		change(args)
		args.In = args.Place(all)
		s, err := NewStore(ctx, "backup", args)
		if err != nil {
			return err
		}
		for _, secret := range []pulumi.StringOutput{s.AccessKey, s.SecretKey, s.Key("postgres")} {
			if !pulumi.IsSecret(secret) {
				t.Error("a key is not secret")
			}
		}
		got["endpoint"], got["region"] = s.Endpoint, s.Region
		ctx.Export("seen", pulumi.All(s.Bucket, s.AccessKey, s.SecretKey).ApplyT(func(all []any) string {
			got["bucket"], got["access"], got["secret"] = all[0].(string), all[1].(string), all[2].(string)
			return ""
		}))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, got
}

// Each cloud has a bucket, and keys that enter it and no other.
func TestEachCloud(t *testing.T) {
	for name, want := range map[string]struct{ bucket, endpoint, region, access string }{
		"frankfurt": {"backup-bucket-1234567", "s3.eu-central-1.amazonaws.com", "eu-central-1", "backup-keys-1-id"},
		"america":   {"backup-bucket-1234567", "storage.googleapis.com", "auto", "GOOG1"},
		"london":    {"backup-bucket-1234567", "lon1.digitaloceanspaces.com", "lon1", "DO1backup-keys-1"},
	} {
		r, got := made(t, func(a *Args) { a.Cluster = name })
		for k, v := range map[string]string{"bucket": want.bucket, "endpoint": want.endpoint, "region": want.region, "access": want.access, "secret": mockcloud.SecretKey} {
			if got[k] != v {
				t.Errorf("%s: %s is %q, want %q", name, k, got[k], v)
			}
		}
		bucket := r.Find(t, "backup-bucket")
		if !bucket.RegisterRPC.GetRetainOnDelete() || bucket.Inputs["forceDestroy"].BoolValue() {
			t.Errorf("%s: the bucket goes with the stack", name)
		}
		for _, a := range r.Made {
			if strings.Contains(mockcloud.Plain(a.Inputs), mockcloud.SecretKey) {
				t.Errorf("%s: %s has a secret key in the clear", name, a.Name)
			}
		}
	}
}

// What keys may enter is said in each cloud's words.
func TestKeysAreForOneBucket(t *testing.T) {
	r, _ := made(t, func(a *Args) { a.Readable = "another" })
	policy := mockcloud.Text(r.Find(t, "backup-policy").Inputs["policy"])
	for _, want := range []string{
		`["s3:GetObject","s3:PutObject","s3:DeleteObject","s3:AbortMultipartUpload","s3:ListMultipartUploadParts"],"Resource":"arn:aws:s3:::backup-bucket-1234567/*"`,
		`["s3:GetObject"],"Resource":"arn:aws:s3:::another/*"`,
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, `"*"`) || strings.Contains(policy, "s3:*") {
		t.Errorf("the policy is too wide: %s", policy)
	}
	r, _ = made(t, func(a *Args) { a.Cluster = "london" })
	grants := mockcloud.List(r.Find(t, "backup-keys-1").Inputs["grants"])
	if len(grants) != 1 || mockcloud.Text(grants[0], "bucket") != "backup-bucket-1234567" || mockcloud.Text(grants[0], "permission") != "readwrite" {
		t.Errorf("the keys' grants are %v", grants)
	}
	r, _ = made(t, func(a *Args) { a.Cluster = "america" })
	access := r.Find(t, "backup-access").Inputs
	if mockcloud.Text(access["bucket"]) != "backup-bucket-1234567" || mockcloud.Text(access["role"]) != "roles/storage.objectAdmin" {
		t.Errorf("the account's role is %v", access)
	}
}

// A bucket that exists is not made; one of others is entered by given keys, and nothing
// is made at all.
func TestExisting(t *testing.T) {
	r, got := made(t, func(a *Args) { a.Existing = "mine" })
	if len(r.OfType("aws:s3/bucketV2:BucketV2")) != 0 || got["bucket"] != "mine" {
		t.Errorf("the bucket is %q of %v", got["bucket"], r.Made)
	}
	r, got = made(t, func(a *Args) {
		a.Existing, a.Endpoint, a.Region = "theirs", "https://s3.example.org:9000", "eu"
		a.AccessKey, a.SecretKey = pulumi.String("their-access-key"), pulumi.String("their-secret-key")
	})
	if len(r.Made) != 1 || got["endpoint"] != "s3.example.org:9000" || got["access"] != "their-access-key" || got["bucket"] != "theirs" {
		t.Errorf("found %v, made %d", got, len(r.Made))
	}
}

// New keys are made before the old ones go; with onDestroy: delete the bucket goes.
func TestChanges(t *testing.T) {
	r, _ := made(t, func(a *Args) { a.KeyGeneration, a.OnDestroy = 2, Delete })
	r.Find(t, "backup-keys-2")
	if bucket := r.Find(t, "backup-bucket"); bucket.RegisterRPC.GetRetainOnDelete() || !bucket.Inputs["forceDestroy"].BoolValue() {
		t.Error("the bucket stays")
	}
}

func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Settings)
		want   string
	}{
		"fine":        {func(*Settings) {}, ""},
		"off":         {func(s *Settings) { s.Enabled, s.Full = false, -1 }, ""},
		"cluster":     {func(s *Settings) { s.Cluster = "paris" }, `cluster is "paris": expected one in another cloud than the data's, in whose cloud and region the bucket shall be: frankfurt, america`},
		"endpoint":    {func(s *Settings) { s.Endpoint, s.Existing, s.Region = "http://x", "abc", "eu" }, "expected the URL of an S3 service"},
		"no bucket":   {func(s *Settings) { s.Endpoint, s.Region = "https://x", "eu" }, "endpoint is set without existing"},
		"no region":   {func(s *Settings) { s.Endpoint, s.Existing = "https://x", "abc" }, `region is ""`},
		"both":        {func(s *Settings) { s.Endpoint, s.Existing, s.Region, s.Cluster = "https://x", "abc", "eu", "london" }, "expected one of them"},
		"region":      {func(s *Settings) { s.Region = "eu" }, "without endpoint"},
		"name":        {func(s *Settings) { s.Existing = "A.b" }, "expected the name of a bucket"},
		"authority":   {func(s *Settings) { s.Authority = "x" }, "expected a certificate in PEM"},
		"onDestroy":   {func(s *Settings) { s.OnDestroy = "no" }, "expected keep or delete"},
		"generation":  {func(s *Settings) { s.KeyGeneration = 0 }, "keyGeneration is 0"},
		"full":        {func(s *Settings) { s.FullHours = 3000 }, "fullHours is 3000: expected 1 to 2160"},
		"incremental": {func(s *Settings) { s.FullHours, s.IncrementalHours = 20, 21 }, "incrementalHours is 21: expected 1 to 20"},
		"kept":        {func(s *Settings) { s.Full = 0 }, "full is 0"},
		"age":         {func(s *Settings) { s.MaxAgeHours = 24 }, "maxAgeHours is 24: expected 25 to"},
		"lag":         {func(s *Settings) { s.MaxLagMinutes = 1 }, "maxLagMinutes is 1"},
		"queue":       {func(s *Settings) { s.MaxWAL = "4" }, `maxWal is "4"`},
		"no cluster":  {func(s *Settings) { s.Cluster = "" }, `cluster is ""`},
		"the data's":  {func(s *Settings) { s.Cluster = "london" }, "another cloud than the data's"},
	} {
		s := DefaultSettings()
		s.Enabled = true
		s.Cluster = "frankfurt"
		test.change(&s)
		if s.Endpoint != "" && name != "both" {
			s.Cluster = ""
		}
		problems := s.Problems(all, "london")
		if got := strings.Join(problems, "\n"); test.want == "" && got != "" || !strings.Contains(got, test.want) || len(problems) > 1 {
			t.Errorf("%s: found %q, want %q", name, got, test.want)
		}
	}
}

// Not each of DigitalOcean's regions has Spaces.
func TestRegionWithoutSpaces(t *testing.T) {
	for region, want := range map[string]bool{"lon1": true, "nyc1": false} {
		clusters := slices.Clone(all)
		clusters[0].Region = region
		s := DefaultSettings()
		s.Enabled, s.Cluster = true, "london"
		problems := strings.Join(s.Problems(clusters, "frankfurt"), "")
		if want != (problems == "") || !want && !strings.Contains(problems, "in nyc1, where DigitalOcean has no Spaces") {
			t.Errorf("%s: found %q", region, problems)
		}
	}
}

// One cloud alone has no other for its bucket.
func TestOneCloud(t *testing.T) {
	same := slices.Clone(all)
	for i := range same {
		same[i].Cloud = clouds.AWS
	}
	s := DefaultSettings()
	s.Enabled, s.Cluster = true, "frankfurt"
	if got := strings.Join(s.Problems(same, "london"), ""); !strings.Contains(got, "all clusters are in the cloud of the data: expected endpoint") {
		t.Errorf("found %q", got)
	}
}
