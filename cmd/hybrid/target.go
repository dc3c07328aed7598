package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"hybrid/internal/observe"
)

// target is what to look at, by flags.
type target struct{ stack, kubeconfig, outputs string }

func (t *target) flags(f *pflag.FlagSet) {
	f.StringVarP(&t.stack, "stack", "s", "", "the Pulumi stack; the current one if not given")
	f.StringVar(&t.kubeconfig, "kubeconfig", "", "a kubeconfig file with a context for each cluster, instead of a stack")
	f.StringVar(&t.outputs, "outputs", "", "a file with a stack's outputs, as `pulumi stack output --json --show-secrets` prints them")
}

// words are the flags that were given, to be copied.
func (t *target) words() (all []string) {
	for _, f := range [][2]string{{"--stack", t.stack}, {"--kubeconfig", t.kubeconfig}, {"--outputs", t.outputs}} {
		if f[1] != "" {
			all = append(all, f[0], f[1])
		}
	}
	return all
}

// open finds out what there is to look at.
func (t *target) open(ctx context.Context) (*observe.Observer, error) {
	given := slices.DeleteFunc([]string{t.stack, t.kubeconfig, t.outputs}, func(flag string) bool { return flag == "" })
	if len(given) > 1 {
		return nil, errors.New("want one of --stack, --kubeconfig and --outputs, found several")
	}
	var s *observe.Stack
	var err error
	switch {
	case t.kubeconfig != "":
		s, err = observe.FromFile(t.kubeconfig)
	case t.outputs != "":
		s, err = observe.FromOutputs(t.outputs)
	default:
		s, err = observe.FromPulumi(ctx, t.stack)
	}
	if err != nil {
		return nil, err
	}
	return observe.New(s)
}

// ask is an error unless the answer is yes.
func ask(in io.Reader, yes bool, question string) error {
	if yes {
		return nil
	}
	fmt.Fprintf(os.Stderr, "%s [y/N] ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing has been changed")
	}
	return nil
}
