package aws

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"golang.org/x/crypto/ssh"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

func keyPair() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.KeyPairArgs{}, Outputs: ec2.KeyPair{}, Name: "keyName",
			Supported: []string{"keyName", "tags"},
			ForceNew:  []string{"keyName", "publicKey"},
			Computed:  []string{"keyNamePrefix"},
		},
		Check: func(_ *provider.Call, in props) (f failures) {
			if provider.Known(in, "publicKey") {
				key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(provider.Str(in, "publicKey")))
				if err != nil || !slices.Contains([]string{ssh.KeyAlgoRSA, ssh.KeyAlgoED25519}, key.Type()) {
					f = append(f, provider.Failure("publicKey", "InvalidKey.Format: key is not in valid OpenSSH public key format (the service takes ssh-rsa and ssh-ed25519)"))
				}
			}
			return append(f, checkTags(in)...)
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			name := provider.Str(in, "keyName")
			if tx.Get(typeKeyPair, name) != nil {
				return "", nil, fmt.Errorf("InvalidKeyPair.Duplicate: the keypair '%s' already exists", name)
			}
			id := cloud.NewID("key")
			all, err := common(tx, in, "key-pair", name)
			delete(all, "ownerId")
			kind, print := fingerprint(provider.Str(in, "publicKey"))
			return name, provider.Merge(all, provider.From(map[string]any{
				"keyPairId": id, "keyType": kind, "fingerprint": print,
			})), err
		},
		Change: retag,
	}
}

// fingerprint is the service's: MD5 of the DER form for RSA, SHA-256 of the SSH
// form for ED25519 (see "Verify the fingerprint" in the EC2 user guide).
func fingerprint(authorized string) (kind, print string) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(authorized))
	if err != nil {
		return "", "" // Check has refused it
	}
	if key.Type() == ssh.KeyAlgoED25519 {
		sum := sha256.Sum256(key.Marshal())
		return "ed25519", base64.StdEncoding.EncodeToString(sum[:])
	}
	der, err := x509.MarshalPKIXPublicKey(key.(ssh.CryptoPublicKey).CryptoPublicKey())
	if err != nil {
		return "rsa", ""
	}
	return "rsa", strings.ReplaceAll(fmt.Sprintf("% x", md5.Sum(der)), " ", ":")
}
