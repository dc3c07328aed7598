package clouds

import (
	"strings"
	"testing"
)

// Types that vendors have: those that can be a control plane, those that can only be
// a worker, those that can be neither, and what is no type at all.
func TestMachineTypes(t *testing.T) {
	t.Parallel()
	for cloud, types := range map[string]struct{ both, worker, arm, small, none string }{
		AWS: {
			both:   "t3.small t3.medium t2.medium m7i-flex.large c5n.18xlarge g4dn.xlarge g5.xlarge g6e.xlarge gr6.4xlarge u-6tb1.112xlarge u7i-12tb.224xlarge p5en.48xlarge x2iedn.xlarge c7a.metal-48xl z1d.large inf2.xlarge",
			worker: "t3.micro t2.micro t2.small t3a.micro m3.medium",
			arm:    "t4g.medium t4g.micro a1.large m6g.large m6gd.metal c6gn.medium c7g.large r8g.large x2gd.large im4gn.large is4gen.large g5g.xlarge hpc7g.4xlarge i8g.large mac2.metal mac2-m2pro.metal mac1.metal",
			small:  "t3.nano t2.nano t1.micro t3a.nano",
			none:   "medium t3 t3_medium e2-medium s-2vcpu-4gb T3.medium",
		},
		GCE: {
			both:   "e2-small e2-medium e2-standard-2 n1-standard-2 n2d-highmem-96 c4-standard-2-lssd c4d-standard-2 h4d-standard-192 a2-highgpu-1g m1-ultramem-40 custom-2-4096 e2-custom-2-4096 n2d-custom-4-8192-ext",
			worker: "e2-micro g1-small n1-standard-1 t2d-standard-1 custom-1-3840 e2-custom-2-1024",
			arm:    "t2a-standard-2 t2a-standard-1 c4a-standard-4 n4a-standard-2 a4x-highgpu-4g",
			small:  "f1-micro n1-custom-1-512",
			none:   "medium e2_medium t3.medium E2-medium -e2",
		},
		DigitalOcean: {
			both:   "s-2vcpu-2gb s-2vcpu-4gb s-2vcpu-4gb-120gb-intel g-2vcpu-8gb c-2 c2-2vcpu-4gb so1_5-2vcpu-16gb m3-2vcpu-16gb gpu-h100x1-80gb 4gb",
			worker: "s-1vcpu-1gb s-1vcpu-2gb s-1vcpu-3gb s-2vcpu-1gb 1gb",
			small:  "s-1vcpu-512mb-10gb 512mb",
			none:   "t3.medium S-2vcpu-4gb s-2vcpu- -s",
		},
	} {
		v := vendors[cloud]
		for _, group := range []struct{ types, control, worker string }{
			{types.both, "", ""}, {types.worker, "expected at least", ""}, {types.arm, "arm64", "arm64"},
			{types.small, "expected at least", "expected at least"}, {types.none + " ", "expected a machine type, such as " + v.machineLike, "expected a machine type"},
		} {
			for _, name := range strings.Fields(group.types) {
				for _, node := range []struct {
					least size
					want  string
				}{{leastControlPlane, group.control}, {leastWorker, group.worker}} {
					if got := v.machineProblem(name, node.least); (got == "") != (node.want == "") || !strings.Contains(got, node.want) {
						t.Errorf("%s %s, at least %+v: found %q, want %q", cloud, name, node.least, got, node.want)
					}
				}
			}
		}
		if v.machineProblem("t3 medium", leastWorker) == "" {
			t.Errorf("%s took a space", cloud)
		}
		if problem := v.machineProblem(v.machineLike, leastControlPlane); problem != "" {
			t.Errorf("%s: %s, which errors show, is none: %s", cloud, v.machineLike, problem)
		}
	}
}

// What the program takes by default passes its own checks.
func TestDefaultsAreRight(t *testing.T) {
	t.Parallel()
	eachCloud(t, func(t *testing.T, cloud string) {
		a := args(cloud)
		c, err := newCloud(&builder{args: a})
		if err != nil {
			t.Fatal(err)
		}
		c.defaults()
		a.Name = "paris"
		if problems := a.Settings.Problems(); problems != nil {
			t.Errorf("%v", problems)
		}
	})
}

func TestImages(t *testing.T) {
	t.Parallel()
	for cloud, images := range map[string]struct{ right, wrong string }{
		AWS:          {"ami-0123456789abcdef0 ami-01234567", "ubuntu-24-04-x64 ami-0123 AMI-01234567 ami-0123456789ABCDEF0"},
		GCE:          {"ubuntu-os-cloud/ubuntu-2404-lts-amd64 projects/ours/global/images/family/nodes debian-cloud/debian-12 https://www.googleapis.com/compute/v1/projects/ours/global/images/nodes", "ubuntu-os-cloud/ubuntu-2404-lts-arm64 rhel-cloud/rhel-9 cos-cloud/cos-stable windows-cloud/windows-2022 /images"},
		DigitalOcean: {"ubuntu-24-04-x64 debian-12-x64 123456789", "fedora-42-x64 centos-stream-9-x64 rockylinux-9-x64 almalinux-9-x64 Ubuntu"},
	} {
		for _, image := range strings.Fields(images.right) {
			if problem := vendors[cloud].imageProblem(image); problem != "" {
				t.Errorf("%s %s: %s", cloud, image, problem)
			}
		}
		for _, image := range append(strings.Fields(images.wrong), "ubuntu 24.04") {
			if vendors[cloud].imageProblem(image) == "" {
				t.Errorf("%s took %s", cloud, image)
			}
		}
	}
}

func TestMTU(t *testing.T) {
	t.Parallel()
	for names, want := range map[string]int{"": 0, AWS: 9001, GCE: 1460, DigitalOcean: 1500, AWS + " " + AWS: 1500, "aws digitalocean": 1500, "aws gce": 1460, "azure gce": 1460} {
		var clusters []Settings
		for _, cloud := range strings.Fields(names) {
			clusters = append(clusters, Settings{Cloud: cloud})
		}
		if got := MTU(clusters); got != want {
			t.Errorf("%q: found %d, want %d", names, got, want)
		}
	}
}
