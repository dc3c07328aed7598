package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"hybrid/lab/plugins/provider"
)

// canonical is the account that publishes Ubuntu.
const canonical = "099720109477"

// image is an image that all regions have, each under an ID of its own.
type image struct{ name, architecture, created string }

// images are a few of Canonical's. Whatever is chosen boots the lab's own.
var images = []image{
	{"ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20250712", "x86_64", "2025-07-12T04:10:32.000Z"},
	{"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20250610", "x86_64", "2025-06-10T06:59:11.000Z"},
	{"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20250821", "x86_64", "2025-08-21T07:02:48.000Z"},
	{"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20250821", "arm64", "2025-08-21T07:01:15.000Z"},
}

func (i image) id(region string) string {
	sum := sha256.Sum256([]byte(region + i.name))
	return "ami-0" + hex.EncodeToString(sum[:8])
}

// findImage returns the image that has an ID in a region.
func findImage(region, id string) (image, bool) {
	n := slices.IndexFunc(images, func(i image) bool { return i.id(region) == id })
	if n < 0 {
		return image{}, false
	}
	return images[n], true
}

// attribute is what a filter of DescribeImages looks at.
func (i image) attribute(region, filter string) (string, bool) {
	v, ok := map[string]string{
		"name": i.name, "architecture": i.architecture, "image-id": i.id(region), "owner-id": canonical,
		"virtualization-type": "hvm", "root-device-type": "ebs", "state": "available",
		"image-type": "machine", "is-public": "true", "hypervisor": "xen", "ena-support": "true",
	}[filter]
	return v, ok
}

func lookupAmi(c *provider.Call, in props) (props, error) {
	r, err := region(c.Config)
	if err != nil {
		return nil, err
	}
	found, err := filterImages(r, in)
	if err != nil {
		return nil, err
	}
	switch {
	case len(found) == 0:
		return nil, errors.New("your query returned no results: change the search criteria and try again")
	case len(found) > 1 && !provider.Bool(in, "mostRecent", false):
		return nil, errors.New("your query returned more than one result: try a more specific search criteria, or set `mostRecent` to true")
	}
	newest := slices.MaxFunc(found, func(a, b image) int {
		if a.created < b.created {
			return -1
		}
		return 1
	})
	id := newest.id(r)
	return provider.Merge(in, provider.From(map[string]any{
		"id": id, "imageId": id, "arn": fmt.Sprintf("arn:aws:ec2:%s::image/%s", r, id), "name": newest.name,
		"architecture": newest.architecture, "creationDate": newest.created, "ownerId": canonical,
		"description": "Canonical, Ubuntu", "imageLocation": "amazon/" + newest.name, "imageType": "machine",
		"state": "available", "public": true, "hypervisor": "xen", "virtualizationType": "hvm", "enaSupport": true,
		"rootDeviceName": "/dev/sda1", "rootDeviceType": "ebs", "rootSnapshotId": "", "bootMode": "uefi-preferred",
		"blockDeviceMappings": []any{}, "productCodes": []any{}, "stateReason": map[string]any{}, "tags": map[string]any{},
		"deprecationTime": "", "imageOwnerAlias": "", "imdsSupport": "v2.0", "kernelId": "", "lastLaunchedTime": "", "platform": "",
		"platformDetails": "Linux/UNIX", "ramdiskId": "", "sriovNetSupport": "simple", "tpmSupport": "", "usageOperation": "RunInstances",
	})), nil
}

func filterImages(region string, in props) ([]image, error) {
	var name *regexp.Regexp
	if text := provider.Str(in, "nameRegex"); text != "" {
		var err error
		if name, err = regexp.Compile(text); err != nil {
			return nil, fmt.Errorf("nameRegex: %w", err)
		}
	}
	if owners := provider.Strs(in, "owners"); len(owners) > 0 && !slices.Contains(owners, canonical) {
		return nil, nil
	}
	var found []image
	for _, i := range images {
		match := name == nil || name.MatchString(i.name)
		for _, f := range provider.Objs(in, "filters") {
			v, ok := i.attribute(region, provider.Str(f, "name"))
			if !ok {
				return nil, fmt.Errorf("InvalidParameterValue: the filter '%s' is invalid", provider.Str(f, "name"))
			}
			match = match && slices.ContainsFunc(provider.Strs(f, "values"), func(pattern string) bool { return wildcard(pattern, v) })
		}
		if match {
			found = append(found, i)
		}
	}
	return found, nil
}

// wildcard matches as the service does: * and ? stand for slashes as well.
func wildcard(pattern, v string) bool {
	const slash = "\x00"
	flat := func(s string) string { return strings.ReplaceAll(s, "/", slash) }
	ok, err := path.Match(flat(pattern), flat(v))
	return err == nil && ok
}
