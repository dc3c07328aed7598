package federation

import (
	"embed"

	"hybrid/clouds"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// scripts run on control planes of clusters. lib.sh begins those that run on the
// host's and speak to the federation.
//
//go:embed scripts/node/*.sh
var scripts embed.FS

// body is a script with what it needs.
func body(name string, parts ...string) (string, error) {
	var text string
	for _, part := range append(parts, name) {
		b, err := scripts.ReadFile("scripts/node/" + part + ".sh")
		if err != nil {
			return "", err
		}
		text += string(b)
	}
	return text, nil
}

// script is one that speaks to the federation.
func (b *builder) script(name, timeout string, params pulumi.StringMap) (clouds.Script, error) {
	text, err := body(name, "lib")
	if err != nil {
		return clouds.Script{}, err
	}
	control := b.args.Host.ControlPlane()
	all := pulumi.StringMap{
		"SERVER": pulumi.Sprintf("%s:%d", control.PrivateAddress, clouds.FederationPort),
		"PUBLIC": control.PublicAddress,
	}
	for name, value := range params {
		all[name] = value
	}
	return clouds.Script{
		Name: "federation-" + name, Body: text, Params: all, Timeout: timeout,
		// A federation that is created again has not been looked at.
		Triggers: pulumi.Array{b.args.Host.Life},
	}, nil
}
